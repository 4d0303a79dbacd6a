// What the page knows, and what changes it. The server has the truth: the page
// can be opened anew at any time.
import { computed, effect, signal } from "@preact/signals";
import * as api from "./api";

export const speeds = [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3];

export const videos = signal<api.Video[]>([]); // the newest first
export const more = signal(false); // older ones that are not loaded yet
export const loaded = signal(false);
export const shown = signal<string>(""); // id of the clip in the player
export const error = signal("");
export const prompt = signal("");
export const seed = signal("");
export const steps = signal("");
export const guidance = signal("");

export const speed = signal(stored("speed", 1, (v) => speeds.includes(v)));
export const theme = signal<string>(stored("theme", "auto", (v) => ["auto", "light", "dark"].includes(v)));

export const made = computed(() => videos.value.filter((v) => v.status === "completed"));
export const waiting = computed(() => videos.value.filter((v) => !api.isFinal(v)).reverse());
export const current = computed(() => made.value.find((v) => v.id === shown.value));

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

effect(() => store("speed", speed.value));
effect(() => {
  store("theme", theme.value);
  document.documentElement.dataset.theme = theme.value;
});

// attempt runs f and shows what went wrong.
export async function attempt(f: () => Promise<void>) {
  try {
    error.value = "";
    await f();
  } catch (e) {
    error.value = (e as Error).message;
  }
}

function put(v: api.Video) {
  const at = videos.value.findIndex((w) => w.id === v.id);
  videos.value = at < 0 ? [v, ...videos.value] : videos.value.with(at, v);
}

// One clip is followed at a time, the one that the server works on or will
// work on next: browsers allow few connections to one server.
let source: EventSource | undefined;
let followed = "";

function follow() {
  const next = waiting.value[0]?.id ?? "";
  if (next === followed) return;
  source?.close();
  followed = next;
  if (!next) return;
  source = api.events(next);
  source.onmessage = (e) => {
    const v: api.Video = JSON.parse(e.data);
    put(v);
    if (!api.isFinal(v)) return;
    source?.close();
    followed = "";
    if (v.status === "completed") shown.value = v.id;
    if (v.status === "failed") error.value = (v.error?.message ?? "the clip failed").replace(/^\w+: /, ""); // the room's name
    follow();
  };
  source.onerror = () => {
    if (source?.readyState !== EventSource.CLOSED) return; // it tries again by itself
    followed = "";
    void refresh();
  };
}

export const refresh = () =>
  attempt(async () => {
    const { data, has_more } = await api.list();
    videos.value = data;
    more.value = has_more;
    loaded.value = true;
    if (!current.value) shown.value = made.value[0]?.id ?? "";
    follow();
  });

export const older = () =>
  attempt(async () => {
    const { data, has_more } = await api.list(videos.value.at(-1)?.id);
    videos.value = [...videos.value, ...data];
    more.value = has_more;
  });

export const make = (text: string) =>
  attempt(async () => {
    const wish: api.Wish = { prompt: text };
    if (seed.value) wish.seed = seed.value;
    if (steps.value) wish.steps = steps.value;
    if (guidance.value) wish.guidance = guidance.value;
    put(await api.create(wish));
    follow();
  });

export const cancel = (id: string) => attempt(async () => put(await api.cancel(id)));

export const remove = (id: string) =>
  attempt(async () => {
    await api.remove(id);
    const at = made.value.findIndex((v) => v.id === id);
    const next = made.value[at + 1] ?? made.value[at - 1];
    videos.value = videos.value.filter((v) => v.id !== id);
    if (shown.value === id) shown.value = next?.id ?? "";
  });
