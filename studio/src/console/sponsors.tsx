// Sponsored slots: the place in the studio is off until it is switched on here.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "../act";
import { send } from "../net";
import { day, number, t } from "../say";
import { Field, Loading, Note } from "../ui";
import { useRead } from "./state";
import { Rows } from "./table";

interface Slot {
  id: string;
  sponsor: string;
  text: string;
  link: string;
  weight: number;
  live: boolean;
  from: number;
  until?: number;
  ended_at?: number;
  impressions: number;
  clicks: number;
}

const share = (n: number, of: number) => (of ? `${number((100 * n) / of, 1)} %` : "–");

export function Sponsors() {
  const list = useRead<{ enabled: boolean; asked: number; filled: number; data: Slot[] }>("/api/v1/sponsor/slots");
  const { wrong, act } = useAct();
  const v = list.value;
  if (!v) return list.error ? <Note text={list.error} again={list.again} /> : list.missing ? <p class="soft">{t("noEndpoint")}</p> : <Loading />;
  const change = (f: () => Promise<unknown>) => void act(async () => {
    await f();
    await list.again();
  });
  const seen = v.data.reduce((n, s) => n + s.impressions, 0), clicked = v.data.reduce((n, s) => n + s.clicks, 0);
  return (
    <Fragment>
      <p class="soft">{t("sponsorsWhy")}</p>
      <label class="check"><input id="sponsor-on" type="checkbox" role="switch" checked={v.enabled} onChange={(e) => { const enabled = e.currentTarget.checked; change(() => send("PUT", "/api/v1/sponsor", { enabled })); }} /> {t("sponsorOn")}</label>
      <Note text={wrong[""]} />
      <dl class="cards">
        <div><dt>{t("asked30")}</dt><dd>{number(v.asked, 0)}</dd></div>
        <div><dt>{t("fillRate")}</dt><dd id="fill">{share(v.filled, v.asked)}</dd></div>
        <div><dt>{t("impressions")}</dt><dd>{number(seen, 0)}</dd></div>
        <div><dt>{t("clickRate")}</dt><dd>{share(clicked, seen)}</dd></div>
      </dl>
      <Rows of={list} all={v.data} none={t("noSlots")} heads={[t("sponsor"), t("text"), t("weight"), t("holds"), t("impressions"), t("clicks"), t("state"), t("actions")]} row={(s: Slot) => (
        <tr key={s.id} class={s.ended_at ? "off" : ""}>
          <td>{s.sponsor}</td><td><a href={s.link} target="_blank" rel="noopener noreferrer nofollow sponsored">{s.text}</a></td><td>{s.weight}</td>
          <td>{day(s.from * 1000)} – {s.until ? day(s.until * 1000) : t("forGood")}</td><td>{number(s.impressions, 0)}</td><td>{number(s.clicks, 0)}</td>
          <td><span class={`state ${s.live ? "done" : ""}`}>{t(s.live ? "current" : s.ended_at ? "ended" : s.from * 1000 > Date.now() ? "future" : "past")}</span></td>
          <td>{!s.ended_at && <button class="quiet" onClick={() => { if (confirm(t("endSure", { name: s.sponsor }))) change(() => send("DELETE", `/api/v1/sponsor/slots/${s.id}`)); }} aria-label={`${t("endSlot")}: ${s.sponsor}`}>{t("endSlot")}</button>}</td>
        </tr>
      )} />
      <NewSlot done={list.again} />
    </Fragment>
  );
}

function NewSlot({ done }: { done: () => Promise<void> }) {
  const sponsor = useSignal(""), text = useSignal(""), link = useSignal(""), weight = useSignal("1"), from = useSignal(""), until = useSignal("");
  const { busy, wrong, act } = useAct("sponsor", "text", "link", "weight", "from", "until");
  const save = (e: Event) => {
    e.preventDefault();
    const at = (d: string) => (d ? `${d}T00:00:00Z` : undefined);
    void act(async () => {
      await send("POST", "/api/v1/sponsor/slots", { sponsor: sponsor.value, text: text.value, link: link.value.trim(), weight: Number(weight.value), from: at(from.value), until: at(until.value) });
      sponsor.value = text.value = link.value = "";
      await done();
    });
  };
  return (
    <Fragment>
      <h2>{t("newSlot")}</h2>
      <form class="row inline prices" onSubmit={save}>
        <Field id="slot-sponsor" label={t("sponsor")} value={sponsor.value} set={(v) => (sponsor.value = v)} required maxLength={80} error={wrong.sponsor} />
        <Field id="slot-text" label={t("text")} value={text.value} set={(v) => (text.value = v)} required maxLength={160} error={wrong.text} />
        <Field id="slot-link" label={t("link")} value={link.value} set={(v) => (link.value = v)} type="url" required maxLength={2000} placeholder="https://" error={wrong.link} />
        <Field label={t("weight")} value={weight.value} set={(v) => (weight.value = v)} type="number" required min="1" max="1000" step="1" error={wrong.weight} />
        <Field label={t("from")} hint={t("emptyNow")} value={from.value} set={(v) => (from.value = v)} type="date" error={wrong.from} />
        <Field label={t("until")} hint={t("emptyForGood")} value={until.value} set={(v) => (until.value = v)} type="date" min={from.value || undefined} error={wrong.until} />
        <button class="primary" id="slot-save" disabled={busy}>{t("save")}</button>
      </form>
      <Note text={wrong[""]} />
    </Fragment>
  );
}
