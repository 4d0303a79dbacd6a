// The conversation with a character, and what is remembered of it.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useAct } from "../act";
import { Failed } from "../net";
import { day, langOf, moment, t } from "../say";
import { Icon } from "../icon";
import { Field, Modal, Note } from "../ui";
import { changing, correct, draft, facts, forget, forgetAll, greetings, recalled, said, say, speaker, stop, swipe, swipes, writing } from "./state";
import { Scenes, scenes, shoot, Stickers } from "./scene";
import type { Fact, Group, Message } from "./state";

const order = /^\/(clip|视频|sticker|贴纸)\s+(.+)$/su; // a clip or a sticker, asked for in words

export function Talk({ name, group }: { name: string; group?: Group }) {
  const box = useRef<HTMLDivElement>(null);
  const text = draft, picking = useSignal(false);
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [said.value, writing.value, scenes.value]);
  const send = (e?: Event) => {
    e?.preventDefault();
    const what = text.value.trim();
    if (!what || writing.value !== null) return;
    text.value = "";
    const clip = order.exec(what);
    void (clip ? shoot(clip[2], what, clip[1] === "sticker" || clip[1] === "贴纸") : say(what));
  };
  const film = () => {
    const what = text.value.trim();
    if (!what) return void document.getElementById("say")?.focus();
    text.value = "";
    void shoot(what);
  };
  return (
    <section class="panel talk" aria-label={name}>
      <div ref={box} class="said" role="log" aria-live="polite" tabIndex={0} aria-label={name}>
        {greetings.value.map((g) => <p class="them" key={g.who} lang={langOf(g.text)}>{g.who && <b class="by">{g.who}</b>}{g.text}</p>)}
        <Scenes after={0} />
        {said.value.map((m, i) => (
          <Fragment key={m.id || `new${i}`}>
            <Said m={m} name={group ? m.speaker : name} group={!!group} last={i === said.value.length - 1} />
            {m.id > 0 && <Scenes after={m.id} />}
          </Fragment>
        ))}
        {writing.value !== null && <p class="them">{group && speaker.value && <b class="by">{speaker}</b>}{writing.value || <span class="dots" role="status" aria-label={t("loading")}>…</span>}</p>}
      </div>
      {group && (
        <div class="chips small speakers" role="group" aria-label={t("letSpeak")}>
          <span class="soft">{t("letSpeak")}</span>
          {group.members.map((m) => <button type="button" key={m.name} disabled={writing.value !== null} onClick={() => void say("", 0, m.id)}>{m.name}</button>)}
        </div>
      )}
      <form onSubmit={send}>
        <label class="sr" for="say">{t("sayHere")}</label>
        <textarea id="say" rows={1} maxLength={4000} placeholder={t("sayHere")} value={text}
          onInput={(e) => (text.value = e.currentTarget.value)}
          onKeyDown={(e) => { if (e.key === "Enter" && !e.shiftKey && !e.isComposing) send(e); }} />
        {writing.value !== null
          ? <button type="button" onClick={stop}>{t("stop")}</button>
          : <Fragment><button type="button" class="quiet" id="film" title={t("filmThis")} aria-label={t("filmThis")} onClick={film}><Icon name="create" /></button><button type="button" class="quiet" id="sticker" title={t("sticker")} aria-label={t("sticker")} onClick={() => (picking.value = true)}><Icon name="characters" /></button><button class="primary">{t("send")}</button></Fragment>}
      </form>
      {picking.value && <Stickers onClose={() => (picking.value = false)} />}
    </section>
  );
}

