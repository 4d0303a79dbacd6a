// Changes that a visitor asks for: each runs once however often it is clicked,
// and what is wrong is told beside the field that is to blame.
import { batch, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Failed } from "./net";

export const twice = 500; // milliseconds: the second click of a double click is over by then

const running = new Set<string>();

// single runs f, unless what has this name runs already or began less than
// least milliseconds ago.
export async function single(name: string, f: () => Promise<void>, least = 0): Promise<void> {
  if (running.has(name)) return;
  running.add(name);
  const over = after(least);
  try {
    await f();
  } finally {
    void over.then(() => running.delete(name));
  }
}

export const after = (ms: number) => (ms ? new Promise<void>((done) => setTimeout(done, ms)) : Promise.resolve());

export const uuid = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

// Same gives a body the header by which a server knows that it has it already:
// whoever sends it again because no answer came makes nothing twice.
export type Same = (body: unknown) => Record<string, string>;

export interface Act {
  busy: boolean;
  wrong: Record<string, string>; // by field; "" is what is wrong with none of them
  act: (f: (same: Same) => Promise<unknown>, least?: number) => Promise<void>; // least: milliseconds until the next may begin, a double click's
  tell: (why: string) => void; // what is wrong with no field
}

// useAct runs changes of a form that has these fields, one at a time.
export function useAct(...fields: string[]): Act {
  const busy = useSignal(false), wrong = useSignal<Record<string, string>>({});
  const sent = useRef({ body: "", key: "" });
  const same: Same = (body) => {
    const text = JSON.stringify(body);
    if (text !== sent.current.body) sent.current = { body: text, key: uuid() };
    return { "Idempotency-Key": sent.current.key };
  };
  const act = async (f: (same: Same) => Promise<unknown>, least = twice) => {
    if (busy.value) return;
    batch(() => {
      busy.value = true;
      wrong.value = {};
    });
    const over = after(least);
    try {
      await f(same);
      sent.current.body = "";
    } catch (e) {
      const { message, status, param } = e as Failed;
      if (status) sent.current.body = ""; // that was an answer: the next is another change
      const path = (param ?? "").split(/[.[\]]+/);
      wrong.value = { [fields.find((x) => path.includes(x)) ?? ""]: message };
    }
    await over;
    busy.value = false;
  };
  return { busy: busy.value, wrong: wrong.value, act, tell: (why) => (wrong.value = { "": why }) };
}
