// The first look: what to do first, and what there is.
import { h } from "preact";
import { link } from "../route";
import { t } from "../say";
import { Loading } from "../ui";
import { inOrg, me, money, org, orgs, projects, useRead, waits } from "./state";
import type { Page } from "./state";

export function Overview() {
  const keys = useRead<Page<{ id: string; revoked_at?: string; operator?: boolean }>>(org.value && inOrg("keys?limit=200"));
  const models = useRead<{ data: { id: string }[] }>("/v1/models");
  const balance = useRead<{ available: string; currency: string; spent?: { day: string; month: string } }>("/api/v1/balance");
  const own = keys.value?.data?.filter((k) => !k.operator && !k.revoked_at).length ?? 0;
  const who = me.value?.name || me.value?.email || (me.value?.operator ? t("owner") : me.value?.user) || "";
  if (waits(models, balance) || (org.value && waits(keys))) return <Loading />;
  return (
    <div>
      {keys.value && own === 0 && (
        <div class="hint"><p>{t("firstRun")}</p><a class="button primary" href={link("console", "keys")}>{t("firstStep")}</a></div>
      )}
      <dl class="cards">
        <div><dt>{t("who")}</dt><dd>{who}</dd></div>
        <div><dt>{t("organisation")}</dt><dd>{orgs.value.find((o) => o.id === org.value)?.name ?? "–"}</dd></div>
        <div><dt>{t("projects")}</dt><dd>{projects.value.length}</dd></div>
        <div><dt>{t("keys")}</dt><dd>{keys.value ? own : "–"}</dd></div>
        {balance.value && <div><dt>{t("balance")}</dt><dd>{money(balance.value.available, balance.value.currency)}</dd></div>}
        {models.value && <div class="wide"><dt>{t("modelsServed")}</dt><dd>{models.value.data.map((m) => m.id).join(", ")}</dd></div>}
      </dl>
    </div>
  );
}
