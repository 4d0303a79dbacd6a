// What an owner acts on: who comes, comes back and stays, what they bring in
// and what they cost.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "../act";
import { send } from "../net";
import { number, t } from "../say";
import type { Word } from "../say";
import { Choice, Field, Loading, Note, Save } from "../ui";
import { Bars } from "./chart";
import { money, orgs, useRead, waits } from "./state";
import { Rows } from "./table";
import { amount, units } from "./prices";

interface Day {
  day: string;
  users: number;
  sessions: number;
  session_seconds: number;
  requests: number;
  revenue: string;
  cost: string;
  revenue_per_user: string;
  cost_per_user: string;
}

interface Cohort {
  day: string;
  size: number;
  d1: number | null;
  d7: number | null;
  d30: number | null;
}

interface User {
  who: string;
  days: number;
  requests: number;
  revenue: string;
  cost: string;
}

interface Answer<T> {
  data: T[];
  currency: string;
  currencies: string[];
}

const spans = [7, 30, 90] as const;
const figures = { users: "dau", session_seconds: "sessionTime", revenue_per_user: "revenuePerUser", cost_per_user: "costPerUser" } as const;
const back = ["d1", "d7", "d30"] as const;

const minutes = (s: number) => (s < 90 ? t("secondsOf", { n: number(s, 0) }) : t("minutesOf", { n: number(s / 60, 1) }));

export function Analytics() {
  const span = useSignal<(typeof spans)[number]>(30), currency = useSignal("USD"), whose = useSignal("");
  const shown = useSignal<keyof typeof figures>("users");
  const from = new Date(Date.now() - (span.value - 1) * 86_400_000).toISOString().slice(0, 10);
  const query = `from=${from}&currency=${currency.value}${whose.value && `&organisation=${encodeURIComponent(whose.value)}`}`;
  const daily = useRead<Answer<Day>>(`/api/v1/analytics/daily?${query}`);
  const cohorts = useRead<Answer<Cohort>>(`/api/v1/analytics/cohorts?${query}`);
  const users = useRead<Answer<User>>(`/api/v1/analytics/users?${query}`);
  const days = daily.value?.data ?? [];
  if (waits(daily, cohorts, users)) return <Loading />;
  const cash = (v: number) => money(String(v), daily.value?.currency ?? currency.value);
  const show = shown.value === "users" ? (v: number) => number(v, 0) : shown.value === "session_seconds" ? minutes : cash;
  const sum = (f: (d: Day) => number) => days.reduce((n, d) => n + f(d), 0);
  const came = sum((d) => d.users), sessions = sum((d) => d.sessions);
  const csv = (table: string) => <Save url={`/api/v1/analytics/${table}?${query}&format=csv`} name={`${table}-${from}.csv`}>{t("export")}</Save>;
  return (
    <Fragment>
      <div class="row bar">
        <Choice label={t("perDay")} all={spans} now={span.value} set={(v) => (span.value = v)} show={(n) => t("days", { n })} />
        {orgs.value.length > 1 && <label class="pick">{t("organisation")} <select value={whose.value} onChange={(e) => (whose.value = e.currentTarget.value)}><option value="">{t("all")}</option>{orgs.value.map((o) => <option key={o.id} value={o.id}>{o.name}</option>)}</select></label>}
        {(daily.value?.currencies.length ?? 0) > 1 && <Choice label={t("currency")} all={daily.value?.currencies ?? []} now={currency.value} set={(v) => (currency.value = v)} />}
        <span class="grow" />{csv("daily")}
      </div>
      {!daily.value && (daily.error ? <Note text={daily.error} again={daily.again} /> : <p class="soft">{t("noEndpoint")}</p>)}
      {daily.value && (
        <Fragment>
          <dl class="cards">
            <div><dt>{t("dauMean")}</dt><dd>{number(came / Math.max(days.length, 1), came < 10 * days.length ? 2 : 0)}</dd></div>
            <div><dt>{t("sessionTime")}</dt><dd>{sessions ? minutes(sum((d) => d.sessions * d.session_seconds) / sessions) : "–"}</dd></div>
            <div><dt>{t("revenue")}</dt><dd>{cash(sum((d) => Number(d.revenue)))}</dd></div>
            <div><dt>{t("cost")}</dt><dd>{cash(sum((d) => Number(d.cost)))}</dd></div>
            <div><dt>{t("revenuePerUser")}</dt><dd>{came ? cash(sum((d) => Number(d.revenue)) / came) : "–"}</dd></div>
            <div><dt>{t("costPerUser")}</dt><dd>{came ? cash(sum((d) => Number(d.cost)) / came) : "–"}</dd></div>
          </dl>
          <label class="pick">{t("chart")} <select value={shown.value} onChange={(e) => (shown.value = e.currentTarget.value as keyof typeof figures)}>{Object.entries(figures).map(([f, word]) => <option key={f} value={f}>{t(word)}</option>)}</select></label>
          <Bars label={t(figures[shown.value])} points={days.map((d) => [d.day, Number(d[shown.value])])} show={show} />
        </Fragment>
      )}
      <div class="row bar"><h2>{t("retention")}</h2><span class="grow" />{csv("cohorts")}</div>
      <p class="soft">{t("retentionWhy")}</p>
      <Rows of={cohorts} all={cohorts.value?.data} none={t("nobodyNew")} heads={[t("firstDay"), t("people"), "D1", "D7", "D30"]} row={(c: Cohort) => (
        <tr key={c.day}><td>{c.day}</td><td>{c.size}</td>{back.map((f) => <Back key={f} n={c[f]} of={c.size} />)}</tr>
      )} />
      <div class="row bar"><h2>{t("byUser")}</h2><span class="grow" />{csv("users")}</div>
      <Rows of={users} all={users.value?.data} none={t("noUsage")} heads={[t("who"), t("daysActive"), t("requests"), t("revenue"), t("cost")]} row={(u: User) => (
        <tr key={u.who}><td><code>{u.who}</code></td><td>{u.days}</td><td>{u.requests.toLocaleString()}</td><td>{money(u.revenue, users.value?.currency ?? "")}</td><td>{money(u.cost, users.value?.currency ?? "")}</td></tr>
      )} />
      <Costs key={currency.value} currency={currency.value} done={async () => { await Promise.all([daily.again(), users.again()]); }} />
    </Fragment>
  );
}

