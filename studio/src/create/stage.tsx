// The clip that is shown, and the one that is being made.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icon";
import { go } from "../route";
import { langOf, t } from "../say";
import { Choice, Save, useMedia } from "../ui";
import { Share } from "./share";
import { begins, cancel, content, current, favour, favourites, foreseen, loop, made, options, pace, prompt, remix, remove, seed, slotOf, speed, speeds, waiting } from "./state";
import type { Video } from "./state";

const labels: Record<string, string> = { webm: "WebM", mp4: "MP4", gif: "GIF", webp: "WebP", png: "PNG", zip: "ZIP" };
const stages = { text: "reading", sample: "drawing", decode: "unfolding" } as const;

export function Stage() {
  const v = current.value;
  const [first, ...rest] = waiting.value;
  return (
    <section class="panel" aria-label={t("clip")}>
      <div class="stage">
        {v ? <Player key={v.id} v={v} /> : !first && <div class="empty"><div class="bounce" aria-hidden="true">▶</div><p>{t("appearsHere")}</p></div>}
        {first && <Work v={first} over={!!v} />}
      </div>
      {v && <Controls />}
      {rest.length > 0 && (
        <ul class="queue" aria-label={t("waiting")}>
          {rest.map((w, i) => (
            <li key={w.id}>
              <span><span lang={langOf(w.prompt)}>{w.prompt}</span> <span class="soft">· {place(w, i + (first.status === "queued" ? 2 : 1))}</span></span>
              <button class="quiet" onClick={() => cancel(w.id)} aria-label={`${t("cancel")}: ${w.prompt}`}>✕</button>
            </li>
          ))}
        </ul>
      )}
      {v && <About v={v} />}
    </section>
  );
}

const soon = 90; // seconds that are told as such

const leftOf = (s = 0) => (s <= 0 ? "" : s < soon ? t("left", { s: Math.ceil(s) }) : t("leftMinutes", { m: Math.ceil(s / 60) }));

// place is where one stands that waits: the server's word, or a guess until it comes.
const place = (v: Video, guess: number) =>
  [t("inQueue", { n: v.kuai_queue_position || guess }), leftOf(v.kuai_seconds_left)].filter(Boolean).join(" · ");

export function Work({ v, over }: { v: Video; over: boolean }) {
  const left = v.status === "queued" ? "" : leftOf(v.kuai_seconds_left);
  const picture = foreseen.value.id === v.id ? foreseen.value.url : "";
  const text = v.status === "queued" ? t("waiting") : t(stages[v.kuai_stage as keyof typeof stages] ?? "starting");
  const count = v.status === "in_progress" && v.kuai_stage === "sample" ? t("step", { n: v.kuai_step, of: v.kuai_steps }) : "";
  return (
    <div class={`work${over ? " over" : ""}${picture ? " seen" : ""}`}>
      {picture && <img class="foreseen" src={picture} alt={t("foreseen")} />}
      <p class="doing" lang={langOf(v.prompt)}>{v.prompt}</p>
      <progress max={100} value={v.progress} aria-label={t("progress")} />
      <p><span role="status">{text}</span>{count && <span class="soft"> · {count}</span>}{left && <span class="soft"> · {left}</span>}
        {v.status === "queued" && <span class="soft"> · {place(v, 1)}</span>}</p>
      <button onClick={() => cancel(v.id)}>{t("cancel")}</button>
    </div>
  );
}

const player = () => document.querySelector<HTMLVideoElement>(".stage video");

export function toggle() {
  const el = player();
  if (el) void (el.paused ? el.play().catch(() => {}) : el.pause());
}

function step(by: number) {
  const el = player();
  if (!el) return;
  el.pause();
  const fps = pace(current.value?.model ?? "").fps || 12;
  el.currentTime = Math.max(0, Math.min(el.duration || 0, (Math.round(el.currentTime * fps) + by) / fps + 0.001));
}

function Player({ v }: { v: Video }) {
  const ref = useRef<HTMLVideoElement>(null);
  const src = useMedia(content(v.id));
  const poster = useMedia(content(v.id, "variant=thumbnail"));
  const rate = speed.value;
  useEffect(() => {
    const el = ref.current;
    if (el) el.defaultPlaybackRate = el.playbackRate = rate;
  }, [rate, src]);
  return (
    <video ref={ref} src={src || undefined} poster={poster || undefined} loop={loop.value} muted autoPlay playsInline
      tabIndex={0} aria-label={t("clipOf", { text: v.prompt })}
      onClick={toggle} onKeyDown={(e) => { if (e.key === " ") { e.preventDefault(); toggle(); } }} />
  );
}

