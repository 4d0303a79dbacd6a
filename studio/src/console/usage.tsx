// What was used and what it cost, as charts and as a table.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "../act";
import { send } from "../net";
import { language, t } from "../say";
import { Choice, Field, Loading, Note, Save } from "../ui";
import { Bars } from "./chart";
import { money, useRead, waits } from "./state";
import { Rows } from "./table";

interface Used {
  day?: string;
  model?: string;
  key?: string;
  amount: string;
  requests: number;
}

interface Balance {
  currency: string;
  available: string;
  cash: string;
  promo: string;
  held: string;
  spent?: { day: string; month: string };
}

const spans = [7, 30, 90] as const;

export function Usage() {
  const span = useSignal<(typeof spans)[number]>(30);
  const from = new Date(Date.now() - (span.value - 1) * 86_400_000).toISOString().slice(0, 10);
  const balance = useRead<Balance>("/api/v1/balance");
  const daily = useRead<{ data: Used[] | null }>(`/api/v1/usage?group=day&from=${from}`);
  const models = useRead<{ data: Used[] | null }>(`/api/v1/usage?group=model&from=${from}`);
  const keys = useRead<{ data: Used[] | null }>(`/api/v1/usage?group=key&from=${from}`);
  if (waits(balance, daily, models, keys)) return <Loading />;
  if (balance.missing) return <p class="soft">{t("noEndpoint")}</p>;
  const b = balance.value;
  return (
    <Fragment>
      {b ? (
        <dl class="cards">
          <div><dt>{t("balance")}</dt><dd>{money(b.available, b.currency)}</dd></div>
          <div><dt>{t("held")}</dt><dd id="held">{money(b.held, b.currency)}</dd></div>
          {b.spent && <div><dt>{t("spent")}</dt><dd>{money(b.spent.month, b.currency)}</dd></div>}
        </dl>
      ) : <Note text={balance.error} again={balance.again} />}
      <Redeem done={balance.again} />
      <div class="row bar"><h2>{t("perDay")}</h2><span class="grow" /><Choice label={t("perDay")} all={spans} now={span.value} set={(v) => (span.value = v)} show={(n) => t("days", { n })} />
        <Save url={`/api/v1/usage/export?format=csv&from=${from}`} name={`usage-${from}.csv`}>{t("export")}</Save></div>
      {daily.value && (daily.value.data?.length ? <PerDay from={from} days={span.value} all={daily.value.data} /> : <p class="soft">{t("noUsage")}</p>)}
      <Note text={daily.error} again={daily.again} />
      {[["byModel", models, "model"], ["byKey", keys, "key"]].map(([word, of, field]) => {
        const read = of as typeof models;
        return (
          <Fragment key={word as string}>
            <h2>{t(word as "byModel")}</h2>
            <Rows of={read} all={read.value?.data} none={t("noUsage")} heads={[t(field as "model"), t("requests"), t("cost")]} row={(u: Used) => (
              <tr key={u[field as "model"] ?? ""}><td>{u[field as "model"] || "–"}</td><td>{u.requests.toLocaleString()}</td><td>{money(u.amount, b?.currency ?? "")}</td></tr>
            )} />
          </Fragment>
        );
      })}
    </Fragment>
  );
}

function PerDay({ from, days, all }: { from: string; days: number; all: Used[] }) {
  const cost = all.some((u) => Number(u.amount) > 0);
  const by = new Map(all.map((u) => [u.day, u]));
  const dates = Array.from({ length: days }, (_, i) => new Date(Date.parse(from) + i * 86_400_000).toISOString().slice(0, 10));
  const of = (d: string) => (cost ? Number(by.get(d)?.amount ?? 0) : (by.get(d)?.requests ?? 0));
  return <Bars label={`${t("perDay")}: ${t(cost ? "cost" : "requests")}`} points={dates.map((d) => [d, of(d)])} show={(v) => v.toLocaleString(language.value, { maximumFractionDigits: 6 })} />;
}

function Redeem({ done }: { done: () => Promise<void> }) {
  const code = useSignal(""), told = useSignal("");
  const { busy, wrong, act } = useAct("code");
  const redeem = (e: Event) => {
    e.preventDefault();
    told.value = "";
    void act(async () => {
      await send("POST", "/api/v1/vouchers/redeem", { code: code.value.trim() });
      told.value = t("redeemed");
      code.value = "";
      await done();
    });
  };
  return (
    <form class="row inline" onSubmit={redeem}>
      <Field label={t("voucher")} value={code.value} set={(v) => (code.value = v)} error={wrong.code ?? wrong[""]} required maxLength={64} />
      <button disabled={busy}>{t("redeem")}</button>{told.value && <span role="status">{told}</span>}
    </form>
  );
}