function Said({ m, name, group, last }: { m: Message; name: string; group: boolean; last: boolean }) {
  const all = swipes.value;
  const now = all.findIndex((n) => n.id === m.id);
  const mine = m.speaker === "user";
  if (m.id > 0 && changing.value?.id === m.id) {
    const text = changing.value.text;
    const save = (e: Event) => {
      e.preventDefault();
      if (!text.trim() || writing.value !== null) return;
      changing.value = null;
      void say(text.trim(), m.id);
    };
    return (
      <form class="me changing" onSubmit={save}>
        <textarea rows={2} value={text} maxLength={4000} aria-label={t("editSaid")} onInput={(e) => (changing.value = { id: m.id, text: e.currentTarget.value })} />
        <span class="row"><button class="primary">{t("editSaid")}</button><button type="button" onClick={() => (changing.value = null)}>{t("cancel")}</button></span>
      </form>
    );
  }
  return (
    <div class={mine ? "turn mine" : "turn"}>
      <p class={mine ? "me" : "them"} lang={langOf(m.text)} title={moment(m.time)}>{group && !mine ? <b class="by">{name}</b> : <span class="sr">{mine ? t("you") : name}: </span>}{m.text}</p>
      <span class="row under">
        {mine && m.id > 0 && writing.value === null && <button class="quiet" aria-label={`${t("edit")}: ${m.text}`} title={t("edit")} onClick={() => (changing.value = { id: m.id, text: m.text })}>✎</button>}
        {!mine && last && writing.value === null && m.id > 0 && (
          <Fragment>
            {all.length > 1 && (
              <span class="row swipes">
                <button class="quiet" aria-label={t("previousReply")} title={t("previousReply")} disabled={now <= 0} onClick={() => void swipe(-1)}>‹</button>
                <span class="soft">{t("replyOf", { n: now + 1, of: all.length })}</span>
                <button class="quiet" aria-label={t("nextReply")} title={t("nextReply")} disabled={now < 0 || now >= all.length - 1} onClick={() => void swipe(1)}>›</button>
              </span>
            )}
            <button class="quiet again" onClick={() => void say("")}>↻ {t("again")}</button>
          </Fragment>
        )}
      </span>
    </div>
  );
}

export function Memory() {
  return (
    <section class="memory" aria-label={t("memory")}>
      <h2>{t("memory")} <span class="soft">{facts.value.length || ""}</span></h2>
      {facts.value.length === 0 && <p class="soft">{t("noMemory")}</p>}
      <ul class="facts">{facts.value.map((f) => <Known key={f.id} f={f} />)}</ul>
      <Recalled />
      {said.value.length > 0 && (
        <button class="quiet" onClick={() => { if (confirm(t("forgetSure"))) void forgetAll(); }}>{t("forgetAll")}</button>
      )}
    </section>
  );
}

function Recalled() {
  if (recalled.value.length === 0) return null;
  return (
    <details open>
      <summary>{t("recalled")} ({recalled.value.length})</summary>
      <ul>{recalled.value.map((r) => (
        <li key={`${r.turn}/${r.fact}`}><span lang={langOf(r.text)}>{r.text}</span> <time class="soft" dateTime={r.when}>{day(r.when)}</time>{r.why && <span class="chip" title={t("why")}>{r.why}</span>}</li>
      ))}</ul>
    </details>
  );
}

// Recalls is what a group remembers of its thread: no list of facts.
export function Recalls() {
  return <section class="memory" aria-label={t("memory")}><h2>{t("memory")}</h2>{recalled.value.length === 0 && <p class="soft">{t("groupMemory")}</p>}<Recalled /></section>;
}

function Known({ f }: { f: Fact }) {
  const open = useSignal(false), value = useSignal(f.object);
  const { busy, wrong, act } = useAct("object");
  const save = (e: Event) => {
    e.preventDefault();
    void act(async () => {
      const v = value.value.trim();
      if (!v) throw new Failed(t("isMissing"), 400, "object");
      if (v !== f.object) await correct(f.id, v);
      open.value = false;
    });
  };
  return (
    <li>
      <span>{f.subject} · {f.predicate.replaceAll("_", " ")} · <b>{f.object}</b></span> <time class="soft" dateTime={f.since}>{t("since", { day: day(f.since) })}</time>
      <span class="grow" />
      <button class="quiet" title={t("correct")} aria-label={`${t("correct")}: ${f.object}`} onClick={() => { value.value = f.object; open.value = true; }}>✎</button>
      <button class="quiet" title={t("forget")} aria-label={`${t("forget")}: ${f.object}`} onClick={() => void forget(f.id)}>✕</button>
      {open.value && (
        <Modal title={t("correct")} onClose={() => (open.value = false)}>
          <form onSubmit={save}>
            <Field label={t("rightValue")} value={value.value} set={(v) => (value.value = v)} required maxLength={400} autoFocus error={wrong.object} />
            <Note text={wrong[""]} />
            <button class="primary" disabled={busy}>{t("save")}</button>
          </form>
        </Modal>
      )}
    </li>
  );
}
