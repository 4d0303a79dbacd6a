// What the page knows of clips and pictures, and what changes it. The server
// has the truth: the page can be opened anew at any time.
import { computed, effect, signal } from "@preact/signals";
import { after, single, twice, uuid } from "../act";
import { ask, events, Failed, get, key, send, whenBack } from "../net";
import { charge, ratesOf, written } from "../price";
import type { Rates } from "../price";
import { bytes, store, stored, t } from "../say";
import type { Word } from "../say";

export type Status = "queued" | "in_progress" | "completed" | "failed" | "cancelled";

export interface Slot {
  kind: string;
  en: string;
  zh: string;
  confidence: number;
}

const slots: Record<string, Word> = { object: "object", motion: "motion", scene: "scene", time: "time", size: "size", speed: "speed" };
export const slotOf = (kind: string) => (slots[kind] ? t(slots[kind]) : kind);

export interface Video {
  id: string;
  status: Status;
  model: string;
  progress: number; // per cent
  prompt: string;
  seconds: string;
  created_at: number;
  error: { message: string } | null;
  remixed_from_video_id: string | null;
  kuai_seed: number;
  kuai_stage?: string;
  kuai_step: number;
  kuai_steps: number;
  kuai_understood: Slot[] | null;
  kuai_unknown_words?: string[];
  kuai_seconds_of_work?: number;
  kuai_queue_position?: number; // among all that wait on the server
  kuai_seconds_left?: number;
}

// Form is what the clips of a model of another server are like.
export interface Form {
  model: string;
  frames: number; // at most, and where nobody says
  fps: number;
  stride: number; // a clip has a multiple of it and one frames
  begins_with_picture?: boolean;
  takes: string[]; // of seed, steps, guidance and frames, those that change a clip
}

export interface Options {
  model: string; // of which the words and the length are told
  models?: string[]; // all that make clips, the usual one first
  forms?: Form[]; // of models of other servers
  size?: number;
  frames?: number;
  fps?: number;
  formats: string[];
  words: { kind: string; en: string[]; zh: string[] }[];
}

export interface Still {
  id: number;
  prompt: string;
  seed: number;
  data: string; // a PNG in base64; "" while it is made
}

export const speeds = [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3] as const;

export const rates = signal<Record<string, Rates | null>>({}); // by model
export const videos = signal<Video[]>([]); // the newest first
export const more = signal(false); // older ones that are not loaded yet
export const loaded = signal(false);
export const options = signal<Options | null>(null);
export const stills = signal<Still[]>([]);
export const shown = signal(""); // id of the clip in the player
export const foreseen = signal({ id: "", url: "" }); // a picture of what a clip is going to be
export const error = signal("");
export const wrong = signal<Record<string, string>>({}); // by field
export const sending = signal(false);

export const prompt = signal(stored("prompt", "", (v) => typeof v === "string"));
export const seed = signal("");
export const steps = signal("");
export const guidance = signal("");
export const takes = signal(1);
export const seconds = signal(""); // of a clip; "" is the longest
export const chosen = signal(""); // a model by its name; "" is the usual one
export const first = signal<File | null>(null); // the picture that a clip begins with
export const kind = signal<"clip" | "image">("clip");
export const speed = signal<number>(stored("speed", 1, (v) => (speeds as readonly number[]).includes(v)));
export const loop = signal<boolean>(stored("loop", true, (v) => typeof v === "boolean"));
export const favourites = signal<string[]>(stored("favourites", [], Array.isArray));
effect(() => store("speed", speed.value));
effect(() => store("loop", loop.value));
effect(() => store("prompt", prompt.value));
effect(() => store("favourites", favourites.value));

export const isFinal = (v: Video) => v.status === "completed" || v.status === "failed" || v.status === "cancelled";
export const made = computed(() => videos.value.filter((v) => v.status === "completed"));
export const waiting = computed(() => videos.value.filter((v) => !isFinal(v)).reverse());
export const current = computed(() => made.value.find((v) => v.id === shown.value));

// filming is the model that makes clips, where the server has more than one.
export const filming = computed(() => {
  const all = options.value?.models ?? [];
  return all.includes(chosen.value) ? chosen.value : (all[0] ?? options.value?.model ?? "");
});
const formOf = (model: string) => options.value?.forms?.find((f) => f.model === model);
export const begins = (model: string) => !!formOf(model)?.begins_with_picture;

// heeds says whether an option changes the clips of a model. The built-in one
// has learned clips of one length: shorter ones would be cut off in mid-jump.
export const heeds = (model: string, option: string) => formOf(model)?.takes.includes(option) ?? option !== "frames";

// pace is how many frames a model's clips have at most, and in a second; 0 where it is not known.
export function pace(model: string): { frames: number; fps: number; stride: number } {
  const { frames = 0, fps = 0 } = formOf(model) ?? (model === options.value?.model ? options.value : {});
  return { frames, fps, stride: formOf(model)?.stride ?? 1 };
}

