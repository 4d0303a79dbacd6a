// The clip that is shown, and the one that is being made.
import { h, Fragment } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { cancel, current, made, prompt, remove, seed, shown, speed, speeds, waiting } from "./state";
import { clip } from "./api";
import type { Video } from "./api";

const formats = ["webm", "mp4", "gif", "webp", "png"];
const labels: Record<string, string> = { webm: "WebM", mp4: "MP4", gif: "GIF", webp: "WebP", png: "PNG" };

const stages: Record<string, string> = {
  text: "Reading the prompt",
  sample: "Drawing",
  decode: "Unfolding the frames",
};

export function Stage() {
  const v = current.value;
  const [first, ...rest] = waiting.value;
  return (
    <section class="panel" aria-label="The clip">
      <div class="stage">
        {v ? <Player v={v} /> : !first && <Empty />}
        {first && <Work v={first} over={!!v} />}
      </div>
      {rest.length > 0 && (
        <ul class="queue" aria-label="Waiting">
          {rest.map((w) => (
            <li key={w.id}>
              <span>{w.prompt}</span>
              <button class="quiet" onClick={() => cancel(w.id)} aria-label={`Cancel ${w.prompt}`}>✕</button>
            </li>
          ))}
        </ul>
      )}
      {v && <About v={v} />}
    </section>
  );
}

function Empty() {
  return (
    <div class="empty">
      <div class="bounce" aria-hidden="true">▶</div>
      <p>Your clip appears here.</p>
    </div>
  );
}

function Work({ v, over }: { v: Video; over: boolean }) {
  const text = v.status === "queued" ? "Waiting for its turn" : stages[v.kuai_stage ?? ""] ?? "Starting";
  const count = v.status === "in_progress" && v.kuai_stage === "sample" ? `step ${v.kuai_step} of ${v.kuai_steps}` : "";
  return (
    <div class={over ? "work over" : "work"}>
      <p class="doing">{v.prompt}</p>
      <progress max={100} value={v.progress} aria-label="Progress" />
      <p role="status">{text}{count && <span class="soft"> · {count}</span>}</p>
      <button onClick={() => cancel(v.id)}>Cancel</button>
    </div>
  );
}

function Player({ v }: { v: Video }) {
  const ref = useRef<HTMLVideoElement>(null);
  const rate = speed.value;
  useEffect(() => {
    const el = ref.current;
    if (!el) return;
    el.defaultPlaybackRate = el.playbackRate = rate;
  }, [rate, v.id]);
  const toggle = () => {
    const el = ref.current;
    if (el) void (el.paused ? el.play().catch(() => {}) : el.pause());
  };
  return (
    <video ref={ref} key={v.id} src={clip(v.id)} poster={clip(v.id, "variant=thumbnail")} loop muted autoPlay playsInline
      tabIndex={0} aria-label={`Clip: ${v.prompt}. Press space to stop and go on.`} title="Click to stop and go on"
      onClick={toggle} onKeyDown={(e) => { if (e.key === " ") { e.preventDefault(); toggle(); } }} />
  );
}

function About({ v }: { v: Video }) {
  return (
    <Fragment>
      <div class="speeds" role="radiogroup" aria-label="Speed">
        {speeds.map((s) => (
          <button key={s} role="radio" aria-checked={s === speed.value} onClick={() => (speed.value = s)}>{s}×</button>
        ))}
      </div>
      <blockquote lang={/\p{Script=Han}/u.test(v.prompt) ? "zh" : "en"}>{v.prompt}</blockquote>
      <Words v={v} />
      <p class="soft facts">
        seed <code>{v.kuai_seed}</code> · {v.seconds} s · made in {v.kuai_seconds_of_work?.toFixed(1)} s
      </p>
      <div class="row">
        <button onClick={() => { prompt.value = v.prompt; seed.value = ""; document.getElementById("prompt")?.focus(); }}>Use the prompt</button>
        <span class="grow" />
        <span class="save" role="group" aria-label="Save as">
          {formats.map((f) => (
            <a key={f} href={clip(v.id, `format=${f}&download=1`)} download>{labels[f]}</a>
          ))}
        </span>
        <button class="quiet" title="Delete this clip" aria-label="Delete this clip" onClick={() => remove(v.id)}>🗑</button>
      </div>
    </Fragment>
  );
}

// Words shows what the model understood, and what it did not.
function Words({ v }: { v: Video }) {
  return (
    <div class="chips small" role="group" aria-label="Understood words">
      {(v.kuai_understood ?? []).map((s) => (
        <span key={s.kind} class="chip" title={`${Math.round(100 * s.confidence)} % sure`}>
          <i>{s.kind}</i> {s.en} <span lang="zh">{s.zh}</span>
        </span>
      ))}
      {(v.kuai_unknown_words ?? []).map((w) => (
        <span key={`?${w}`} class="chip unknown" title="The model does not know this word"><i>unknown</i> {w}</span>
      ))}
    </div>
  );
}

// keys: < and > change the speed, the arrows walk through the clips.
export function keys(e: KeyboardEvent) {
  const t = e.target as HTMLElement;
  if (e.ctrlKey || e.metaKey || e.altKey || t.matches?.("input, textarea, select")) return;
  const move = <T,>(all: T[], now: T, by: number) => all[Math.min(all.length - 1, Math.max(0, all.indexOf(now) + by))];
  const ids = made.value.map((v) => v.id);
  switch (e.key) {
    case "<": speed.value = move(speeds, speed.value, -1); break;
    case ">": speed.value = move(speeds, speed.value, 1); break;
    case "ArrowLeft": shown.value = move(ids, shown.value, -1) ?? ""; break;
    case "ArrowRight": shown.value = move(ids, shown.value, 1) ?? ""; break;
    case "/": e.preventDefault(); document.getElementById("prompt")?.focus(); break;
  }
}
