// The machines that make jobs: who lives, what it works on; drain, join.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useAct } from "../act";
import { send } from "../net";
import { ago, day, t } from "../say";
import type { Word } from "../say";
import { Copy, Field, Loading, Note } from "../ui";
import { useRead, waits } from "./state";
import { Rows } from "./table";

interface Worker {
  id: string;
  name: string;
  slots: number;
  state: "alive" | "draining" | "silent";
  draining: boolean;
  seen_at: number;
  jobs: { id: string; kind: string; model: string; request?: { request?: { Prompt?: string } }; progress?: { fraction: number } }[];
}

interface Token {
  name: string;
  created_at: number;
  revoked_at?: number;
}

const words: Record<Worker["state"], Word> = { alive: "alive", draining: "draining", silent: "silent" };
const every = 2000; // milliseconds between looks

export function Workers() {
  const list = useRead<{ data: Worker[] }>("/api/v1/workers");
  const tokens = useRead<{ data: Token[] }>("/api/v1/workers/tokens");
  const name = useSignal(""), secret = useSignal("");
  const { busy, wrong, act } = useAct(), making = useAct("name");
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) void list.again();
    }, every);
    return () => clearInterval(timer);
  }, []);
  const drain = (w: Worker) => act(async () => {
    await send("POST", `/api/v1/workers/${encodeURIComponent(w.id)}/${w.draining ? "resume" : "drain"}`);
    await list.again();
  });
  const add = (e: Event) => {
    e.preventDefault();
    void making.act(async () => {
      secret.value = (await send<{ secret: string }>("POST", "/api/v1/workers/tokens", { name: name.value.trim() })).secret;
      name.value = "";
      await tokens.again();
    });
  };
  const revoke = (k: Token) => act(async () => {
    await send("DELETE", `/api/v1/workers/tokens/${encodeURIComponent(k.name)}`);
    await tokens.again();
  });
  const command = `KUAI_WORKER_TOKEN=${secret.value || "kuai-worker-…"} kuai worker --join ${location.origin}`;
  if (waits(list, tokens)) return <Loading />;
  return (
    <Fragment>
      <Rows of={list} all={list.value?.data} none={t("noWorkersYet")} heads={[t("name"), t("state"), t("lastSign"), t("worksOn"), t("actions")]} row={(w: Worker) => (
        <tr key={w.id}>
          <td><b>{w.name || w.id}</b><div class="soft small">{t("slotsOf", { n: w.slots })}</div></td>
          <td><span class={`state ${w.state === "alive" ? "done" : w.state === "silent" ? "failed" : ""}`}>{t(words[w.state])}</span></td>
          <td>{ago(w.seen_at)}</td>
          <td>{w.jobs.length === 0 ? <span class="soft">{t("idle")}</span> : w.jobs.map((j) => (
            <div key={j.id}>{j.request?.request?.Prompt ?? j.kind} <span class="soft">{Math.round(100 * (j.progress?.fraction ?? 0))} %</span></div>
          ))}</td>
          <td>{w.state !== "silent" && <button disabled={busy} onClick={() => void drain(w)} aria-label={`${t(w.draining ? "resumeWork" : "drain")}: ${w.name}`} title={t("drainWhy")}>{t(w.draining ? "resumeWork" : "drain")}</button>}</td>
        </tr>
      )} />
      <Note text={wrong[""]} />
      <h2>{t("addMachine")}</h2>
      <p class="soft">{t("joinWorker")}</p>
      <div class="code"><div class="row"><span class="soft">sh</span><span class="grow" /><Copy text={command} /></div><pre tabIndex={0}><code>{command}</code></pre></div>
      {secret.value && <p class="hint" role="alert">{t("secretOnce")} <button class="quiet" onClick={() => (secret.value = "")}>{t("iHaveIt")}</button></p>}
      <form class="row inline" onSubmit={add}>
        <Field label={t("tokenName")} value={name.value} set={(v) => (name.value = v)} required maxLength={100} placeholder="rack-1" error={making.wrong.name} />
        <button class="primary" disabled={making.busy}>{t("newToken")}</button>
      </form>
      <Note text={making.wrong[""]} />
      {(tokens.value?.data.length ?? 0) > 0 && (
        <Fragment>
          <h2>{t("tokensMade")}</h2>
          <Rows of={tokens} all={tokens.value?.data} none="" heads={[t("name"), t("made"), t("actions")]} row={(k: Token) => (
            <tr key={`${k.name}/${k.created_at}`} class={k.revoked_at ? "off" : ""}><td>{k.name}</td><td>{day(k.created_at * 1000)}</td>
              <td>{k.revoked_at ? t("revoked") : <button class="quiet" disabled={busy} onClick={() => { if (confirm(t("revokeSure", { name: k.name }))) void revoke(k); }} aria-label={`${t("revoke")}: ${k.name}`}>{t("revoke")}</button>}</td></tr>
          )} />
        </Fragment>
      )}
    </Fragment>
  );
}
