// What the page knows of the characters. The server has the truth: what was
// said, and what is remembered of it.
import { effect, signal } from "@preact/signals";
import * as api from "./api";
import { attempt, error, store, stored } from "./state";

export const folk = signal<api.Character[]>([]);
export const language = signal<"en" | "zh">(stored("language", navigator.language.startsWith("zh") ? "zh" : "en", (v) => v === "en" || v === "zh"));
export const who = signal(""); // id of the one who is spoken to
export const greeting = signal("");
export const said = signal<api.Message[]>([]);
export const facts = signal<api.Fact[]>([]);
export const writing = signal<string | null>(null); // the reply so far, null while nobody speaks
export const recalled = signal<api.Recalled[]>([]); // for the last reply

effect(() => store("language", language.value));

export const meet = (id: string) =>
  attempt(async () => {
    who.value = id;
    recalled.value = [];
    if (folk.value.length === 0) folk.value = (await api.characters(language.value)).characters;
    await look();
  });

export const speak = (l: "en" | "zh") =>
  attempt(async () => {
    language.value = l;
    folk.value = (await api.characters(l)).characters;
    await look();
  });

// look reads what was said and what is known.
async function look() {
  const id = who.value;
  if (!id) return;
  const [messages, memory] = await Promise.all([api.messages(id, language.value), api.memory(id, language.value)]);
  if (id !== who.value) return; // somebody else by now
  greeting.value = messages.greeting ?? "";
  said.value = messages.messages;
  facts.value = memory.facts;
}

let running: AbortController | undefined;

// say sends a text, or asks for another reply to the last one.
export const say = (text: string) =>
  attempt(async () => {
    const id = who.value;
    running = new AbortController();
    writing.value = "";
    const before = said.value;
    if (text) said.value = [...before, { id: 0, time: new Date().toISOString(), speaker: "user", text }];
    else said.value = before.slice(0, -1);
    try {
      const reply = await api.say(id, { language: language.value, text, again: !text, stream: true }, (piece) => (writing.value += piece), running.signal);
      recalled.value = reply.recalled;
    } catch (e) {
      said.value = before;
      if (!running.signal.aborted) throw e;
    } finally {
      writing.value = null;
    }
    await look();
  });

export const stop = () => running?.abort();

export const correct = (fact: number, object: string) =>
  attempt(async () => {
    await api.correct(who.value, fact, object);
    await look();
  });

export const forget = (fact: number) =>
  attempt(async () => {
    await api.forget(who.value, fact);
    await look();
  });

export const forgetAll = () =>
  attempt(async () => {
    await api.forgetAll(who.value);
    recalled.value = [];
    await look();
  });

export { error };
