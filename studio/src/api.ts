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
  const body = await res.json().catch(() => ({}));
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
