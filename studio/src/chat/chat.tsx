// The plain assistant: a model, or two side by side.
import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { go, link } from "../route";
import { Icon } from "../icon";
import { written } from "../price";
import { bytes, langOf, t } from "../say";
import { Field, Loading, Note } from "../ui";
import { Markdown } from "./markdown";
import { attach, attached, begin, busy, change, chats, chosen, current, draft, drop, error, look, models, opposite, parameters, say, stop } from "./state";
import type { Chat as Talk, Turn } from "./state";

export function Chat({ id }: { id: string }) {
  useEffect(() => void look(), []);
  useEffect(() => void (chosen.value = id), [id]);
  const c = id ? current.value : undefined;
  return (
    <div class="screen chats">
      <nav class={id ? "people chosen" : "people"} aria-label={t("chats")}>
        <button class="primary" onClick={() => go("chat", begin())}>{t("newChat")}</button>
        {chats.value.map((x) => (
          <span class="row item" key={x.id}>
            <a href={link("chat", x.id)} aria-current={x.id === id ? "page" : undefined} lang={langOf(x.title)}>{x.title || t("untitled")}</a>
            <button class="quiet" aria-label={`${t("deleteChat")}: ${x.title}`} title={t("deleteChat")} onClick={() => { drop(x.id); if (x.id === id) go("chat"); }}>✕</button>
          </span>
        ))}
      </nav>
      <div class="middle">
        {models.value?.length === 0 && <p class="soft">{t("noModels")}</p>}
        {error.value && <Note text={error.value} again={models.value === null ? look : undefined} onClose={() => (error.value = "")} />}
        {models.value === null && !error.value && <Loading />}
        {c ? <Thread c={c} /> : models.value && <Start />}
      </div>
    </div>
  );
}

function Start() {
  return (
    <div class="panel start">
      <p class="soft">{t("emptyChat")}</p>
      <Ask send={(text) => { const id = begin(); go("chat", id); void say(id, text); }} />
    </div>
  );
}

function Thread({ c }: { c: Talk }) {
  const box = useRef<HTMLDivElement>(null);
  const pair = c.second !== "";
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [c.turns, c.beside]);
  const pick = (side: "model" | "second", v: string) => change(c.id, (x) => ({ ...x, [side]: v, beside: side === "second" && v && !x.beside.length ? x.turns.filter((m) => m.role === "user") : x.beside }));
  const last = c.turns.at(-1);
  return (
    <section class="panel thread" aria-label={c.title || t("untitled")}>
      <div class="row settings">
        <Pick label={t("model")} now={c.model} set={(v) => pick("model", v)} />
        <Pick label={t("compare")} now={c.second} set={(v) => pick("second", v)} none />
        <details class="more"><summary>{t("parameters")}</summary><Parameters /></details>
      </div>
      <div ref={box} class="said" role="log" tabIndex={0} aria-label={c.title || t("untitled")} aria-busy={busy.value > 0}>
        {c.turns.length === 0 && <p class="soft">{t("emptyChat")}</p>}
        {c.turns.map((m, i) => {
          const other = pair && m.role === "assistant" ? opposite(c, i) : undefined;
          return <div class={other ? "pair" : "alone"} key={i}><Said m={m} />{other && <Said m={other} />}</div>;
        })}
      </div>
      <Ask send={(text) => void say(c.id, text)}
        again={last && !busy.value && (last.role === "assistant" || last.role === "user") ? () => void say(c.id, "") : undefined} />
    </section>
  );
}

