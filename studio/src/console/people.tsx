// People, their roles and invitations; projects and organisations.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "../act";
import type { Act } from "../act";
import { send } from "../net";
import { day, t } from "../say";
import { Copy, Field, Loading, Note } from "../ui";
import { enter, inOrg, me, orgs, projects, readProjects, useRead, waits } from "./state";
import type { Named, Page } from "./state";
import { Rows } from "./table";

const roles = ["owner", "admin", "member", "viewer"] as const;

interface Member extends Named {
  email: string;
  role: (typeof roles)[number];
}

interface Invitation {
  id: string;
  email: string;
  role: (typeof roles)[number];
  expires_at: string;
  accepted_at?: string;
  revoked_at?: string;
}

export function People() {
  const list = useRead<Page<Member>>(inOrg("members?limit=200"));
  const invited = useRead<Page<Invitation>>(inOrg("invitations?limit=200"));
  const email = useSignal(""), role = useSignal<string>("member"), secret = useSignal("");
  const { busy, wrong, act } = useAct(), inviting = useAct("email");
  const again = () => Promise.all([list.again(), invited.again()]);
  const change = async (f: () => Promise<unknown>) => {
    await act(f);
    await again(); // what was refused stands as it was
  };
  const invite = (e: Event) => {
    e.preventDefault();
    void inviting.act(async (same) => {
      const body = { email: email.value.trim(), role: role.value };
      secret.value = (await send<{ secret: string }>("POST", inOrg("invitations"), body, same(body))).secret;
      email.value = "";
      await again();
    });
  };
  const open = invited.value?.data?.filter((i) => !i.accepted_at && !i.revoked_at) ?? [];
  if (waits(list, invited)) return <Loading />;
  return (
    <Fragment>
      <Rows of={list} all={list.value?.data} none={t("noPeople")} heads={[t("name"), t("email"), t("role"), t("actions")]} row={(m: Member) => (
        <tr key={m.id}><td>{m.name}</td><td>{m.email}</td>
          <td><select aria-label={`${t("role")}: ${m.name}`} value={m.role} onChange={(e) => void change(() => send("PUT", inOrg(`members/${m.id}`), { role: e.currentTarget.value }))}>{roles.map((r) => <option key={r} value={r}>{t(r)}</option>)}</select></td>
          <td><button class="quiet" disabled={busy} onClick={() => { if (confirm(t("removeSure", { name: m.name }))) void change(() => send("DELETE", inOrg(`members/${m.id}`))); }} aria-label={`${t("remove")}: ${m.name}`}>{t("remove")}</button></td></tr>
      )} />
      <Note text={wrong[""]} />
      <h2>{t("invitations")}</h2>
      <form class="row inline" onSubmit={invite}>
        <Field label={t("email")} value={email.value} set={(v) => (email.value = v)} type="email" required maxLength={254} error={inviting.wrong.email} />
        <label class="field"><span>{t("role")}</span><select value={role.value} onChange={(e) => (role.value = e.currentTarget.value)}>{roles.map((r) => <option key={r} value={r}>{t(r)}</option>)}</select></label>
        <button class="primary" disabled={inviting.busy}>{t("invite")}</button>
      </form>
      <Note text={inviting.wrong[""]} />
      {secret.value && <div class="hint secret" role="alert"><p>{t("inviteSecret")}</p><code>{secret}</code><p class="row"><Copy text={secret.value} /><button onClick={() => (secret.value = "")}>{t("iHaveIt")}</button></p></div>}
      {open.length > 0 && <Rows of={invited} all={open} none="" heads={[t("email"), t("role"), t("expires"), t("actions")]} row={(i: Invitation) => (
        <tr key={i.id}><td>{i.email}</td><td>{t(i.role)}</td><td>{day(i.expires_at)}</td><td><button class="quiet" disabled={busy} onClick={() => void change(() => send("DELETE", inOrg(`invitations/${i.id}`)))} aria-label={`${t("takeBack")}: ${i.email}`}>{t("takeBack")}</button></td></tr>
      )} />}
    </Fragment>
  );
}

export function Projects() {
  const name = useSignal(""), org = useSignal("");
  const { busy, wrong, act } = useAct(), one = useAct("name"), other = useAct("name");
  const make = (form: Act, path: string, what: { value: string }) => (e: Event) => {
    e.preventDefault();
    void form.act(async (same) => {
      const body = { name: what.value.trim() };
      await send("POST", path, body, same(body));
      what.value = "";
      await enter();
    });
  };
  return (
    <Fragment>
      <Note text={wrong[""]} />
      <ul class="plain">
        {projects.value.map((p) => (
          <li key={p.id} class="row"><b>{p.name}</b> <code class="soft">{p.id}</code><span class="grow" />
            {projects.value.length > 1 && <button class="quiet" disabled={busy} aria-label={`${t("remove")}: ${p.name}`} onClick={() => { if (confirm(t("deleteSure", { text: p.name }))) void act(async () => { await send("DELETE", inOrg(`projects/${p.id}`)); await readProjects(); }); }}>{t("remove")}</button>}</li>
        ))}
      </ul>
      <form class="row inline" onSubmit={make(one, inOrg("projects"), name)}>
        <Field label={t("newProject")} value={name.value} set={(v) => (name.value = v)} required maxLength={100} error={one.wrong.name} />
        <button class="primary" disabled={one.busy}>{t("make")}</button>
      </form>
      <Note text={one.wrong[""]} />
      {me.value?.operator && (
        <Fragment>
          <h2>{t("organisation")}</h2>
          <ul class="plain">{orgs.value.map((o) => <li key={o.id} class="row"><b>{o.name}</b> <code class="soft">{o.id}</code> <span class="soft">{o.status === "active" ? t("active") : o.status}</span></li>)}</ul>
          <form class="row inline" onSubmit={make(other, "/api/v1/organisations", org)}>
            <Field label={t("newOrganisation")} value={org.value} set={(v) => (org.value = v)} required maxLength={100} error={other.wrong.name} />
            <button class="primary" disabled={other.busy}>{t("make")}</button>
          </form>
          <Note text={other.wrong[""]} />
        </Fragment>
      )}
    </Fragment>
  );
}
