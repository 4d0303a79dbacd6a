// What the page knows of the characters. The server has the truth: what was
// said on which branch, and what is remembered of it.
import { batch, computed, effect, signal } from "@preact/signals";
import { single } from "../act";
import { ask, events, get, key, send, whenBack } from "../net";
import { language, t } from "../say";

export interface Character {
  id: string;
  name: string;
  built_in: boolean;
  tags?: string;
}

export interface Member {
  id: string;
  name: string;
  muted?: boolean;
}

export type Order = "natural" | "list" | "manual";

export interface Group {
  id: string;
  name: string;
  order: Order;
  members: Member[];
}

export interface Persona {
  id: string;
  name: string;
  description?: string;
  pronouns?: string;
}

export interface Message {
  id: number;
  time: string;
  speaker: string; // user, or companion; in a group the member's name
  text: string;
}

export interface Turn extends Message {
  parent: number;
  active: boolean; // on the branch that goes on
  forgotten?: boolean;
}

export interface Fact {
  id: number;
  subject: string;
  predicate: string;
  object: string;
  since: string;
  until?: string;
}

export interface Recalled {
  turn?: number;
  fact?: number;
  when: string;
  text: string;
  why: string;
}

interface Reply {
  recalled?: Recalled[];
  replies?: { who: string; recalled: Recalled[] }[]; // of a group
}

export const folk = signal<Character[] | null>(null);
export const groups = signal<Group[] | null>(null); // null: not read yet, or none are kept here
export const personas = signal<Persona[]>([]);
export const persona = signal(""); // whom the user says to be, here
export const met = signal(""); // whose conversation was read, or could not be
export const who = signal(""); // id of the one who is spoken to; a group's has a mark before it
export const greetings = signal<{ who: string; text: string }[]>([]);
export const said = signal<Message[]>([]);
export const facts = signal<Fact[]>([]);
export const tree = signal<Turn[]>([]);
export const writing = signal<string | null>(null); // the reply so far, null while nobody speaks
export const speaker = signal(""); // who writes it, in a group
export const recalled = signal<Recalled[]>([]); // for the last reply
export const error = signal("");
export const draft = signal("");
export const changing = signal<{ id: number; text: string } | null>(null); // what the user wants to have said instead

// mark stands before the id of a group, where characters have none.
export const mark = "@";
export const isGroup = (id: string) => id.startsWith(mark);

const home = (id: string) => (isGroup(id) ? `/api/v1/groups/${encodeURIComponent(id.slice(mark.length))}` : `/api/v1/characters/${encodeURIComponent(id)}`);
const at = (rest: string) => `${home(who.value)}/${rest}?user=me&language=${language.value}`;
const mine = () => `user=me&language=${language.value}`;
export const cardOf = (id: string, query = "") => `/api/v1/characters/${encodeURIComponent(id)}/card?language=${language.value}${query && `&${query}`}`;
export const portraitOf = (id: string) => `/api/v1/characters/${encodeURIComponent(id)}/portrait`;

export async function attempt(f: () => Promise<void>) {
  try {
    error.value = "";
    await f();
  } catch (e) {
    error.value = (e as Error).message;
  }
}

export const list = () =>
  attempt(async () => {
    const [all, together, own] = await Promise.all([
      get<{ characters: Character[] }>(`/api/v1/characters?language=${language.value}`),
      get<{ groups: Group[] }>(`/api/v1/groups?${mine()}`).catch(() => null),
      get<{ personas: Persona[] }>(`/api/v1/personas?${mine()}`).catch(() => null),
    ]);
    batch(() => { // at once, so that nothing on the screen is moved by what comes later
      folk.value = all.characters;
      groups.value = together?.groups ?? null;
      personas.value = own?.personas ?? [];
    });
  });

export const meet = (id: string) =>
  attempt(async () => {
    if (id !== who.value) {
      recalled.value = [];
      said.value = [];
      facts.value = [];
      tree.value = [];
      greetings.value = [];
      persona.value = "";
      changing.value = null;
    }
    who.value = id;
    try {
      if (id) await look();
    } finally {
      if (who.value === id) met.value = id;
    }
  });

// look reads what was said, on which branches, and what is known.
async function look() {
  const id = who.value;
  const [messages, memory, turns] = await Promise.all([
    get<{ greeting?: string; greetings?: { who: string; text: string }[]; persona?: string; messages: Message[] }>(at("messages")),
    isGroup(id) ? { facts: [] } : get<{ facts: Fact[] }>(at("memory")),
    readTree(),
  ]);
  if (id !== who.value) return; // somebody else by now
  batch(() => {
    greetings.value = messages.greetings ?? (messages.greeting ? [{ who: "", text: messages.greeting }] : []);
    persona.value = messages.persona ?? "";
    said.value = messages.messages;
    facts.value = memory.facts;
    tree.value = turns;
    met.value = id;
  });
}

const pages = 5; // of a tree, each of a thousand turns

async function readTree(): Promise<Turn[]> {
  const all: Turn[] = [];
  for (let from = 1, i = 0; from && i < pages; i++) {
    const page = await get<{ turns: Turn[]; next?: number }>(`${at("tree")}&limit=1000&from=${from}`);
    all.push(...page.turns);
    from = page.next ?? 0;
  }
  return all;
}

// In another language, and after the server was away, everything is read again.
effect(() => {
  language.value;
  key.value;
  void again();
});
async function again() {
  if (folk.peek() === null) return;
  await list();
  if (who.peek()) await attempt(look);
}
whenBack(() => {
  if (writing.value === null) void again();
});

