// The chats: they are kept in this browser alone, and written as they grow, so
// that neither a reload nor a server that went away loses what was said.
import { computed, effect, signal } from "@preact/signals";
import { uuid } from "../act";
import { ask, events, get } from "../net";
import { charge, ratesOf } from "../price";
import type { Rates } from "../price";
import { bytes, store, stored, t } from "../say";

export interface Attached {
  name: string;
  size: number; // bytes
  text: string; // "" of one that the browser had no room to keep
}

export interface Turn {
  role: "user" | "assistant";
  text: string;
  files?: Attached[];
  model?: string;
  tokens?: number;
  seconds?: number; // from the first token to the last
  cost?: number; // where the model has a price
  currency?: string;
  broken?: string; // why the answer is not whole
}

export interface Chat {
  id: string;
  title: string;
  at: number;
  model: string;
  second: string; // "" is one model alone
  turns: Turn[];
  beside: Turn[]; // the second model's, turn for turn
}

export interface Parameters {
  system: string;
  temperature: string;
  maxTokens: string;
  seed: string;
}

const most = 50; // chats that are kept, the newest
const longest = 400; // turns of one
const filesKept = 1_500_000; // characters of files that are kept, of the newest chats: browsers have 5 MB

export const mostFiles = 8; // of a message
export const mostBytes = 128 << 10; // of a message's files together

const good = (v: Chat[]) => Array.isArray(v) && v.every((c) => typeof c?.id === "string" && Array.isArray(c.turns) && Array.isArray(c.beside));
export const chats = signal<Chat[]>(stored("chats", [], good));
export const models = signal<string[] | null>(null);
export const chosen = signal("");
export const error = signal("");
export const busy = signal(0); // answers under way
export const parameters = signal<Parameters>(stored("parameters", { system: "", temperature: "", maxTokens: "", seed: "" }, (v) => typeof v?.system === "string"));
export const draft = signal("");
export const attached = signal<Attached[]>([]); // to the draft

// attach adds text files to the draft, or says what is wrong with one.
export async function attach(list: Iterable<File>) {
  error.value = "";
  for (const f of list) {
    const together = attached.value.reduce((n, a) => n + a.size, f.size);
    if (together > mostBytes || attached.value.length >= mostFiles) return void (error.value = t("fileTooLarge", { name: f.name, size: bytes(f.size), most: bytes(mostBytes) }));
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(await f.arrayBuffer());
      if (text.includes("\0")) throw new Error();
      attached.value = [...attached.value, { name: f.name.slice(0, 120), size: f.size, text }];
    } catch {
      error.value = t("fileNoText", { name: f.name });
    }
  }
}