// Back is a share of a cohort that came again; the more, the fuller the cell.
function Back({ n, of }: { n: number | null; of: number }) {
  if (n === null) return <td class="soft">–</td>;
  return <td><meter min={0} max={of} value={n} aria-label={`${n} / ${of}`} /> {Math.round((100 * n) / of)} %</td>;
}

interface Cost {
  dimension: string;
  cost: string;
  per: number;
}

// Costs is what work costs the owner, of which the figures above are computed.
function Costs({ currency, done }: { currency: string; done: () => Promise<void> }) {
  const kept = useRead<{ data: Cost[] }>(`/api/v1/analytics/costs?currency=${currency}`);
  const changed = useSignal<Record<string, string>>({});
  const now: Record<string, string> = { ...Object.fromEntries(kept.value?.data.map((c) => [c.dimension, c.cost]) ?? []), ...changed.value };
  const told = useSignal("");
  const { busy, wrong, act } = useAct();
  const save = (e: Event) => {
    e.preventDefault();
    told.value = "";
    void act(async () => {
      const costs = Object.entries(now).filter(([, v]) => v.trim()).map(([dimension, cost]) => ({ dimension, cost: cost.trim(), per: units[dimension][1] }));
      await send("PUT", "/api/v1/analytics/costs", { currency, costs });
      told.value = t("saved");
      await Promise.all([kept.again(), done()]);
    });
  };
  return (
    <details class="more">
      <summary>{t("ownCosts")}</summary>
      <p class="soft">{t("ownCostsWhy")}</p>
      <form class="row inline prices" onSubmit={save}>
        {Object.entries(units).map(([d, [word, per]]) => (
          <Field key={d} label={t(word as Word)} hint={`/ ${number(per, 0)}`} value={now[d] ?? ""} set={(v) => (changed.value = { ...changed.value, [d]: v })} inputMode="decimal" pattern={amount} maxLength={24} placeholder="0" />
        ))}
        <button class="primary" disabled={busy}>{t("save")}</button>{told.value && <span role="status">{told}</span>}
      </form>
      <Note text={wrong[""]} />
    </details>
  );
}
