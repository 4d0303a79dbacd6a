// Sharing a clip: an address that is good for some days, for whoever has it.
import { h } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { send } from "../net";
import { link } from "../route";
import { day, t } from "../say";
import { Choice, Copy, Field, Modal, Note } from "../ui";
import type { Video } from "./state";

const spans = [1, 7, 30] as const;

export function Share({ v, onClose }: { v: Video; onClose: () => void }) {
  const days = useSignal<(typeof spans)[number]>(7), url = useSignal(""), until = useSignal(0), error = useSignal("");
  useEffect(() => {
    error.value = "";
    send<{ url: string; expires_at: number }>("POST", `/api/v1/videos/${encodeURIComponent(v.id)}/share?days=${days.value}`).then((s) => {
      url.value = s.url;
      until.value = s.expires_at * 1000;
    }, (e: Error) => (error.value = e.message));
  }, [days.value]);
  const own = new URL(link("create", v.id), location.href).href;
  return (
    <Modal title={t("shareTitle")} onClose={onClose}>
      <p class="soft">{t("shareWhy")}</p>
      <Choice label={t("goodFor")} all={spans} now={days.value} set={(n) => (days.value = n)} show={(n) => (n === 1 ? t("oneDay") : t("days", { n }))} />
      <Field id="share-url" label={t("address")} hint={until.value ? `– ${day(until.value)}` : ""} value={url.value} set={() => {}} readOnly onFocus={(e: { currentTarget: HTMLInputElement }) => e.currentTarget.select()} />
      <Note text={error.value} />
      <p class="row"><Copy text={url.value} /><a href={url.value || undefined} target="_blank" rel="noopener">{t("play")}</a><span class="grow" /><Copy text={own} label={t("ofPage")} /></p>
    </Modal>
  );
}