// written is a turn as the model is told it: its files first, each in a fence
// that nothing in it closes.
export function written(m: Turn): string {
  const parts = (m.files ?? []).filter((f) => f.text).map((f) => {
    const fence = "`".repeat(Math.max(3, ...[...f.text.matchAll(/`+/g)].map((r) => r[0].length + 1)));
    return `${f.name}:\n${fence}\n${f.text}\n${fence}`;
  });
  return [...parts, m.text].join("\n\n");
}

// kept is the chats as the browser keeps them: without the files of old ones.
function kept(all: Chat[]): Chat[] {
  let room = filesKept;
  const keep = (m: Turn): Turn => (m.files ? { ...m, files: m.files.map((f) => ((room -= f.text.length) >= 0 ? f : { ...f, text: "" })) } : m);
  return all.slice(0, most).map((c) => ({ ...c, turns: c.turns.map(keep), beside: c.beside.map(keep) }));
}

export const current = computed(() => chats.value.find((c) => c.id === chosen.value));

let later: ReturnType<typeof setTimeout> | undefined;
effect(() => {
  const all = chats.value;
  clearTimeout(later);
  later = setTimeout(() => store("chats", kept(all)), 200);
});
addEventListener("pagehide", () => store("chats", kept(chats.value)));
effect(() => store("parameters", parameters.value));

export async function look() {
  try {
    const all = (await get<{ data: { id: string }[] }>("/v1/models")).data.map((m) => m.id);
    models.value = all.filter((m) => m !== "kuai-video");
    error.value = "";
  } catch (e) {
    error.value = (e as Error).message;
  }
}

export function begin(): string {
  const c: Chat = { id: uuid(), title: "", at: Date.now(), model: current.value?.model || models.value?.[0] || "", second: "", turns: [], beside: [] };
  chats.value = [c, ...chats.value].slice(0, most);
  return c.id;
}

export function change(id: string, f: (c: Chat) => Chat) {
  chats.value = chats.value.map((c) => (c.id === id ? f(c) : c));
}

export function drop(id: string) {
  chats.value = chats.value.filter((c) => c.id !== id);
}

const running = new Set<AbortController>();
export const stop = () => running.forEach((r) => r.abort());

// opposite is the second model's answer to the same question as a turn's. The
// questions count from the end: a second model may have come later.
export function opposite(c: Chat, at: number): Turn | undefined {
  const asked = (all: Turn[]) => all.filter((m) => m.role === "user").length;
  const later = asked(c.turns.slice(at));
  return c.beside.find((m, i) => m.role === "assistant" && asked(c.beside.slice(i)) === later);
}

type Side = "turns" | "beside";

// say adds a question and asks the models; again asks the last one anew.
export async function say(id: string, text: string) {
  if (busy.value) return;
  error.value = "";
  const c = chats.value.find((x) => x.id === id);
  if (!c) return;
  if (text) {
    const turn: Turn = { role: "user", text, ...(attached.value.length > 0 && { files: attached.value }) };
    attached.value = [];
    change(id, (c) => ({ ...c, title: c.title || text.slice(0, 60), at: Date.now(), turns: [...c.turns, turn].slice(-longest), beside: [...c.beside, turn].slice(-longest) }));
  } else {
    const without = (all: Turn[]) => (all.at(-1)?.role === "assistant" ? all.slice(0, -1) : all);
    change(id, (c) => ({ ...c, turns: without(c.turns), beside: without(c.beside) }));
  }
  const sides: [Side, string][] = [["turns", c.model || models.value?.[0] || ""]];
  if (c.second) sides.push(["beside", c.second]);
  await Promise.all(sides.map(([side, model]) => answer(id, side, model)));
}

const known = new Map<string, Rates>(); // by model

// costOf is what an answer cost, {} where nobody says.
async function costOf(model: string, u: { prompt_tokens: number; completion_tokens: number; prompt_tokens_details?: { cached_tokens?: number } }): Promise<Pick<Turn, "cost" | "currency">> {
  const r = known.get(model) ?? (await ratesOf(model));
  if (!r) return {};
  known.set(model, r);
  const used = { input_tokens: u.prompt_tokens, cached_input_tokens: u.prompt_tokens_details?.cached_tokens ?? 0, output_tokens: u.completion_tokens, requests: 1 };
  return { cost: charge(r, used), currency: r.currency };
}

async function answer(id: string, side: Side, model: string) {
  const mine = new AbortController();
  running.add(mine);
  busy.value++;
  const before = (chats.value.find((c) => c.id === id)?.[side] ?? []).filter((m) => m.text);
  let turn: Turn = { role: "assistant", text: "", model };
  const show = () => change(id, (c) => ({ ...c, [side]: [...before, turn] }));
  show();
  let first = 0;
  try {
    const res = await ask("/v1/chat/completions", { method: "POST", signal: mine.signal, headers: { "Content-Type": "application/json" }, body: JSON.stringify(wish(model, before)) });
    let whole = false;
    for await (const e of events(res)) {
      if (e.data === "[DONE]") {
        whole = true;
        break;
      }
      const d = JSON.parse(e.data);
      if (d.error) throw new Error(d.error.message);
      first ||= performance.now();
      turn = { ...turn, text: turn.text + (d.choices?.[0]?.delta?.content ?? ""), seconds: (performance.now() - first) / 1000, tokens: d.usage?.completion_tokens ?? turn.tokens };
      show();
      if (d.usage) turn = { ...turn, ...(await costOf(model, d.usage)) };
    }
    if (!whole) throw new Error(t("brokeOff"));
  } catch (e) {
    if (!mine.signal.aborted) {
      turn = { ...turn, broken: (e as Error).message === t("offline") || !(e as Error).message || (e as Error).name === "TypeError" ? t("brokeOff") : (e as Error).message };
    }
  }
  show();
  running.delete(mine);
  busy.value--;
}

function wish(model: string, turns: Turn[]) {
  const p = parameters.value;
  const messages = turns.map((m) => ({ role: m.role, content: written(m) }));
  const number = (s: string) => (s.trim() === "" ? undefined : Number(s));
  return {
    model, stream: true, stream_options: { include_usage: true },
    messages: p.system.trim() ? [{ role: "system", content: p.system }, ...messages] : messages,
    temperature: number(p.temperature), max_tokens: number(p.maxTokens), seed: number(p.seed),
  };
}