function Controls() {
  return (
    <div class="controls">
      <Choice label={t("speed")} all={speeds} now={speed.value as 1} set={(s) => (speed.value = s)} show={(s) => `${s}×`} />
      <div class="row tools">
        <button class="quiet" title={`${t("play")} / ${t("pause")}`} aria-label={`${t("play")} / ${t("pause")}`} onClick={toggle}><Icon name="pause" /></button>
        <button class="quiet" title={t("frameBack")} aria-label={t("frameBack")} onClick={() => step(-1)}><Icon name="back" /></button>
        <button class="quiet" title={t("frameOn")} aria-label={t("frameOn")} onClick={() => step(1)}><Icon name="on" /></button>
        <button class="quiet" aria-pressed={loop.value} title={t("loop")} aria-label={t("loop")} onClick={() => (loop.value = !loop.value)}><Icon name="loop" /></button>
        <button class="quiet" title={t("fullScreen")} aria-label={t("fullScreen")} onClick={() => void player()?.requestFullscreen?.().catch(() => {})}><Icon name="full" /></button>
      </div>
    </div>
  );
}

function About({ v }: { v: Video }) {
  const liked = favourites.value.includes(v.id);
  const sharing = useSignal(false);
  const use = (s: string) => {
    prompt.value = v.prompt;
    seed.value = s;
    document.getElementById("prompt")?.focus();
  };
  return (
    <Fragment>
      <blockquote lang={langOf(v.prompt)}>{v.prompt}</blockquote>
      <Words v={v} />
      <p class="soft facts">{t("about", { seed: v.kuai_seed, s: v.seconds, t: v.kuai_seconds_of_work?.toFixed(1) ?? "" })}</p>
      <div class="row">
        {!begins(v.model) && <button onClick={() => void remix(v)} title={t("sameAgain")}>{t("remix")}</button>}
        <button onClick={() => use(String(v.kuai_seed))} title={t("sameSeed")}>{t("usePrompt")}</button>
        <button id="share" onClick={() => (sharing.value = true)}>{t("share")}</button>
        <span class="grow" />
        <button class="quiet" aria-pressed={liked} aria-label={t(liked ? "unfavourite" : "favourite")} title={t(liked ? "unfavourite" : "favourite")} onClick={() => favour(v.id)}>{liked ? "★" : "☆"}</button>
        <button class="quiet" title={t("remove")} aria-label={t("remove")}
          onClick={() => { if (confirm(t("deleteSure", { text: v.prompt }))) void remove(v.id); }}><Icon name="bin" /></button>
      </div>
      <p class="save" role="group" aria-label={t("saveAs")}>
        <span class="soft">{t("saveAs")}</span>
        {(options.value?.formats ?? ["webm", "mp4", "gif", "webp", "png"]).map((f) => (
          <Save key={f} url={content(v.id, `format=${f}&download=1`)} name={`${v.id}.${f}`}>{labels[f] ?? f}</Save>
        ))}
      </p>
      {sharing.value && <Share v={v} onClose={() => (sharing.value = false)} />}
    </Fragment>
  );
}

// Words shows what the model understood, and what it did not.
function Words({ v }: { v: Video }) {
  return (
    <div class="chips small" role="group" aria-label={t("understood")}>
      {(v.kuai_understood ?? []).map((s) => (
        <span key={s.kind} class="chip" title={t("sure", { n: Math.round(100 * s.confidence) })}>
          <i>{slotOf(s.kind)}</i> {s.en} <span lang="zh">{s.zh}</span>
        </span>
      ))}
      {(v.kuai_unknown_words ?? []).map((w) => (
        <span key={`?${w}`} class="chip unknown" title={t("unknownTitle")}><i>{t("unknownWord")}</i> {w}</span>
      ))}
    </div>
  );
}

// keys: < and > change the speed, the arrows walk through the clips.
export function keys(e: KeyboardEvent) {
  const on = e.target as HTMLElement;
  if (e.ctrlKey || e.metaKey || e.altKey || on.matches?.("input, textarea, select, [role=radio]")) return;
  const move = <T,>(all: readonly T[], now: T, by: number) => all[Math.min(all.length - 1, Math.max(0, all.indexOf(now) + by))];
  const walk = (by: number) => {
    const id = move(made.value.map((v) => v.id), current.value?.id ?? "", by);
    if (id) go("create", id);
  };
  switch (e.key) {
    case "<": speed.value = move(speeds, speed.value as 1, -1); break;
    case ">": speed.value = move(speeds, speed.value as 1, 1); break;
    case "ArrowLeft": walk(-1); break;
    case "ArrowRight": walk(1); break;
    case "/": e.preventDefault(); document.getElementById("prompt")?.focus(); break;
  }
}
