// What the console knows: who asks, in which organisation, and small helpers to
// read lists. A list that the server does not offer is null.
import { batch, signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
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
    const [own, all] = await Promise.all([get<Me>("/api/v1/me"), get<Page<Named>>("/api/v1/organisations")]);
    const known = all.data ?? [];
    const here = known.some((o) => o.id === org.value) ? org.value : own.organisation || known[0]?.id || "";
    const inside = await projectsOf(here);
    batch(() => { // at once, so that nothing on the screen comes after the rest
      [me.value, orgs.value, org.value, projects.value] = [own, known, here, inside];
    });
  } catch (e) {
    error.value = (e as Error).message;
  }
}

const projectsOf = async (org: string) => (org ? ((await get<Page<Named>>(`/api/v1/organisations/${encodeURIComponent(org)}/projects`)).data ?? []) : []);

export async function readProjects() {
  projects.value = await projectsOf(org.value);
}

whenBack(() => {
  if (me.value) void enter();
});

export interface Read<T> {
  value: T | null; // null: not yet, or not offered
  missing: boolean; // the server does not offer it
  error: string;
  came: boolean; // there was an answer, if only that there is none
  again: () => Promise<void>;
}

// useRead reads an address, and again whenever it changes; until the new answer
// is there the old one stands.
export function useRead<T>(path: string): Read<T> {
  const value = useSignal<T | null>(null), missing = useSignal(false), failed = useSignal(""), came = useSignal(false);
  const asked = useRef(0);
  const again = async () => {
    if (!path) return;
    const mine = ++asked.current;
    let got: T | null = null, gone = false, why = "";
    try {
      got = await get<T>(path);
    } catch (e) {
      if (e instanceof Failed && (e.status === 404 || e.status === 405)) gone = true;
      else why = (e as Error).message;
    }
    if (mine !== asked.current) return; // something else is asked by now
    batch(() => {
      if (got !== null) value.value = got;
      [missing.value, failed.value, came.value] = [gone, why, true];
    });
  };
  useEffect(() => {
    value.value = null; // another visitor sees something else
    came.value = false;
  }, [key.value]);
  useEffect(() => void again(), [path, key.value]);
  return { value: value.value, missing: missing.value, error: failed.value, came: came.value, again };
}

// waits says that a screen has not got all it needs: what it shows comes at
// once, so that nothing is moved by what comes later.
export const waits = (...reads: Read<unknown>[]) => reads.some((r) => !r.came);

const boundless = 1e11; // units: what nobody has is no limit

// money shows an amount: two decimals, more for what costs less than a cent.
export function money(amount: string, currency: string): string {
  const n = Number(amount);
  if (n > boundless) return "∞";
  return `${n.toLocaleString(language.value, { minimumFractionDigits: 2, maximumFractionDigits: Math.abs(n) < 1 ? 6 : 2 })} ${currency}`;
}
