// The clips made so far.
import { h } from "preact";
import { useSignal } from "@preact/signals";
import { loaded, made, more, older, shown } from "./state";
import { clip } from "./api";
import type { Video } from "./api";

export function Gallery() {
  return (
    <section aria-label="Clips made so far">
      <h2>Made so far {made.value.length > 0 && <span class="soft">{made.value.length}{more.value && "+"}</span>}</h2>
      {loaded.value && made.value.length === 0 && <p class="soft">Nothing yet: write a sentence, or take an example.</p>}
      <div class="clips">{made.value.map((v) => <Card key={v.id} v={v} />)}</div>
      {more.value && <button class="older" onClick={older}>Older clips</button>}
    </section>
  );
}

// Card is a still that moves under the pointer and under the focus.
function Card({ v }: { v: Video }) {
  const moving = useSignal(false);
  const on = () => (moving.value = true);
  const off = () => (moving.value = false);
  const show = () => {
    shown.value = v.id;
    if (window.innerWidth < 820) document.querySelector(".stage")?.scrollIntoView({ behavior: "smooth", block: "center" });
  };
  return (
    <button class="card" aria-pressed={shown.value === v.id} onClick={show}
      onPointerEnter={on} onPointerLeave={off} onFocus={on} onBlur={off}>
      {moving.value
        ? <video src={clip(v.id)} poster={clip(v.id, "variant=thumbnail")} loop muted autoPlay playsInline />
        : <img src={clip(v.id, "variant=thumbnail")} alt="" loading="lazy" />}
      <span lang={/\p{Script=Han}/u.test(v.prompt) ? "zh" : "en"}>{v.prompt}</span>
    </button>
  );
}
