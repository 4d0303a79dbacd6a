// Clips amid a conversation: asked for there, made like any other, shown after
// the turn that they followed. Which clip stands where, this browser keeps.
import { h } from "preact";
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { content, film, isFinal, loaded, look, made, refresh, videos } from "../create/state";
import { Work } from "../create/stage";
import { link } from "../route";
import { langOf, store, stored, t } from "../say";
import { Modal, Picture, useMedia } from "../ui";
import { attempt, draft, said, who } from "./state";

interface Scene {
  after: number; // the turn; 0 is the beginning
  id: string; // of the clip
  sticker?: boolean; // small, without words
}

const most = 100; // of one conversation

export const scenes = signal<Record<string, Scene[]>>(stored("scenes", {}, (v) => !!v && typeof v === "object" && !Array.isArray(v)));

function keep(of: string, all: Scene[]) {
  scenes.value = { ...scenes.value, [of]: all.slice(-most) };
  store("scenes", scenes.value);
}

// shoot asks for a clip; its card stands after what was said last. What was
// typed comes back if there is none.
export const shoot = (text: string, typed = text, sticker = false) =>
  attempt(async () => {
    const of = who.value, after = last();
    const id = await film(text).catch((e) => {
      draft.value ||= typed;
      throw e;
    });
    keep(of, [...(scenes.value[of] ?? []), { after, id, sticker }]);
  });

const last = () => said.value.findLast((m) => m.id > 0)?.id ?? 0; // turn

const offered = 24; // clips to pick a sticker from

// Stickers lets pick a clip that was made before; it stands small in the conversation.
export function Stickers({ onClose }: { onClose: () => void }) {
  useEffect(() => {
    if (!loaded.value) void refresh();
  }, []);
  const pick = (id: string) => {
    keep(who.value, [...(scenes.value[who.value] ?? []), { after: last(), id, sticker: true }]);
    onClose();
  };
  return (
    <Modal title={t("sticker")} onClose={onClose}>
      <p class="soft">{t("stickerWhy")}</p>
      <div class="stickers">
        {made.value.slice(0, offered).map((v) => <button type="button" class="quiet" key={v.id} lang={langOf(v.prompt)} aria-label={v.prompt} title={v.prompt} onClick={() => pick(v.id)}><Picture url={content(v.id, "variant=thumbnail")} alt="" /></button>)}
      </div>
    </Modal>
  );
}

export function Scenes({ after }: { after: number }) {
  const of = who.value;
  return (scenes.value[of] ?? []).filter((s) => s.after === after).map((s, i) => (
    <Card key={`${s.id}/${i}`} s={s} drop={() => keep(of, scenes.value[of].filter((x) => x !== s))} />
  ));
}

function Card({ s: { id, sticker }, drop }: { s: Scene; drop: () => void }) {
  const v = videos.value.find((v) => v.id === id);
  useEffect(() => {
    if (!v) void refresh().then(() => look(id));
  }, [id]);
  const failed = v && isFinal(v) && v.status !== "completed";
  return (
    <figure class={sticker ? "scene sticker" : "scene"}>
      {v?.status === "completed" ? <Film id={id} text={v.prompt} controls={!sticker} /> : v && !isFinal(v) ? <Work v={v} over={false} /> : <p class="soft" role="status">{failed ? (v.error?.message ?? t(v.status === "cancelled" ? "clipCancelled" : "clipFailed")) : loaded.value ? t("gone") : `${t("loading")}…`}</p>}
      <figcaption class="row">
        {v?.status === "completed" && !sticker && <span lang={langOf(v.prompt)}>{v.prompt}</span>}
        <span class="grow" />
        {v?.status === "completed" && !sticker && <a href={link("create", id)}>{t("openInCreate")}</a>}
        {(!v || isFinal(v)) && <button class="quiet" aria-label={t("takeAway")} title={t("takeAway")} onClick={drop}>✕</button>}
      </figcaption>
    </figure>
  );
}

function Film({ id, text, controls }: { id: string; text: string; controls: boolean }) {
  const src = useMedia(content(id));
  const poster = useMedia(content(id, "variant=thumbnail"));
  return <video src={src || undefined} poster={poster || undefined} controls={controls} loop muted autoPlay playsInline aria-label={t("clipOf", { text })} />;
}
