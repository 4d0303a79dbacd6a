// The one place for a sponsor's line, labelled as such. It is empty unless the
// operator has switched it on; nothing of the visitor is told to anybody.
import { h } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { get, key, send } from "./net";
import { t } from "./say";

interface Slot {
  view: string;
  sponsor: string;
  text: string;
  link: string;
}

export function Sponsored() {
  const slot = useSignal<Slot | null>(null);
  const ref = useRef<HTMLElement>(null);
  useEffect(() => {
    get<{ slot: Slot | null }>("/api/v1/sponsor").then((v) => (slot.value = v.slot), () => {});
  }, [key.value]);
  const view = slot.value?.view;
  useEffect(() => {
    if (!view || !ref.current) return;
    const look = new IntersectionObserver(([e]) => {
      if (!e.isIntersecting) return;
      look.disconnect();
      void send("POST", `/api/v1/sponsor/views/${view}/seen`).catch(() => {});
    }, { threshold: 0.5 });
    look.observe(ref.current);
    return () => look.disconnect();
  }, [view]);
  const s = slot.value;
  if (!s || !/^https?:\/\//i.test(s.link)) return null;
  const follow = () => void send("POST", `/api/v1/sponsor/views/${s.view}/click`).catch(() => {});
  return (
    <aside ref={ref} class="sponsored" aria-label={t("sponsored")}>
      <span class="chip">{t("sponsored")}</span> <span class="soft">{s.sponsor}</span>{" "}
      <a href={s.link} target="_blank" rel="noopener noreferrer nofollow sponsored" onClick={follow}>{s.text}</a>
    </aside>
  );
}
