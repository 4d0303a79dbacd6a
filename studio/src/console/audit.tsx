// The audit log and the server's health.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useAct } from "../act";
import { get } from "../net";
import { moment, t } from "../say";
import { Note } from "../ui";
import { inOrg, me, useRead } from "./state";
import type { Page } from "./state";
import { Rows } from "./table";

interface Record {
  seq: number;
  at: string;
  actor: string;
  action: string;
  object: string;
  ip: string;
}

export function Audit() {
  const after = useSignal(""), told = useSignal("");
  const { busy, wrong, act } = useAct();
  const list = useRead<Page<Record>>(inOrg(`audit?limit=50${after.value && `&after=${after.value}`}`));
  const verify = () => act(async () => {
    const v = await get<{ ok: boolean; records: number; error?: string }>("/api/v1/audit/verify");
    told.value = v.ok ? t("chainOk", { n: v.records }) : t("chainBroken", { why: v.error ?? "" });
  });
  return (
    <Fragment>
      {me.value?.operator && <p class="row"><button disabled={busy} onClick={() => void verify()}>{t("verify")}</button><span role="status">{told}</span></p>}
      <Note text={wrong[""]} />
      <Rows of={list} all={list.value?.data} none={t("noRecords")} heads={[t("when"), t("who"), t("did"), t("what"), "IP"]} row={(r: Record) => (
        <tr key={r.seq}><td>{moment(r.at)}</td><td>{r.actor}</td><td>{r.action}</td><td>{r.object}</td><td>{r.ip}</td></tr>
      )} />
      {list.value?.next && <button onClick={() => (after.value = list.value?.next ?? "")}>{t("nextPage")}</button>}
    </Fragment>
  );
}

export function Health() {
  const ms = useSignal(-1), error = useSignal("");
  const models = useRead<{ data: { id: string }[] }>("/v1/models");
  const made = useRead<{ words: { en: string[] }[]; frames?: number; fps?: number }>("/api/v1/videos/options");
  const look = async () => {
    const begin = performance.now();
    try {
      error.value = "";
      await get("/v1/models");
      ms.value = Math.round(performance.now() - begin);
    } catch (e) {
      error.value = (e as Error).message;
    }
  };
  useEffect(() => {
    void look();
    const timer = setInterval(look, 5000);
    return () => clearInterval(timer);
  }, []);
  const o = made.value;
  return (
    <Fragment>
      <Note text={error.value} again={look} />
      <dl class="cards">
        <div><dt>{t("server")}</dt><dd>{error.value ? "✕" : <span class="state completed">{t("ok")}</span>} {ms.value >= 0 && <span class="soft">{t("latency", { ms: ms.value })}</span>}</dd></div>
        {models.value && <div class="wide"><dt>{t("modelsServed")}</dt><dd>{models.value.data.map((m) => m.id).join(", ")}</dd></div>}
        {o && <div class="wide"><dt>kuai-video</dt><dd>{o.frames && o.fps && t("clipsMade", { s: (o.frames / o.fps).toFixed(1), fps: o.fps })} <span class="soft">{t("knownWords", { n: o.words.reduce((n, w) => n + w.en.length, 0) })}</span></dd></div>}
      </dl>
    </Fragment>
  );
}
