// The prompt, its examples, the words that the model knows, and its options.
import { h } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Signal } from "@preact/signals";
import { language, langOf, t } from "../say";
import { Choice, Note } from "../ui";
import { begins, chosen, error, filming, first, guidance, heeds, kind, lengthOf, make, options, picked, pictures, price, prompt, seconds, seed, sending, slotOf, steps, takes, wanted, wrong } from "./state";

const examples = [
  "a fox jumps over the grass at night",
  "一只企鹅白天在雪地里转圈",
  "a rocket flies up in space",
  "a big elephant runs to the right on the beach at sunset",
  "一条鲸鱼傍晚在大海上跳",
  "a small cake falls in the city by day",
  "a butterfly circles on the meadow in the morning",
  "夜里一只猫在城市里向左跑",
  "a crab runs quickly to the left on the beach",
  "an octopus sways on the sea at sunset",
  "一匹马在沙漠里向右跑",
  "a dinosaur grows slowly in the desert",
];

const shownAtOnce = 5;

export function Maker() {
  const from = useSignal(0);
  const mine = [...examples].sort((a, b) => +(langOf(b) === language.value) - +(langOf(a) === language.value));
  const send = (e?: Event) => {
    e?.preventDefault();
    void make(prompt.value.trim() || mine[0]);
  };
  const has = (option: string) => kind.value === "image" || heeds(filming.value, option);
  const keys = (e: KeyboardEvent) => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    if (!e.repeat) send(); // a key that is held down is one wish
  };
  const some = Array.from({ length: shownAtOnce }, (_, i) => mine[(from.value + i) % mine.length]);
  return (
    <form class="maker" onSubmit={send} noValidate>
      <label for="prompt" class="sr">{t("prompt")}</label>
      <textarea id="prompt" rows={2} maxLength={400} placeholder={mine[0]} value={prompt} aria-invalid={!!wrong.value.prompt} aria-describedby="prompt-why"
        onInput={(e) => (prompt.value = e.currentTarget.value)} onKeyDown={keys} />
      {wrong.value.prompt && <p id="prompt-why" class="why" role="alert">{wrong.value.prompt}</p>}
      <Suggestions />
      {kind.value === "clip" && begins(filming.value) && <First />}
      <div class="row">
        <Choice label={t("kind")} all={["clip", "image"] as const} now={kind.value} set={(v) => (kind.value = v)} show={(v) => t(v)} />
        {kind.value === "clip" && (options.value?.models?.length ?? 0) > 1 && (
          <label class="row takes">{t("model")}
            <select id="filming" value={filming.value} onChange={(e) => (chosen.value = e.currentTarget.value)}>{options.value?.models?.map((m) => <option key={m} value={m}>{m}</option>)}</select>
          </label>
        )}
        {kind.value === "clip" && heeds(filming.value, "frames") && lengthOf("") > 1 && (
          <label class="row takes">{t("length")}
            <select id="seconds" value={wanted.value} onChange={(e) => (seconds.value = e.currentTarget.value)}>
              {Array.from({ length: Math.ceil(lengthOf("")) - 1 }, (_, i) => String(i + 1)).map((n) => <option key={n} value={n}>{n} s</option>)}
              <option value="">{+lengthOf("").toFixed(1)} s</option>
            </select>
          </label>
        )}
        <label class="row takes">{t("takes")}
          <select value={String(takes.value)} onChange={(e) => (takes.value = Number(e.currentTarget.value))}>
            {[1, 2, 3, 4].map((n) => <option key={n} value={n}>{n}</option>)}
          </select>
        </label>
        <span class="soft price">{price.value && t("costs", { price: price.value })}</span>
        <button class="primary" id="make" disabled={sending.value}>{t(kind.value === "clip" ? "makeClip" : "makeImage")}</button>
      </div>
      <details class="more">
        <summary>{t("options")}</summary>
        <div class="row options">
          {has("seed") && <Option name={t("seed")} param="seed" hint={t("random")} value={seed} width="9rem" />}
          {kind.value === "clip" && has("steps") && <Option name={t("steps")} param="steps" hint={t("usual")} value={steps} width="5.5rem" />}
          {kind.value === "clip" && has("guidance") && <Option name={t("guidance")} param="guidance" hint={t("usual")} value={guidance} width="5.5rem" />}
        </div>
      </details>
      <Known />
      <div class="chips" role="group" aria-label={t("examples")}>
        {some.map((text) => (
          <button type="button" key={text} lang={langOf(text)} onClick={() => { prompt.value = text; void make(text); }}>{text}</button>
        ))}
        <button type="button" class="quiet" title={t("otherExamples")} aria-label={t("otherExamples")} onClick={() => (from.value += shownAtOnce)}>↻</button>
      </div>
      <Note text={error.value} onClose={() => (error.value = "")} />
    </form>
  );
}

