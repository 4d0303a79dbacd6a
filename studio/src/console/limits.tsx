// Limits: how much an organisation, a project, a person or a key may use.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "../act";
import { send } from "../net";
import { t } from "../say";
import type { Word } from "../say";
import { Field, Loading, Note } from "../ui";
import { inOrg, org, orgs, projects, useRead, waits } from "./state";
import type { Page } from "./state";
import { Rows } from "./table";

interface Rule {
  level: string;
  subject: string;
  kind: string;
  amount: number;
}

const kinds: Record<string, Word> = {
  requests_per_minute: "requestsPerMinute", requests_per_day: "requestsPerDay", tokens_per_minute: "tokensPerMinute", tokens_per_day: "tokensPerDay", concurrency: "concurrency", characters_per_day: "charactersPerDay", images_per_day: "imagesPerDay", video_seconds_per_day: "secondsPerDay", money_micros_per_day: "moneyPerDay", money_micros_per_month: "moneyPerMonth",
};
const kindOf = (k: string) => (kinds[k] ? t(kinds[k]) : k);

export function Limits() {
  const list = useRead<{ data: Rule[] | null }>(inOrg("limits"));
  const keys = useRead<Page<{ id: string; name: string }>>(inOrg("keys?limit=200"));
  const kind = useSignal(Object.keys(kinds)[0]), whose = useSignal(`project/${projects.value[0]?.id ?? ""}`), amount = useSignal("");
  const { busy, wrong, act: once } = useAct("amount");
  const subjects = [
    ...projects.value.map((p) => [`project/${p.id}`, `${t("project")}: ${p.name}`]),
    ...(keys.value?.data ?? []).map((k) => [`key/${k.id}`, `${t("key")}: ${k.name}`]),
    ...orgs.value.filter((o) => o.id === org.value).map((o) => [`organisation/${o.id}`, `${t("organisation")}: ${o.name}`]),
  ];
  const act = async (f: () => Promise<unknown>) => {
    await once(f);
    await list.again();
  };
  const set = (e: Event) => {
    e.preventDefault();
    const [level, subject] = whose.value.split("/");
    void act(() => send("PUT", inOrg("limits"), { level, subject, kind: kind.value, amount: Number(amount.value) }));
  };
  if (waits(list, keys)) return <Loading />;
  return (
    <Fragment>
      <Rows of={list} all={list.value?.data} none={t("noLimits")} heads={[t("whose"), t("kindOf"), t("amount"), t("actions")]} row={(r: Rule) => (
        <tr key={`${r.level}/${r.subject}/${r.kind}`}><td>{subjects.find(([id]) => id === `${r.level}/${r.subject}`)?.[1] ?? `${r.level} ${r.subject}`}</td><td>{kindOf(r.kind)}</td><td>{r.amount.toLocaleString()}</td>
          <td><button class="quiet" disabled={busy} aria-label={`${t("remove")}: ${kindOf(r.kind)}`} onClick={() => void act(() => send("DELETE", inOrg(`limits/${r.level}/${encodeURIComponent(r.subject)}/${r.kind}`)))}>{t("remove")}</button></td></tr>
      )} />
      <h2>{t("addLimit")}</h2>
      <form class="row inline" onSubmit={set}>
        <label class="field"><span>{t("whose")}</span><select value={whose.value} onChange={(e) => (whose.value = e.currentTarget.value)}>{subjects.map(([id, label]) => <option key={id} value={id}>{label}</option>)}</select></label>
        <label class="field"><span>{t("kindOf")}</span><select value={kind.value} onChange={(e) => (kind.value = e.currentTarget.value)}>{Object.keys(kinds).map((k) => <option key={k} value={k}>{kindOf(k)}</option>)}</select></label>
        <Field label={t("amount")} value={amount.value} set={(v) => (amount.value = v)} type="number" min="0" step="1" required error={wrong.amount} />
        <button class="primary" disabled={busy}>{t("save")}</button>
      </form>
      <Note text={wrong[""]} />
    </Fragment>
  );
}