// lengthOf is how many seconds a clip of the chosen model has, as the server
// counts it; the longest where none are wished for, 0 where it is not known.
export function lengthOf(wish: string): number {
  const { frames, fps, stride } = pace(filming.value);
  const n = wish ? 1 + Math.floor(Math.floor(Number(wish) * fps + 0.5) / stride) * stride : frames;
  return fps && Math.min(n, frames) / fps;
}
export const wanted = computed(() => (heeds(filming.value, "frames") && Number(seconds.value) < lengthOf("") ? seconds.value : "")); // "" is the longest
export const mostPicture = 12 << 20; // bytes of a first picture, as the server takes them
export const pictures = ["image/png", "image/jpeg", "image/webp", "image/gif"];

// picked takes a first picture, or says beside it why not.
export function picked(file: File | null | undefined) {
  if (!file) return;
  const why = !pictures.includes(file.type) ? t("noPicture", { name: file.name })
    : file.size > mostPicture ? t("fileTooLarge", { name: file.name, size: bytes(file.size), most: bytes(mostPicture) }) : "";
  wrong.value = why ? { input_reference: why } : {};
  if (!why) first.value = file;
}

export const content = (id: string, query = "") => `/v1/videos/${encodeURIComponent(id)}/content${query && `?${query}`}`;

// attempt runs f and shows what went wrong, beside its field if there is one.
// What is beside a field stays when something else than its form begins.
async function attempt(f: () => Promise<void>, form = false) {
  try {
    error.value = "";
    if (form) wrong.value = {};
    await f();
  } catch (e) {
    const { message, param } = e as Error & { param?: string };
    if (param && ["prompt", "seed", "steps", "guidance", "input_reference"].includes(param)) wrong.value = { [param]: message };
    else error.value = message;
  }
}

function put(v: Video) {
  const at = videos.value.findIndex((w) => w.id === v.id);
  videos.value = at < 0 ? [v, ...videos.value] : videos.value.with(at, v);
}

// One clip is followed at a time, the one that the server works on or will
// work on next: browsers allow few connections to one server.
let followed = "";
let stop: AbortController | undefined;

async function follow() {
  const next = waiting.value[0]?.id ?? "";
  if (next === followed) return;
  stop?.abort();
  followed = next;
  if (!next) return;
  const mine = (stop = new AbortController());
  try {
    const res = await ask(`/api/v1/videos/${next}/events`, { signal: mine.signal });
    for await (const e of events(res)) {
      if (e.event === "preview") {
        const p: { type: string; data: string } = JSON.parse(e.data);
        foreseen.value = { id: next, url: `data:${p.type};base64,${p.data}` };
        continue;
      }
      const v: Video = JSON.parse(e.data);
      put(v);
      if (isFinal(v)) ended(v);
    }
  } catch {
    // the server went away, or the clip did
  }
  if (mine.signal.aborted) return;
  followed = "";
  const left = videos.value.find((v) => v.id === next);
  if (left && !isFinal(left)) setTimeout(() => void refresh(), 700); // it may have been started anew
  else void follow();
}

const lookEvery = 4000; // milliseconds, at the place of those that wait
const looked = 8; // of them, at most

// The others' places in the queue are asked for now and then.
setInterval(() => {
  if (document.hidden) return;
  for (const w of waiting.value.slice(1, 1 + looked)) void get<Video>(`/v1/videos/${encodeURIComponent(w.id)}`).then(put, () => {});
}, lookEvery);

function ended(v: Video) {
  if (v.status === "completed" && (!current.value || fresh.delete(v.id))) shown.value = v.id;
  if (v.status === "failed") error.value = (v.error?.message ?? t("clipFailed")).replace(/^\w+: /, ""); // the room's name
}

const fresh = new Set<string>(); // clips that this page has asked for

export const refresh = () =>
  attempt(async () => {
    const { data, has_more } = await get<{ data: Video[]; has_more: boolean }>("/v1/videos?limit=60");
    for (const v of data) if (v.status === "completed" && fresh.delete(v.id)) shown.value = v.id;
    videos.value = data;
    more.value = has_more;
    loaded.value = true;
    void follow();
    options.value = await get<Options>("/api/v1/videos/options").catch(() => options.value); // another server may have come
    for (const m of options.value?.models ?? []) rates.value = { ...rates.value, [m]: rates.value[m] ?? (await ratesOf(m)) };
  });

whenBack(() => void refresh());

export const older = () =>
  change("older", "", async () => {
    const { data, has_more } = await get<{ data: Video[]; has_more: boolean }>(`/v1/videos?limit=60&after=${videos.value.at(-1)?.id}`);
    videos.value = [...videos.value, ...data];
    more.value = has_more;
  });

// look finds a clip that a link names and the list has not.
export const look = (id: string) =>
  attempt(async () => {
    if (videos.value.some((v) => v.id === id)) return;
    const v = await get<Video>(`/v1/videos/${encodeURIComponent(id)}`).catch(() => null);
    if (v) put(v);
    else error.value = t("gone");
  });

