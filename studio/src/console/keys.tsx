// Keys: made, shown once, limited, given a new secret, revoked.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "../act";
import { send } from "../net";
import { day, moment, t } from "../say";
import { Copy, Field, Modal, Note } from "../ui";
import { inOrg, me, projects, useRead } from "./state";
import type { Page } from "./state";
import { Rows } from "./table";

interface Key {
  id: string;
  project: string;
  name: string;
  hint: string;
  scopes: string[] | null;
  operator?: boolean;
  created_at: string;
  expires_at?: string;
  revoked_at?: string;
  used_at?: string;
}

const tomorrow = () => new Date(Date.now() + 86_400_000).toLocaleDateString("sv"); // as a date's field writes it
const scopes = ["chat", "videos", "images", "files", "models", "characters", "jobs", "usage"];

export function Keys() {
  const list = useRead<Page<Key>>(inOrg("keys?limit=200"));
  const making = useSignal(false), secret = useSignal("");
  const { busy, wrong, act: once, tell } = useAct();
  const act = async (f: () => Promise<unknown>) => {
    await once(f);
    await list.again();
  };
  const revoke = (k: Key) => confirm(t("revokeSure", { name: k.name })) && act(() => send("DELETE", inOrg(`keys/${k.id}`)));
  const rotate = (k: Key) => confirm(t("rotateSure", { name: k.name })) && act(async () => {
    secret.value = (await send<{ secret: string }>("POST", inOrg(`keys/${k.id}/rotate`), { grace_seconds: 3600 })).secret;
  });
  return (
    <Fragment>
      <p class="row"><button class="primary" id="new-key" onClick={() => (making.value = true)}>{t("newKey")}</button></p>
      <Note text={wrong[""]} onClose={() => tell("")} />
      {secret.value && (
        <div class="hint secret" role="alert">
          <p>{t("secretOnce")}</p>
          <code>{secret}</code>
          <p class="row"><Copy text={secret.value} /><button onClick={() => (secret.value = "")}>{t("iHaveIt")}</button></p>
        </div>
      )}
      <Rows of={list} all={list.value?.data} none={t("noKeys")} heads={[t("name"), t("key"), t("project"), t("scopes"), t("used"), t("expires"), t("state"), t("actions")]}
        row={(k: Key) => (
          <tr key={k.id} class={k.revoked_at ? "off" : ""}>
            <td>{k.name}</td><td><code>{k.hint}…</code></td>
            <td>{projects.value.find((p) => p.id === k.project)?.name ?? k.project}</td>
            <td>{k.scopes?.length ? k.scopes.join(", ") : t("allScopes")}</td>
            <td>{k.used_at ? moment(k.used_at) : t("unused")}</td>
            <td>{k.expires_at ? day(k.expires_at) : t("never")}</td>
            <td>{t(k.revoked_at ? "revoked" : "active")}</td>
            <td>{!k.revoked_at && (
              <span class="row">
                <button class="quiet" disabled={busy} onClick={() => void rotate(k)} aria-label={`${t("rotate")}: ${k.name}`}>{t("rotate")}</button>
                <button class="quiet" disabled={busy} onClick={() => void revoke(k)} aria-label={`${t("revoke")}: ${k.name}`}>{t("revoke")}</button>
              </span>
            )}</td>
          </tr>
        )} />
      {making.value && <New onClose={() => (making.value = false)} made={(s, why) => { secret.value = s; making.value = false; tell(why); void list.again(); }} />}
    </Fragment>
  );
}

function New({ onClose, made }: { onClose: () => void; made: (secret: string, why: string) => void }) {
  const name = useSignal(""), project = useSignal(projects.value[0]?.id ?? ""), allowed = useSignal<string[]>([]), ends = useSignal(""), rate = useSignal("");
  const { busy, wrong, act } = useAct("name", "expires_at");
  const save = (e: Event) => {
    e.preventDefault();
    void act(async (same) => {
      const body = {
        name: name.value.trim(), project: project.value, scopes: allowed.value, service: !me.value?.email || undefined,
        ...(ends.value ? { expires_at: new Date(`${ends.value}T00:00:00`).toISOString() } : {}),
      };
      const out = await send<{ key: Key; secret: string }>("POST", inOrg("keys"), body, same(body));
      let why = ""; // the key is made: its secret is shown whatever becomes of its limit
      if (rate.value) await send("PUT", inOrg("limits"), { level: "key", subject: out.key.id, kind: "requests_per_minute", amount: Number(rate.value) }).catch((err: Error) => (why = err.message));
      made(out.secret, why);
    });
  };
  const flip = (s: string) => (allowed.value = allowed.value.includes(s) ? allowed.value.filter((x) => x !== s) : [...allowed.value, s]);
  return (
    <Modal title={t("newKey")} onClose={onClose}>
      <form onSubmit={save}>
        <Field label={t("keyName")} value={name.value} set={(v) => (name.value = v)} required maxLength={100} id="key-name" error={wrong.name} />
        <label class="field"><span>{t("project")}</span>
          <select value={project.value} onChange={(e) => (project.value = e.currentTarget.value)}>{projects.value.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}</select>
        </label>
        <fieldset><legend>{t("scopes")} <i class="soft">{allowed.value.length === 0 && t("allScopes")}</i></legend>
          {scopes.map((s) => <label key={s} class="check"><input type="checkbox" checked={allowed.value.includes(s)} onChange={() => flip(s)} /> {s}</label>)}
        </fieldset>
        <Field label={t("perMinute")} hint={t("noLimit")} value={rate.value} set={(v) => (rate.value = v)} type="number" min="0" step="1" />
        <Field label={t("expires")} hint={t("never")} value={ends.value} set={(v) => (ends.value = v)} type="date" min={tomorrow()} error={wrong.expires_at} />
        <Note text={wrong[""]} />
        <button class="primary" disabled={busy} id="make-key">{t("newKey")}</button>
      </form>
    </Modal>
  );
}
