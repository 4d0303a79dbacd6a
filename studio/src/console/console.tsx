// The console: keys, people, money, work.
import { h } from "preact";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { key } from "../net";
import { link } from "../route";
import { t } from "../say";
import type { Word } from "../say";
import { Loading, Note } from "../ui";
import { Analytics } from "./analytics";
import { Audit, Health } from "./audit";
import { Jobs } from "./jobs";
import { Keys } from "./keys";
import { Limits } from "./limits";
import { Overview } from "./overview";
import { Models } from "./models";
import { People, Projects } from "./people";
import { Prices } from "./prices";
import { Shares } from "./shares";
import { Sponsors } from "./sponsors";
import { enter, error, me, org, orgs, readProjects } from "./state";
import { Usage } from "./usage";
import { Workers } from "./workers";

const views: Record<string, [Word, () => JSX.Element, "operator"?]> = {
  overview: ["overview", Overview],
  keys: ["keys", Keys],
  people: ["people", People],
  projects: ["projects", Projects],
  limits: ["limits", Limits],
  usage: ["usage", Usage],
  prices: ["prices", Prices],
  jobs: ["jobs", Jobs],
  shares: ["shares", Shares],
  models: ["models", Models, "operator"],
  workers: ["workers", Workers, "operator"],
  analytics: ["analytics", Analytics, "operator"],
  sponsors: ["sponsors", Sponsors, "operator"],
  audit: ["audit", Audit],
  health: ["health", Health],
};

export function Console({ view }: { view: string }) {
  useEffect(() => void enter(), [key.value]);
  useEffect(() => document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [view, me.value]);
  const [word, View] = views[view] ?? [];
  const known = me.value !== null || error.value !== ""; // before that nobody knows which views there are
  return (
    <div class="screen console">
      <nav class="side" aria-label={t("console")}>
        {known && orgs.value.length > 1 && (
          <label class="pick"><span class="sr">{t("organisation")}</span>
            <select value={org.value} onChange={(e) => { org.value = e.currentTarget.value; void readProjects(); }}>
              {orgs.value.map((o) => <option key={o.id} value={o.id}>{o.name}</option>)}
            </select>
          </label>
        )}
        {known && Object.entries(views).filter(([, [, , who]]) => !who || me.value?.operator).map(([v, [word]]) => <a key={v} href={link("console", v)} aria-current={v === view ? "page" : undefined}>{t(word)}</a>)}
      </nav>
      <section class="panel" aria-label={word && t(word)}>
        <h1>{word ? t(word) : t("nothingThere")}</h1>
        <Note text={error.value} again={enter} />
        {me.value && View ? <View key={org.value} /> : !error.value && word && <Loading />}
      </section>
    </div>
  );
}