function Said({ m }: { m: Turn }) {
  if (m.role === "user") return <p class="me" lang={langOf(m.text)}><span class="sr">{t("you")}: </span>{m.files?.map((f, i) => <span class="attached" key={i}>{f.name} · {bytes(f.size)}</span>)}{m.text}</p>;
  const rate = m.tokens && m.seconds ? (m.tokens / m.seconds).toFixed(1) : "";
  const cost = m.cost && m.currency ? written(m.cost, m.currency) : "";
  return (
    <div class="them answer" lang={langOf(m.text)}>
      <span class="soft by">{m.model}</span>
      {m.text ? <Markdown text={m.text} /> : !m.broken && <span class="dots" role="status" aria-label={t("loading")}>…</span>}
      {m.broken && <p class="why" role="alert">{m.broken}</p>}
      {rate && <p class="soft rate">{t("speedOf", { n: m.tokens ?? 0, s: rate })}{cost && ` · ${t("costs", { price: cost })}`}</p>}
    </div>
  );
}

function Ask({ send, again }: { send: (text: string) => void; again?: () => void }) {
  const submit = (e?: Event) => {
    e?.preventDefault();
    const text = draft.value.trim();
    if (!text || busy.value || !models.value?.length) return;
    draft.value = "";
    send(text);
  };
  return (
    <form onSubmit={submit} onDragOver={(e) => e.preventDefault()} onDrop={(e) => { e.preventDefault(); void attach(e.dataTransfer?.files ?? []); }}>
      {attached.value.length > 0 && (
        <div class="chips small files">{attached.value.map((f) => (
          <button type="button" key={f.name} title={t("takeOut")} onClick={() => (attached.value = attached.value.filter((x) => x !== f))}>{f.name} · {bytes(f.size)} <span class="sr">{t("takeOut")}</span><span aria-hidden="true">✕</span></button>
        ))}</div>
      )}
      <label class="button quiet" title={t("addFiles")}><Icon name="clip" /><span class="sr">{t("addFiles")}</span><input class="sr" id="files" type="file" multiple accept="text/*,.md,.json,.csv,.tsv,.yaml,.yml,.toml,.xml,.log,.go,.py,.js,.ts,.tsx,.rs,.c,.h,.java,.sql,.sh" onChange={(e) => { void attach([...(e.currentTarget.files ?? [])]); e.currentTarget.value = ""; }} /></label>
      <label class="sr" for="ask">{t("ask")}</label>
      <textarea id="ask" rows={2} maxLength={100_000} placeholder={t("ask")} value={draft} onInput={(e) => (draft.value = e.currentTarget.value)}
        onKeyDown={(e) => { if (e.key === "Enter" && !e.shiftKey && !e.isComposing) submit(e); }} />
      {busy.value > 0 ? <button type="button" onClick={stop}>{t("stop")}</button> : <button class="primary">{t("send")}</button>}
      {again && <button type="button" class="quiet" title={t("regenerate")} aria-label={t("regenerate")} onClick={again}>↻</button>}
    </form>
  );
}

function Pick({ label, now, set, none }: { label: string; now: string; set: (v: string) => void; none?: boolean }) {
  return (
    <label class="pick">{label}
      <select value={now} onChange={(e) => set(e.currentTarget.value)}>
        {none && <option value="">{t("none")}</option>}
        {now && !models.value?.includes(now) && <option value={now}>{now}</option>}
        {(models.value ?? []).map((m) => <option key={m} value={m}>{m}</option>)}
      </select>
    </label>
  );
}

function Parameters() {
  const p = parameters.value;
  const set = (field: keyof typeof p) => (v: string) => (parameters.value = { ...p, [field]: v });
  return (
    <div class="parameters">
      <Field label={t("system")} value={p.system} set={set("system")} rows={2} maxLength={20_000} />
      <Field label={t("temperature")} value={p.temperature} set={set("temperature")} type="number" min="0" max="2" step="any" placeholder={t("usual")} />
      <Field label={t("maxTokens")} value={p.maxTokens} set={set("maxTokens")} type="number" min="1" step="1" placeholder={t("usual")} />
      <Field label={t("seed")} value={p.seed} set={set("seed")} type="number" step="1" placeholder={t("random")} />
    </div>
  );
}
