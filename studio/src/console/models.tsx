// The language models of the machine: which there are, which are loaded and
// how fast; load, unload, pull.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useAct } from "../act";
import { send } from "../net";
import { bytes, number, t } from "../say";
import type { Word } from "../say";
import { Field, Loading, Note } from "../ui";
import { useRead, waits } from "./state";
import { Rows } from "./table";

interface Model {
  name: string;
  id?: string;
  state: "here" | "pulling" | "loading" | "loaded" | "unloading";
  error?: string;
  bytes: number;
  bytes_done: number;
  architecture?: string;
  parameters?: number;
  context?: number;
  state_bytes: number;
  kv_bytes_per_token: number;
  running: number;
  waiting: number;
  tokens_per_second: number;
  prompt_tokens_per_second: number;
}

const words: Record<Model["state"], Word> = { here: "onDisk", pulling: "pulling", loading: "loadingModel", loaded: "loaded", unloading: "unloading" };
const every = 1500; // milliseconds between looks

export function Models() {
  const list = useRead<{ data: Model[] }>("/api/v1/models");
  const name = useSignal("");
  const { busy, wrong, act } = useAct(), fetching = useAct("name");
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) void list.again();
    }, every);
    return () => clearInterval(timer);
  }, []);
  const change = (action: string, of: string) => act(async () => {
    await send("POST", `/api/v1/models/${action}`, { name: of });
    await list.again();
  });
  const pull = (e: Event) => {
    e.preventDefault();
    void fetching.act(async () => {
      await send("POST", "/api/v1/models/pull", { name: name.value.trim() });
      name.value = "";
      await list.again();
    });
  };
  if (waits(list)) return <Loading />;
  return (
    <Fragment>
      <Rows of={list} all={list.value?.data} none={t("noneHere")} heads={[t("name"), t("state"), t("size"), t("stateSize"), t("rate"), t("actions")]} row={(m: Model) => (
        <tr key={m.name}>
          <td><b>{m.name}</b>{m.architecture && <div class="soft small">{m.architecture}{m.parameters ? ` · ${number(m.parameters / 1e6, 0)}M` : ""}{m.context ? ` · ${t("contextOf", { n: m.context.toLocaleString() })}` : ""}</div>}</td>
          <td><State m={m} /></td>
          <td>{m.bytes > 0 ? bytes(m.bytes) : "–"}</td>
          <td>{m.state_bytes + m.kv_bytes_per_token > 0 ? <Fragment>{bytes(m.state_bytes)}<div class="soft small">+ {t("perToken", { n: bytes(m.kv_bytes_per_token) })}</div></Fragment> : "–"}</td>
          <td>{m.tokens_per_second > 0 ? <Fragment>{t("tokensRate", { n: number(m.tokens_per_second, 1) })}<div class="soft small">{t("readRate", { n: number(m.prompt_tokens_per_second, 0) })}</div></Fragment> : <span class="soft">{m.state === "loaded" ? t("notMeasured") : "–"}</span>}</td>
          <td>
            {m.state === "here" && m.bytes > 0 && <button disabled={busy} onClick={() => void change("load", m.name)} aria-label={`${t("load")}: ${m.name}`}>{t("load")}</button>}
            {m.state === "loaded" && <button disabled={busy} onClick={() => { if (confirm(t("unloadSure", { name: m.name }))) void change("unload", m.name); }} aria-label={`${t("unload")}: ${m.name}`}>{t("unload")}</button>}
            {m.state === "pulling" && <button disabled={busy} onClick={() => void change("cancel", m.name)} aria-label={`${t("cancel")}: ${m.name}`}>{t("cancel")}</button>}
            {m.state === "here" && m.error && <button class="quiet" disabled={busy} onClick={() => void change("cancel", m.name)} aria-label={`${t("dismiss")}: ${m.name}`}>{t("dismiss")}</button>}
          </td>
        </tr>
      )} />
      <Note text={wrong[""]} />
      <h2>{t("pullModel")}</h2>
      <form class="row inline" onSubmit={pull}>
        <Field label={t("modelName")} hint={t("pullHint")} value={name.value} set={(v) => (name.value = v)} required maxLength={300} placeholder="HuggingFaceTB/SmolLM2-135M-Instruct" error={fetching.wrong.name} />
        <button class="primary" disabled={fetching.busy}>{t("pull")}</button>
      </form>
      <Note text={fetching.wrong[""]} />
      {list.missing && <Note text={t("noEndpoint")} />}
    </Fragment>
  );
}

function State({ m }: { m: Model }) {
  const part = m.bytes > 0 ? m.bytes_done / m.bytes : 0;
  return (
    <Fragment>
      <span class={`state ${m.state === "loaded" ? "done" : m.error ? "failed" : ""}`}>{t(m.error && m.state === "here" ? "failed" : words[m.state])}</span>
      {m.state === "loaded" && m.running + m.waiting > 0 && <div class="soft small">{t("busyWith", { n: m.running, w: m.waiting })}</div>}
      {m.state === "pulling" && <Fragment><progress max={1} value={part} aria-label={`${t("progress")}: ${m.name}`} /><div class="soft small">{bytes(m.bytes_done)} / {bytes(m.bytes)}</div></Fragment>}
      {m.error && <div class="why small">{m.error}</div>}
    </Fragment>
  );
}
