// The public API, as far as the studio uses it.

export type Status = "queued" | "in_progress" | "completed" | "failed" | "cancelled";

export interface Slot {
  kind: string;
  en: string;
  zh: string;
  confidence: number;
}

export interface Video {
  id: string;
  status: Status;
  progress: number; // per cent
  prompt: string;
  seconds: string;
  created_at: number;
  error: { message: string } | null;
  kuai_seed: number;
  kuai_stage?: string;
  kuai_step: number;
  kuai_steps: number;
  kuai_understood: Slot[] | null;
  kuai_unknown_words?: string[];
  kuai_seconds_of_work?: number;
}

export interface Wish {
  prompt: string;
  seed?: string;
  steps?: string;
  guidance?: string;
}

async function call<T>(path: string, options?: RequestInit): Promise<T> {
  let res: Response;
  try {
    res = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is kuai serve still running?");
  }
  const body = res.status === 204 ? {} : await res.json().catch(() => ({}));
  if (!res.ok) throw new Error(body.error?.message ?? `the server answered ${res.status}`);
  return body;
}

export const list = (after = "") =>
  call<{ data: Video[]; has_more: boolean }>(`/v1/videos?limit=60${after && `&after=${after}`}`);

export const create = (wish: Wish) =>
  call<Video>("/v1/videos", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(wish),
  });

export const cancel = (id: string) => call<Video>(`/api/v1/videos/${id}/cancel`, { method: "POST" });

export const remove = (id: string) => call<unknown>(`/v1/videos/${id}`, { method: "DELETE" });

export const events = (id: string) => new EventSource(`/api/v1/videos/${id}/events`);

export const clip = (id: string, query = "") => `/v1/videos/${id}/content${query && `?${query}`}`;

export const isFinal = (v: Video) => v.status === "completed" || v.status === "failed" || v.status === "cancelled";

export interface Character {
  id: string;
  name: string;
  tags?: string;
}

export interface Message {
  id: number;
  time: string;
  speaker: string; // user or companion
  text: string;
}

export interface Fact {
  id: number;
  subject: string;
  predicate: string;
  object: string;
  since: string;
}

export interface Recalled {
  turn?: number;
  fact?: number;
  when: string;
  text: string;
}

export interface Reply {
  reply: string;
  recalled: Recalled[];
}

const at = (id: string, rest: string, language = "") =>
  `/api/v1/characters/${encodeURIComponent(id)}/${rest}?user=me${language && `&language=${language}`}`;

export const characters = (language: string) => call<{ characters: Character[] }>(`/api/v1/characters?language=${language}`);

export const messages = (id: string, language: string) =>
  call<{ greeting?: string; messages: Message[] }>(at(id, "messages", language));

export const memory = (id: string, language: string) => call<{ facts: Fact[] }>(at(id, "memory", language));

export const correct = (id: string, fact: number, object: string) =>
  call<unknown>(at(id, `memory/${fact}`), { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ object }) });

export const forget = (id: string, fact: number) => call<unknown>(at(id, `memory/${fact}`), { method: "DELETE" });

export const forgetAll = (id: string) => call<unknown>(at(id, "memory"), { method: "DELETE" });

// say sends a turn and shows the pieces of the reply as they come.
export async function say(id: string, body: object, show: (piece: string) => void, signal: AbortSignal): Promise<Reply> {
  const res = await fetch(`/api/v1/characters/${encodeURIComponent(id)}/messages`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: "me", ...body }), signal,
  });
  if (!res.ok || !res.body) throw new Error((await res.json().catch(() => ({}))).error?.message ?? `the server answered ${res.status}`);
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) throw new Error("The reply broke off.");
    const parts = (rest + value).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const event = /^event: (.*)$/m.exec(part)?.[1] ?? "";
      const data = JSON.parse(/^data: (.*)$/m.exec(part)?.[1] ?? "{}");
      if (event === "done") return data;
      if (event === "error") throw new Error(data.message);
      show(data.delta ?? "");
    }
  }
}
