// The way to the server: the public API, the visitor's key, events.
import { signal } from "@preact/signals";
import { t } from "./say";

const kept = "kuai.key";
const read = () => {
  try {
    return sessionStorage.getItem(kept) ?? "";
  } catch {
    return "";
  }
};

export const key = signal(read()); // "" while the cookie or this machine is enough
export const locked = signal(false); // the server wants to know who asks
export const offline = signal(false);

export function useKey(secret: string) {
  key.value = secret;
  try {
    if (secret) sessionStorage.setItem(kept, secret);
    else sessionStorage.removeItem(kept);
  } catch {
    // kept as long as the page
  }
}

// Failed is what the server refused, and which field is to blame.
export class Failed extends Error {
  constructor(message: string, readonly status: number, readonly param = "") {
    super(message);
  }
}

// ask sends a request with the visitor's key and gives the answer if it is good.
export async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (key.value) headers.set("Authorization", `Bearer ${key.value}`);
  let res: Response;
  try {
    res = await fetch(path, { ...options, headers });
  } catch (e) {
    if ((e as Error).name === "AbortError") throw e;
    lost();
    throw new Failed(t("offline"), 0);
  }
  offline.value = false;
  if (res.ok) return res;
  const body = await res.json().catch(() => ({}));
  if (res.status === 401) locked.value = true;
  throw new Failed(body.error?.message ?? body.detail ?? t("answered", { status: res.status }), res.status, body.error?.param ?? "");
}

// lost looks now and then whether the server is back.
function lost() {
  if (offline.value) return;
  offline.value = true;
  const look = async () => {
    try {
      await fetch("/v1/models", { method: "HEAD" });
      offline.value = false;
      for (const f of returned) f();
    } catch {
      setTimeout(look, 1000);
    }
  };
  setTimeout(look, 1000);
}

const returned: (() => void)[] = [];
export const whenBack = (f: () => void) => void returned.push(f);

export async function get<T>(path: string): Promise<T> {
  return (await ask(path)).json();
}

export async function send<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const options: RequestInit = { method, headers };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json", ...headers };
  }
  const res = await ask(path, options);
  const text = await res.text();
  return JSON.parse(text || "{}");
}

export interface Event {
  event: string;
  data: string;
}

// events yields the server-sent events of an answer.
export async function* events(res: Response): AsyncGenerator<Event> {
  if (!res.body) return;
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const data = [...part.matchAll(/^data: ?(.*)$/gm)].map((m) => m[1]).join("\n");
        if (data) yield { event: /^event: ?(.*)$/m.exec(part)?.[1] ?? "", data };
      }
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}
