// Jobs, live: filtered, cancelled, tried again. Where the server keeps no
// durable jobs, the clips stand for them.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useAct } from "../act";
import { send } from "../net";
import { link } from "../route";
import { moment, t } from "../say";
import type { Word } from "../say";
import { Note } from "../ui";
import { me, useRead } from "./state";
import { Rows } from "./table";

interface Job {
  id: string;
  kind: string;
  model: string;
  state: string;
  attempt: number;
  progress?: { Done?: number; fraction?: number };
  request?: { request?: { Prompt?: string } };
  error?: { message: string };
  created_at: number;
}

interface Clip {
  id: string;
  status: string;
  prompt: string;
  created_at: number;
  progress: number;
  model: string;
  error: { message: string } | null;
}

const states = ["", "queued", "running", "done", "failed", "cancelled"];
const words: Record<string, Word> = {
  queued: "queued", running: "running", in_progress: "running", finalising: "finalising", done: "done", completed: "done", failed: "failed", cancelled: "cancelled", expired: "expired",
};
const stateOf = (s: string) => (words[s] ? t(words[s]) : s);
const every = 2000; // milliseconds between looks

export function Jobs() {
  const state = useSignal("");
  const { busy, wrong, act: once } = useAct();
  const jobs = useRead<{ data: Job[] | null }>(`/api/v1/jobs?limit=100${state.value && `&state=${state.value}`}`);
  const clips = useRead<{ data: Clip[] }>(jobs.missing ? "/v1/videos?limit=100" : "");
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) void (jobs.missing ? clips.again() : jobs.again());
    }, every);
    return () => clearInterval(timer);
  }, [jobs.missing, state.value]);
  const act = async (path: string) => {
    await once(() => send("POST", path));
    await (jobs.missing ? clips : jobs).again();
  };
  const heads = [t("made"), t("what"), t("state"), t("actions")];
  return (
    <Fragment>
      <Note text={wrong[""]} />
      {jobs.missing ? (
        <Rows of={clips} all={clips.value?.data} none={t("noJobs")} heads={heads} row={(c: Clip) => (
          <tr key={c.id}><td>{moment(c.created_at * 1000)}</td><td><a href={link("create", c.id)}>{c.prompt}</a></td><td><State state={c.status} why={c.error?.message} /> {c.status === "in_progress" && `${c.progress} %`}</td>
            <td>{(c.status === "queued" || c.status === "in_progress") && <button class="quiet" disabled={busy} onClick={() => void act(`/api/v1/videos/${c.id}/cancel`)}>{t("cancel")}</button>}</td></tr>
        )} />
      ) : (
        <Fragment>
          <label class="pick">{t("filter")} <select value={state.value} onChange={(e) => (state.value = e.currentTarget.value)}>{states.map((s) => <option key={s} value={s}>{s ? stateOf(s) : t("all")}</option>)}</select></label>
          <Rows of={jobs} all={jobs.value?.data} none={t("noJobs")} heads={heads} row={(j: Job) => (
            <tr key={j.id}><td>{moment(j.created_at * 1000)}</td><td>{j.kind} <span class="soft">{j.request?.request?.Prompt ?? j.id}</span></td><td><State state={j.state} why={j.error?.message} /> {j.attempt > 1 && t("attempt", { n: j.attempt })}</td>
              <td>{["queued", "running", "finalising"].includes(j.state) && <button class="quiet" disabled={busy} onClick={() => void act(`/api/v1/jobs/${j.id}/cancel`)}>{t("cancel")}</button>}
                {j.state === "failed" && me.value?.operator && <button class="quiet" disabled={busy} onClick={() => void act(`/api/v1/jobs/${j.id}/revive`)}>{t("reviveJob")}</button>}</td></tr>
          )} />
        </Fragment>
      )}
    </Fragment>
  );
}

const State = ({ state, why }: { state: string; why?: string }) => <span class={`state ${state}`} title={why}>{stateOf(state)}</span>;