// First is the picture that a clip begins with, of models whose clips do.
function First() {
  const why = wrong.value.input_reference, url = useSignal("");
  useEffect(() => {
    if (!first.value) return void (url.value = "");
    const own = (url.value = URL.createObjectURL(first.value));
    return () => URL.revokeObjectURL(own);
  }, [first.value]);
  return (
    <div class={why ? "first wrong" : "first"} onDragOver={(e) => e.preventDefault()} onDrop={(e) => { e.preventDefault(); picked(e.dataTransfer?.files[0]); }}>
      {url.value && <img src={url.value} alt={t("firstPicture")} />}
      <label class="button">{t("firstPicture")}<input class="sr" id="first" type="file" accept={pictures.join(",")} aria-invalid={!!why} onChange={(e) => { picked(e.currentTarget.files?.[0]); e.currentTarget.value = ""; }} /></label>
      {first.value ? <button type="button" class="quiet" onClick={() => (first.value = null)}>{t("takeOut")}</button> : <span class="soft small">{t("firstWhy")}</span>}
      {why && <span class="why" role="alert">{why}</span>}
    </div>
  );
}

function Option(p: { name: string; param: string; hint: string; value: Signal<string>; width: string }) {
  const why = wrong.value[p.param];
  return (
    <label class={why ? "wrong" : ""}>
      {p.name}
      <input value={p.value} placeholder={p.hint} maxLength={19} inputMode="decimal" style={{ width: p.width }} aria-invalid={!!why}
        onInput={(e) => (p.value.value = e.currentTarget.value.trim())} />
      {why && <span class="why" role="alert">{why}</span>}
    </label>
  );
}

// add puts a word at the prompt's end, or in the place of what was begun.
function add(word: string, begun = "") {
  const now = prompt.value.slice(0, prompt.value.length - begun.length);
  const space = langOf(word) === "zh" || !now || /\s$/.test(now) ? "" : " ";
  prompt.value = now + space + word;
  document.getElementById("prompt")?.focus();
}

// Suggestions completes the word that is being written by one the model knows.
function Suggestions() {
  const begun = /[\p{L}]+$/u.exec(prompt.value)?.[0] ?? "";
  const found: string[] = [];
  if (begun && options.value && filming.value === options.value.model) {
    for (const slot of options.value.words) {
      for (const w of langOf(begun) === "zh" ? slot.zh : slot.en) {
        if (w.toLowerCase().startsWith(begun.toLowerCase()) && w.toLowerCase() !== begun.toLowerCase()) found.push(w);
      }
    }
  }
  return (
    <div class="chips suggestions" role="group" aria-label={t("perhaps")}>
      {found.slice(0, 6).map((w) => <button type="button" key={w} onClick={() => add(w, begun)}>{w}</button>)}
    </div>
  );
}

function Known() {
  if (options.value && (options.value.words.length === 0 || filming.value !== options.value.model)) return null; // until they are known, its place is kept
  return (
    <details class="more known">
      <summary>{t("wordsKnown")}</summary>
      {options.value?.words.map((slot) => (
        <div class="chips small" role="group" aria-label={slotOf(slot.kind)} key={slot.kind}>
          {(language.value === "zh" ? slot.zh : slot.en).map((w) => <button type="button" key={w} onClick={() => add(w)}>{w}</button>)}
        </div>
      ))}
    </details>
  );
}
