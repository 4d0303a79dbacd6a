// The clips and pictures made so far.
import { h } from "preact";
import { computed, signal, useSignal } from "@preact/signals";
import { go } from "../route";
import { langOf, t } from "../say";
import { Loading, Picture, useMedia } from "../ui";
import { content, current, favourites, loaded, made, more, older, stills } from "./state";
import type { Still, Video } from "./state";

const wanted = signal("");
const liked = signal(false);
const found = computed(() => {
  const words = wanted.value.toLowerCase().split(/\s+/).filter(Boolean);
  return made.value.filter((v) => (!liked.value || favourites.value.includes(v.id)) && words.every((w) => v.prompt.toLowerCase().includes(w)));
});

export function Gallery() {
  return (
    <section aria-label={t("madeSoFar")}>
      {stills.value.length > 0 && <Stills />}
      <div class="row bar">
        <h2>{t("madeSoFar")} {made.value.length > 0 && <span class="soft">{made.value.length}{more.value && "+"}</span>}</h2>
        <span class="grow" />
        {made.value.length > 0 && (
          <span class="row find">
            <input type="search" placeholder={t("search")} aria-label={t("search")} value={wanted} maxLength={100} onInput={(e) => (wanted.value = e.currentTarget.value)} />
            <button class="quiet" aria-pressed={liked.value} aria-label={t("onlyFavourites")} title={t("onlyFavourites")} onClick={() => (liked.value = !liked.value)}>{liked.value ? "★" : "☆"}</button>
          </span>
        )}
      </div>
      {!loaded.value && made.value.length === 0 && <Loading />}
      {loaded.value && made.value.length === 0 && <p class="soft">{t("nothingYet")}</p>}
      {made.value.length > 0 && found.value.length === 0 && <p class="soft">{t("nothingFound")}</p>}
      <div class="clips">{found.value.map((v) => <Card key={v.id} v={v} />)}</div>
      {more.value && <button class="older" onClick={older}>{t("older")}</button>}
    </section>
  );
}

// Card is a still that moves under the pointer and under the focus.
function Card({ v }: { v: Video }) {
  const moving = useSignal(false);
  const on = () => (moving.value = true);
  const off = () => (moving.value = false);
  const show = () => {
    go("create", v.id);
    if (window.innerWidth < 820) document.querySelector(".stage")?.scrollIntoView({ behavior: "smooth", block: "center" });
  };
  return (
    <button class="card" aria-pressed={current.value?.id === v.id} onClick={show}
      onPointerEnter={on} onPointerLeave={off} onFocus={on} onBlur={off}>
      <span class="still">
        <Picture url={content(v.id, "variant=thumbnail")} alt="" loading="lazy" />
        {moving.value && <Moving id={v.id} />}
        {favourites.value.includes(v.id) && <span class="star" aria-label={t("favourite")}>★</span>}
      </span>
      <span class="text" lang={langOf(v.prompt)}>{v.prompt}</span>
    </button>
  );
}

function Moving({ id }: { id: string }) {
  const src = useMedia(content(id));
  return src ? <video src={src} loop muted autoPlay playsInline /> : null;
}

function Stills() {
  return (
    <div>
      <h2>{t("pictures")} <span class="soft">{t("picturesKept")}</span></h2>
      <div class="clips">{stills.value.map((s) => <Shot key={s.id} s={s} />)}</div>
    </div>
  );
}

function Shot({ s }: { s: Still }) {
  const url = `data:image/png;base64,${s.data}`;
  return (
    <figure class="card">
      <span class="still">{s.data ? <img src={url} alt={s.prompt} /> : <span class="making" role="status">{t("drawing")}…</span>}</span>
      <figcaption class="text"><span lang={langOf(s.prompt)}>{s.prompt}</span>{s.data && <a href={url} download={`kuai-${s.seed}.png`}> PNG</a>}</figcaption>
    </figure>
  );
}
