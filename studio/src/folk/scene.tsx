// Clips amid a conversation: asked for there, made like any other, shown after
// the turn that they followed. Which clip stands where, this browser keeps.
import { h } from "preact";
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { content, film, isFinal, loaded, look, refresh, videos } from "../create/state";
import { Work } from "../create/stage";
import { link } from "../route";
import { langOf, store, stored, t } from "../say";
import { useMedia } from "../ui";
import { attempt, draft, said, who } from "./state";

interface Scene {
  after: number; // the turn; 0 is the beginning
  id: string; // of the clip
}

const most = 100; // of one conversation

const scenes = signal<Record<string, Scene[]>>(stored("scenes", {}, (v) => !!v && typeof v === "object" && !Array.isArray(v)));

function keep(of: string, all: Scene[]) {
  scenes.value = { ...scenes.value, [of]: all.slice(-most) };
  store("scenes", scenes.value);
}

// shoot asks for a clip; its card stands after what was said last. What was
// typed comes back if there is none.
export const shoot = (text: string, typed = text) =>
  attempt(async () => {
    const of = who.value, after = said.value.findLast((m) => m.id > 0)?.id ?? 0;
    const id = await film(text).catch((e) => {
      draft.value ||= typed;
      throw e;
    });
    keep(of, [...(scenes.value[of] ?? []), { after, id }]);
  });

export function Scenes({ after }: { after: number }) {
  const of = who.value;
  return (scenes.value[of] ?? []).filter((s) => s.after === after).map((s) => (
    <Card key={s.id} id={s.id} drop={() => keep(of, scenes.value[of].filter((x) => x.id !== s.id))} />
  ));
}

function Card({ id, drop }: { id: string; drop: () => void }) {
  const v = videos.value.find((v) => v.id === id);
  useEffect(() => {
    if (!v) void refresh().then(() => look(id));
  }, [id]);
  const failed = v && isFinal(v) && v.status !== "completed";
  return (
    <figure class="scene">
      {v?.status === "completed" ? <Film id={id} text={v.prompt} /> : v && !isFinal(v) ? <Work v={v} over={false} /> : <p class="soft" role="status">{failed ? (v.error?.message ?? t(v.status === "cancelled" ? "clipCancelled" : "clipFailed")) : loaded.value ? t("gone") : `${t("loading")}…`}</p>}
      <figcaption class="row">
        {v?.status === "completed" && <span lang={langOf(v.prompt)}>{v.prompt}</span>}
        <span class="grow" />
        {v?.status === "completed" && <a href={link("create", id)}>{t("openInCreate")}</a>}
        {(!v || isFinal(v)) && <button class="quiet" aria-label={t("takeAway")} title={t("takeAway")} onClick={drop}>✕</button>}
      </figcaption>
    </figure>
  );
}

function Film({ id, text }: { id: string; text: string }) {
  const src = useMedia(content(id));
  const poster = useMedia(content(id, "variant=thumbnail"));
  return <video src={src || undefined} poster={poster || undefined} controls loop muted autoPlay playsInline aria-label={t("clipOf", { text })} />;
}
