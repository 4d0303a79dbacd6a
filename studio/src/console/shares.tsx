// What is shared: the addresses by which others watch, each to be taken back.
import { h, Fragment } from "preact";
import { useAct } from "../act";
import { takeBack } from "../create/share";
import type { Shared } from "../create/share";
import { link } from "../route";
import { day, langOf, t } from "../say";
import { Copy, Note } from "../ui";
import { useRead } from "./state";
import { Rows } from "./table";

export function Shares() {
  const list = useRead<{ data: Shared[] }>("/api/v1/shares");
  const { busy, wrong, act } = useAct();
  return (
    <Fragment>
      <p class="soft">{t("sharesWhy")}</p>
      <Note text={wrong[""]} />
      <Rows of={list} all={list.value?.data} none={t("noShares")} heads={[t("clip"), t("made"), t("goodUntil"), t("actions")]} row={(s: Shared) => (
        <tr key={s.id}>
          <td><a href={link("create", s.video)} lang={langOf(s.prompt)}>{s.prompt}</a></td>
          <td>{day(s.created_at * 1000)}</td>
          <td>{day(s.expires_at * 1000)}</td>
          <td><span class="row"><Copy text={s.url} /><button class="quiet" disabled={busy} aria-label={`${t("takeBack")}: ${s.prompt}`} onClick={() => void act(async () => { await takeBack(s); await list.again(); })}>{t("takeBack")}</button></span></td>
        </tr>
      )} />
    </Fragment>
  );
}