// swipes are the replies to the last thing that the user said.
export const swipes = computed(() => {
  const last = said.value.at(-1);
  if (!last || last.speaker === "user") return [];
  const parent = tree.value.find((n) => n.id === last.id)?.parent;
  return parent ? tree.value.filter((n) => n.parent === parent && n.speaker !== "user") : [];
});

let running: AbortController | undefined;

// say sends a text, asks for another reply to the last one (no text), or says
// it in the place of a turn. In a group it may ask one member to speak.
export const say = (text: string, instead = 0, speak = "") =>
  attempt(async () => {
    if (writing.value !== null) return;
    running = new AbortController();
    const before = said.value, id = who.value;
    const own = { id: 0, time: new Date().toISOString(), speaker: "user", text };
    if (instead) said.value = [...before.slice(0, before.findIndex((m) => m.id === instead)), own];
    else if (text) said.value = [...before, own];
    else if (!speak) said.value = before.slice(0, -1);
    writing.value = speaker.value = "";
    let whole: Reply | undefined;
    try {
      const what = speak ? { speak } : { ...(text ? { text } : { again: true }), ...(instead ? { edit: instead } : {}) };
      const [url, body] = isGroup(id) ? [at("messages"), what] : [`${home(id)}/messages`, { user: "me", language: language.value, ...what }];
      const res = await ask(url, { method: "POST", headers: { "Content-Type": "application/json" }, signal: running.signal, body: JSON.stringify({ ...body, stream: true }) });
      for await (const e of events(res)) {
        const data = JSON.parse(e.data);
        if (e.event === "done") whole = data;
        else if (e.event === "error") throw new Error(data.message);
        else write(data.who ?? "", data.delta ?? "");
      }
      if (!whole) throw new Error(t("brokeOff"));
      recalled.value = whole.recalled ?? whole.replies?.at(-1)?.recalled ?? [];
    } catch (e) {
      said.value = before;
      if (instead) changing.value = { id: instead, text }; // nothing that was typed is lost
      else if (text) draft.value = text;
      if (!running.signal.aborted) throw e;
    } finally {
      writing.value = null;
    }
    await look();
  });

// write adds a piece of a reply; when the next member begins, the one before is
// whole.
function write(from: string, piece: string) {
  if (from !== speaker.value) {
    if (writing.value) said.value = [...said.value, { id: 0, time: new Date().toISOString(), speaker: speaker.value, text: writing.value }];
    speaker.value = from;
    writing.value = "";
  }
  writing.value += piece;
}

export const stop = () => running?.abort();

// walk goes on from another turn.
export const walk = (turn: number) =>
  change(async () => {
    await send("POST", at("goto"), { turn });
    recalled.value = [];
  });

export const swipe = (by: number) => {
  const all = swipes.value;
  const now = all.findIndex((n) => n.id === said.value.at(-1)?.id);
  const to = all[now + by];
  return to ? walk(to.id) : Promise.resolve();
};

// change changes one thing at a time, and reads what came of it.
function change(f: () => Promise<unknown>): Promise<void> {
  return single("conversation", () => attempt(async () => {
    await f();
    await look();
  }));
}

export const correct = async (fact: number, object: string): Promise<void> => {
  await send("PATCH", at(`memory/${fact}`), { object });
  await look();
};
export const forget = (fact: number) => change(() => send("DELETE", at(`memory/${fact}`)));
export const forgetAll = () => change(async () => {
  await send("DELETE", at("memory"));
  recalled.value = [];
});

// keep sends a card to the server; it says what is wrong with it.
export async function keep(card: Blob | string, replace: boolean): Promise<Character> {
  const res = await ask(`/api/v1/characters${replace ? "?replace=true" : ""}`, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: card });
  const c: Character = await res.json();
  await list();
  return c;
}

// away deletes something once, and reads what is left.
const away = (path: string): Promise<void> =>
  single(path, () => attempt(async () => {
    await send("DELETE", path);
    await list();
  }));

export const dismiss = (id: string) => away(`/api/v1/characters/${encodeURIComponent(id)}`);

// be says who the user is, to whom is spoken now.
export const be = (id: string) => change(() => send("PUT", at("persona"), { persona: id }));

export const addPersona = async (p: Omit<Persona, "id">): Promise<void> => {
  await send("POST", `/api/v1/personas?${mine()}`, p);
  await list();
};
export const editPersona = async (p: Persona): Promise<void> => {
  await send("PATCH", `/api/v1/personas/${encodeURIComponent(p.id)}?${mine()}`, { name: p.name, description: p.description ?? "", pronouns: p.pronouns ?? "" });
  await list();
};
export const dropPersona = (id: string) => away(`/api/v1/personas/${encodeURIComponent(id)}?${mine()}`);

export async function newGroup(name: string, order: Order, members: string[]): Promise<Group> {
  const g = await send<Group>("POST", `/api/v1/groups?${mine()}`, { name, order, members });
  await list();
  return g;
}

export async function editGroup(id: string, what: Partial<Record<"join" | "leave" | "mute" | "unmute", string[]>> & { name?: string; order?: Order }) {
  await send("PATCH", `/api/v1/groups/${encodeURIComponent(id)}?${mine()}`, what);
  await list();
}

export const dropGroup = (id: string) => away(`/api/v1/groups/${encodeURIComponent(id)}?${mine()}`);
