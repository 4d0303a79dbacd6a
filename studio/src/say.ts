// The studio's words in the visitor's language, and what the browser keeps.
import { effect, signal } from "@preact/signals";
import { en } from "./words/en";
import { zh } from "./words/zh";

export type Word = keyof typeof en;
export type Language = "en" | "zh";

export function stored<T>(key: string, otherwise: T, good: (v: T) => boolean): T {
  try {
    const v = JSON.parse(localStorage.getItem(`kuai.${key}`) ?? "null");
    return good(v) ? v : otherwise;
  } catch {
    return otherwise;
  }
}

export function store(key: string, value: unknown) {
  try {
    localStorage.setItem(`kuai.${key}`, JSON.stringify(value));
  } catch {
    // a browser that keeps nothing still works
  }
}

export const language = signal<Language>(stored("language", navigator.language.startsWith("zh") ? "zh" : "en", (v) => v === "en" || v === "zh"));
export const theme = signal<string>(stored("theme", "auto", (v) => ["auto", "light", "dark"].includes(v)));

effect(() => {
  store("language", language.value);
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});
effect(() => {
  store("theme", theme.value);
  document.documentElement.dataset.theme = theme.value;
});

// t gives a word, with what stands in braces put in.
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return (language.value === "zh" ? zh : en)[word].replace(/\{(\w+)\}/g, (_, k) => String(values[k] ?? ""));
}

export const langOf = (text: string) => (/\p{Script=Han}/u.test(text) ? "zh" : "en");
export const day = (at: string | number) => new Date(at).toLocaleDateString(language.value);
export const moment = (at: string | number) => new Date(at).toLocaleString(language.value, { dateStyle: "short", timeStyle: "short" });

const units = ["B", "kB", "MB", "GB", "TB"];

// bytes writes a size with three digits.
export function bytes(n: number): string {
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${number(n, i === 0 || n >= 100 ? 0 : n >= 10 ? 1 : 2)} ${units[i]}`;
}

export const number = (n: number, digits: number) => n.toLocaleString(language.value, { minimumFractionDigits: digits, maximumFractionDigits: digits });

// ago says how long ago a time in seconds since 1970 was.
export function ago(seconds: number): string {
  const past = Math.max(0, Date.now() / 1000 - seconds);
  const [by, unit] = past < 90 ? [1, "second"] as const : past < 5400 ? [60, "minute"] as const : past < 129_600 ? [3600, "hour"] as const : [86_400, "day"] as const;
  return new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }).format(-Math.round(past / by), unit);
}
