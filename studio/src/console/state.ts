// What the console knows: who asks, in which organisation, and small helpers to
// read lists. A list that the server does not offer is null.
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Failed, get, key, whenBack } from "../net";
import { language } from "../say";

export interface Me {
  user?: string;
  email?: string;
  name?: string;
  organisation?: string;
  project?: string;
  operator: boolean;
  roles: Record<string, string> | null;
}

export interface Named {
  id: string;
  name: string;
  status?: string;
  created_at?: string;
}

export const me = signal<Me | null>(null);
export const orgs = signal<Named[]>([]);
export const projects = signal<Named[]>([]);
export const org = signal("");
export const error = signal("");

export interface Page<T> {
  data: T[] | null;
  has_more?: boolean;
  next?: string;
}

export const inOrg = (rest: string) => `/api/v1/organisations/${encodeURIComponent(org.value)}/${rest}`;

export async function enter() {
  try {
    error.value = "";
    me.value = await get<Me>("/api/v1/me");
    orgs.value = (await get<Page<Named>>("/api/v1/organisations")).data ?? [];
    if (!orgs.value.some((o) => o.id === org.value)) org.value = me.value.organisation || orgs.value[0]?.id || "";
    await readProjects();
  } catch (e) {
    error.value = (e as Error).message;
  }
}

export async function readProjects() {
  projects.value = org.value ? ((await get<Page<Named>>(inOrg("projects"))).data ?? []) : [];
}

whenBack(() => {
  if (me.value) void enter();
});

export interface Read<T> {
  value: T | null; // null: not yet, or not offered
  missing: boolean; // the server does not offer it
  error: string;
  again: () => Promise<void>;
}

// useRead reads an address, and again whenever it changes.
export function useRead<T>(path: string): Read<T> {
  const value = useSignal<T | null>(null), missing = useSignal(false), failed = useSignal("");
  const again = async () => {
    if (!path) return;
    try {
      failed.value = "";
      value.value = await get<T>(path);
      missing.value = false;
    } catch (e) {
      if (e instanceof Failed && (e.status === 404 || e.status === 405)) missing.value = true;
      else failed.value = (e as Error).message;
    }
  };
  useEffect(() => {
    value.value = null;
    void again();
  }, [path, key.value]);
  return { value: value.value, missing: missing.value, error: failed.value, again };
}

// useAct runs changes and keeps what went wrong.
export function useAct() {
  const error = useSignal("");
  const act = async (f: () => Promise<unknown>) => {
    try {
      error.value = "";
      await f();
    } catch (e) {
      error.value = (e as Error).message;
    }
  };
  return { error, act };
}

// once gives a change a key, so that a repeated click changes nothing twice.
export const once = () => ({ "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` });

const boundless = 1e11; // units: what nobody has is no limit

// money shows an amount: two decimals, more for what costs less than a cent.
export function money(amount: string, currency: string): string {
  const n = Number(amount);
  if (n > boundless) return "∞";
  return `${n.toLocaleString(language.value, { minimumFractionDigits: 2, maximumFractionDigits: Math.abs(n) < 1 ? 6 : 2 })} ${currency}`;
}
