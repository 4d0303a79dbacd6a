// Small parts that every screen uses.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { ask, key } from "./net";
import { t } from "./say";

export function Note({ text, again, onClose }: { text?: string; again?: () => void; onClose?: () => void }) {
  if (!text) return null;
  return (
    <p class="error" role="alert">
      <span>{text}</span>
      {again && <button type="button" onClick={again}>{t("retry")}</button>}
      {onClose && <button type="button" class="quiet" aria-label={t("dismiss")} onClick={onClose}>✕</button>}
    </p>
  );
}

export const Loading = () => <p class="soft loading" role="status">{t("loading")}…</p>;

// Modal is a dialog over the page: Escape closes it, the focus stays inside.
export function Modal({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog ref={ref} aria-label={title} onClose={onClose}>
      <header class="row"><h2>{title}</h2><span class="grow" /><button type="button" class="quiet" aria-label={t("close")} onClick={onClose}>✕</button></header>
      {children}
    </dialog>
  );
}

interface Text {
  label: string;
  value: string;
  set: (v: string) => void;
  error?: string;
  rows?: number;
  hint?: string;
  type?: string;
  [attribute: string]: unknown;
}

type Input = HTMLInputElement | HTMLTextAreaElement;

// flaw is what the browser finds wrong with an input, in the studio's words.
function flaw(e: Input): string {
  const v = e.validity;
  if (v.valid) return "";
  const { type, min, max } = e as HTMLInputElement;
  if (v.valueMissing) return t("isMissing");
  if (v.typeMismatch) return t(type === "email" ? "noEmail" : "noAddress");
  if (v.rangeUnderflow) return t("atLeast", { n: min });
  if (v.rangeOverflow) return t("atMost", { n: max });
  if (v.stepMismatch) return t("noWhole");
  if (v.badInput || v.patternMismatch) return t(type === "date" ? "noDay" : "noNumber");
  return e.validationMessage;
}

// Field is a labelled input that says beside itself what is wrong with it: what
// the server says, or the browser before anything is sent.
export function Field({ label, value, set, error, rows, hint, ...rest }: Text) {
  const own = useSignal("");
  const on = {
    onInput: (e: { currentTarget: Input }) => {
      own.value = "";
      set(e.currentTarget.value);
    },
    onChange: (e: { currentTarget: Input }) => {
      if (!e.currentTarget.validity.valueMissing) own.value = flaw(e.currentTarget);
    },
    onInvalid: (e: Event) => {
      e.preventDefault(); // the browser would say it in its own language
      const field = e.currentTarget as Input;
      own.value = flaw(field);
      if (field.form?.querySelector(":invalid:not(fieldset)") === field) field.focus();
    },
  };
  const why = own.value || error;
  return (
    <label class={why ? "field wrong" : "field"}>
      <span>{label}{hint && <i class="soft"> {hint}</i>}</span>
      {rows
        ? <textarea rows={rows} value={value} {...on} aria-invalid={!!why} {...rest} />
        : <input value={value} {...on} aria-invalid={!!why} {...(rest as object)} />}
      {why && <span class="why" role="alert">{why}</span>}
    </label>
  );
}

export function Copy({ text, label }: { text: string; label?: string }) {
  const done = useSignal(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(text).catch(() => {});
    done.value = true;
    setTimeout(() => (done.value = false), 1500);
  };
  return <button type="button" onClick={copy}><span role="status">{done.value ? t("copied") : label ?? t("copy")}</span></button>;
}

// useMedia gives an address that an element can load: with a key, which no
// element can send, the bytes are fetched.
export function useMedia(url: string): string {
  const at = useSignal(key.value ? "" : url);
  useEffect(() => {
    if (!key.value) {
      at.value = url;
      return;
    }
    let own = "", gone = false;
    void ask(url).then((res) => res.blob()).then((blob) => {
      own = URL.createObjectURL(blob);
      if (gone) URL.revokeObjectURL(own);
      else at.value = own;
    }).catch(() => {});
    return () => {
      gone = true;
      URL.revokeObjectURL(own);
    };
  }, [url, key.value]);
  return at.value;
}

export function Picture({ url, ...rest }: { url: string; alt: string; [attribute: string]: unknown }) {
  const src = useMedia(url);
  return <img src={src || undefined} {...rest} />;
}

// Save is a link that downloads, with the visitor's key where there is one.
export function Save({ url, name, children }: { url: string; name: string; children: ComponentChildren }) {
  const fetched = async (e: Event) => {
    if (!key.value) return;
    e.preventDefault();
    const a = document.createElement("a");
    a.href = URL.createObjectURL(await (await ask(url)).blob());
    a.download = name;
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
  };
  return <a href={url} download={name} onClick={fetched}>{children}</a>;
}

// Tabs is one choice of a few.
export function Choice<T extends string | number>({ label, all, now, set, show }: { label: string; all: readonly T[]; now: T; set: (v: T) => void; show?: (v: T) => ComponentChildren }) {
  const keys = (e: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[e.key];
    if (!by) return;
    e.preventDefault();
    e.stopPropagation();
    const next = (all.indexOf(now) + by + all.length) % all.length;
    set(all[next]);
    ((e.currentTarget as HTMLElement).children[next] as HTMLElement).focus();
  };
  return (
    <div class="choice" role="radiogroup" aria-label={label} onKeyDown={keys}>
      {all.map((v) => (
        <button type="button" key={v} role="radio" aria-checked={v === now} tabIndex={v === now ? 0 : -1} onClick={() => set(v)}>{show ? show(v) : v}</button>
      ))}
    </div>
  );
}

export { Fragment };
