// The prompt, its examples and its options.
import { h } from "preact";
import { useSignal } from "@preact/signals";
import { error, guidance, make, prompt, seed, steps } from "./state";
import type { Signal } from "@preact/signals";

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
  const send = (e?: Event) => {
    e?.preventDefault();
    void make(prompt.value.trim() || examples[0]);
  };
  const keys = (e: KeyboardEvent) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) send(e);
  };
  const some = Array.from({ length: shownAtOnce }, (_, i) => examples[(from.value + i) % examples.length]);
  return (
    <form class="maker" onSubmit={send}>
      <label for="prompt" class="sr">What should the clip show?</label>
      <textarea id="prompt" rows={2} maxLength={400} placeholder={examples[0]} autoFocus value={prompt}
        onInput={(e) => (prompt.value = e.currentTarget.value)} onKeyDown={keys} />
      <div class="row">
        <details class="more">
          <summary>Options</summary>
          <div class="row options">
            <Field name="Seed" hint="random" value={seed} width="9rem" pattern="[0-9]{1,19}" />
            <Field name="Steps" hint="usual" value={steps} width="5.5rem" pattern="[0-9]{1,3}" />
            <Field name="Guidance" hint="usual" value={guidance} width="5.5rem" pattern="[0-9]{1,2}(\.[0-9]+)?" />
          </div>
        </details>
        <button class="primary">Make the clip</button>
      </div>
      <div class="chips" role="group" aria-label="Examples">
        {some.map((text) => (
          <button type="button" key={text} lang={/\p{Script=Han}/u.test(text) ? "zh" : "en"}
            onClick={() => { prompt.value = text; void make(text); }}>{text}</button>
        ))}
        <button type="button" class="quiet" title="Other examples" aria-label="Other examples"
          onClick={() => (from.value += shownAtOnce)}>↻</button>
      </div>
      {error.value && (
        <p class="error" role="alert">
          <span>{error}</span>
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => (error.value = "")}>✕</button>
        </p>
      )}
    </form>
  );
}

function Field(p: { name: string; hint: string; value: Signal<string>; width: string; pattern: string }) {
  return (
    <label>
      {p.name}
      <input value={p.value} placeholder={p.hint} pattern={p.pattern} inputMode="decimal" style={{ width: p.width }}
        onInput={(e) => (p.value.value = e.currentTarget.value.trim())} />
    </label>
  );
}