// make asks for as many takes as are wanted, each with a seed of its own.
export const make = (text: string) =>
  attempt(async () => {
    if (sending.value) return;
    const begun = kind.value === "clip" && begins(filming.value);
    if (begun && !first.value) throw new Failed(t("pictureMissing"), 400, "input_reference");
    sending.value = true;
    const over = after(twice);
    try {
      if (kind.value === "image") await makeStills(text);
      else for (let i = 0; i < takes.value; i++) await order(text, i);
    } finally {
      void over.then(() => (sending.value = false));
    }
    void follow();
  }, true);

async function order(text: string, nth: number) {
  const wish: Record<string, string> = { prompt: text };
  const heeded = (option: string) => heeds(filming.value, option);
  if (seed.value && heeded("seed")) wish.seed = (BigInt(/^\d+$/.test(seed.value) ? seed.value : "0") + BigInt(nth)).toString();
  if (seed.value && heeded("seed") && !/^\d+$/.test(seed.value)) wish.seed = seed.value; // the server says what is wrong
  if (steps.value && heeded("steps")) wish.steps = steps.value;
  if (guidance.value && heeded("guidance")) wish.guidance = guidance.value;
  if (filming.value) wish.model = filming.value;
  if (wanted.value) wish.seconds = wanted.value;
  const id = { "Idempotency-Key": uuid() };
  const v = begins(wish.model) && first.value ? await begun(wish, first.value, id) : await send<Video>("POST", "/v1/videos", wish, id);
  fresh.add(v.id);
  put(v);
}

// begun orders a clip that begins with a picture, as a form.
async function begun(wish: Record<string, string>, picture: File, headers: Record<string, string>): Promise<Video> {
  const body = new FormData();
  for (const [name, value] of Object.entries(wish)) body.set(name, value);
  body.set("input_reference", picture, picture.name);
  return (await ask("/v1/videos", { method: "POST", headers, body })).json();
}

// film orders one clip with the usual options and says which it is.
export async function film(text: string): Promise<string> {
  const v = await send<Video>("POST", "/v1/videos", { prompt: text, model: options.value?.models?.find((m) => !begins(m)) }, { "Idempotency-Key": uuid() });
  put(v);
  void follow();
  return v.id;
}

async function makeStills(text: string) {
  const mark: Still = { id: Date.now(), prompt: text, seed: 0, data: "" };
  stills.value = [mark, ...stills.value];
  try {
    const out = await send<{ data: { b64_json: string; kuai_seed: number }[] }>("POST", "/v1/images/generations", {
      prompt: text, n: takes.value, response_format: "b64_json", ...(seed.value ? { seed: seed.value } : {}),
    });
    stills.value = [
      ...out.data.map((d, i) => ({ id: mark.id + i + 1, prompt: text, seed: d.kuai_seed, data: d.b64_json })),
      ...stills.value.filter((s) => s !== mark),
    ].slice(0, 60);
  } catch (e) {
    stills.value = stills.value.filter((s) => s !== mark);
    throw e;
  }
}

// change does one thing to a clip, once.
const change = (what: string, id: string, f: () => Promise<void>, least = 0) => single(`${what} ${id}`, () => attempt(f), least);

export const remix = (v: Video) =>
  change("remix", v.id, async () => {
    const w = await send<Video>("POST", "/v1/videos", { prompt: v.prompt, model: v.model }, { "Idempotency-Key": uuid() });
    fresh.add(w.id);
    put(w);
    void follow();
  }, twice);

export const cancel = (id: string) =>
  change("cancel", id, async () => {
    put(await send<Video>("POST", `/api/v1/videos/${id}/cancel`));
    void follow();
  });

export const remove = (id: string) =>
  change("remove", id, async () => {
    await send("DELETE", `/v1/videos/${id}`);
    const at = made.value.findIndex((v) => v.id === id);
    const next = made.value[at + 1] ?? made.value[at - 1];
    videos.value = videos.value.filter((v) => v.id !== id);
    favourites.value = favourites.value.filter((f) => f !== id);
    if (shown.value === id) shown.value = next?.id ?? "";
  });

export function favour(id: string) {
  const all = favourites.value;
  favourites.value = all.includes(id) ? all.filter((f) => f !== id) : [...all, id];
}

effect(() => {
  key.value; // another visitor sees other clips
  loaded.value = false;
});

// price is what the order will cost, "" where nobody says.
export const price = computed(() => {
  const clip = kind.value === "clip", r = rates.value[(clip ? filming.value : options.value?.model) ?? ""];
  const length = lengthOf(wanted.value);
  if (!r || (clip && !length)) return "";
  const one: Record<string, number> = clip ? { video_milliseconds: 1000 * length } : { images: 1 };
  return written(takes.value * charge(r, { ...one, requests: 1 }), r.currency);
});
