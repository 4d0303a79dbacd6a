// The characters: who there is, the conversation, and what is remembered.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { correct, error, facts, folk, forget, forgetAll, greeting, language, meet, recalled, said, say, speak, stop, who, writing } from "./folk";
import type { Fact } from "./api";

const words = {
  en: { say: "Say something", send: "Send", stop: "Stop", again: "Another reply", memory: "What is remembered", none: "Nothing yet. Tell something about yourself.",
    recalled: "Recalled for the last reply", forget: "Forget", edit: "Correct", all: "Forget everything", sure: "Forget everything that was said? This cannot be taken back.",
    you: "You", value: "The right value", choose: "Choose somebody to talk to." },
  zh: { say: "说点什么", send: "发送", stop: "停", again: "换一句", memory: "记得的事", none: "还没有。说说你自己吧。",
    recalled: "上一句回复想起了", forget: "忘记", edit: "更正", all: "全部忘记", sure: "要忘记说过的一切吗？不能恢复。",
    you: "你", value: "正确的内容", choose: "选一个人聊聊。" },
};

const hue = (id: string) => [...id].reduce((n, c) => (n * 31 + c.charCodeAt(0)) % 360, 7);

export function Characters({ id }: { id: string }) {
  useEffect(() => void meet(id), [id]);
  const w = words[language.value];
  return (
    <main class="folk" lang={language.value}>
      <nav aria-label="Characters" class="people">
        <div class="row languages" role="radiogroup" aria-label="Language">
          {(["en", "zh"] as const).map((l) => (
            <button key={l} role="radio" aria-checked={language.value === l} lang={l} onClick={() => void speak(l)}>{l === "en" ? "English" : "中文"}</button>
          ))}
        </div>
        {folk.value.map((c) => (
          <a key={c.id} href={`#/characters/${c.id}`} aria-current={c.id === id ? "page" : undefined}>
            <span class="face" aria-hidden="true" style={{ "--hue": hue(c.id) }}>{[...c.name][0]}</span>
            <span><b>{c.name}</b><span class="soft">{c.tags}</span></span>
          </a>
        ))}
      </nav>
      {id ? <Talk key={id} /> : <p class="soft">{w.choose}</p>}
      {id && <Memory />}
    </main>
  );
}

function Talk() {
  const w = words[language.value];
  const text = useSignal("");
  const end = useRef<HTMLDivElement>(null);
  const name = folk.value.find((c) => c.id === who.value)?.name ?? "";
  useEffect(() => end.current?.scrollIntoView({ block: "nearest" }), [said.value, writing.value]);
  const send = (e?: Event) => {
    e?.preventDefault();
    const t = text.value.trim();
    if (!t || writing.value !== null) return;
    text.value = "";
    void say(t);
  };
  const last = said.value.at(-1);
  return (
    <section class="panel talk" aria-label={name}>
      <div class="said" role="log" aria-live="polite">
        {greeting.value && <p class="them">{greeting}</p>}
        {said.value.map((m, i) => (
          <p key={m.id || `new${i}`} class={m.speaker === "user" ? "me" : "them"} title={new Date(m.time).toLocaleString()}>
            <span class="sr">{m.speaker === "user" ? w.you : name}: </span>{m.text}
          </p>
        ))}
        {writing.value !== null && <p class="them">{writing.value || <span class="dots" aria-label="…">…</span>}</p>}
        <div ref={end} />
      </div>
      {error.value && <p class="error" role="alert"><span>{error}</span></p>}
      <form onSubmit={send}>
        <label class="sr" for="say">{w.say}</label>
        <textarea id="say" rows={1} maxLength={4000} placeholder={w.say} value={text} autoFocus
          onInput={(e) => (text.value = e.currentTarget.value)}
          onKeyDown={(e) => { if (e.key === "Enter" && !e.shiftKey && !e.isComposing) send(e); }} />
        {writing.value !== null
          ? <button type="button" onClick={stop}>{w.stop}</button>
          : <Fragment>
              {last?.speaker === "companion" && <button type="button" class="quiet" onClick={() => void say("")}>↻ {w.again}</button>}
              <button class="primary">{w.send}</button>
            </Fragment>}
      </form>
    </section>
  );
}

function Memory() {
  const w = words[language.value];
  return (
    <section class="memory" aria-label={w.memory}>
      <h2>{w.memory} <span class="soft">{facts.value.length || ""}</span></h2>
      {facts.value.length === 0 && <p class="soft">{w.none}</p>}
      <ul>{facts.value.map((f) => <Known key={f.id} f={f} />)}</ul>
      {recalled.value.length > 0 && (
        <details>
          <summary>{w.recalled} ({recalled.value.length})</summary>
          <ul>{recalled.value.map((r) => <li key={`${r.turn}/${r.fact}`}><span>{r.text}</span> <time class="soft">{r.when.slice(0, 10)}</time></li>)}</ul>
        </details>
      )}
      {said.value.length > 0 && (
        <button class="quiet" onClick={() => { if (confirm(w.sure)) void forgetAll(); }}>{w.all}</button>
      )}
    </section>
  );
}

function Known({ f }: { f: Fact }) {
  const w = words[language.value];
  return (
    <li>
      <span>{f.subject} · {f.predicate.replaceAll("_", " ")} · <b>{f.object}</b></span> <time class="soft">{f.since.slice(0, 10)}</time>
      <span class="grow" />
      <button class="quiet" title={w.edit} aria-label={`${w.edit}: ${f.object}`}
        onClick={() => { const v = prompt(w.value, f.object)?.trim(); if (v && v !== f.object) void correct(f.id, v); }}>✎</button>
      <button class="quiet" title={w.forget} aria-label={`${w.forget}: ${f.object}`} onClick={() => void forget(f.id)}>✕</button>
    </li>
  );
}
