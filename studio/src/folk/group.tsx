// Groups: who is in one, who answers, who is silent.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "../act";
import { Failed } from "../net";
import { go } from "../route";
import { t } from "../say";
import type { Word } from "../say";
import { Field, Note } from "../ui";
import { dropGroup, editGroup, folk, mark, newGroup } from "./state";
import type { Group, Order } from "./state";

const longestName = 80; // of a group

const orders: Record<Order, Word> = { natural: "orderNatural", list: "orderList", manual: "orderManual" };

function Orders({ now, set }: { now: Order; set: (o: Order) => void }) {
  return (
    <label class="field"><span>{t("whoAnswers")}</span>
      <select value={now} onChange={(e) => set(e.currentTarget.value as Order)}>{Object.entries(orders).map(([o, word]) => <option key={o} value={o}>{t(word)}</option>)}</select>
    </label>
  );
}

// NewGroup seats characters together.
export function NewGroup() {
  const name = useSignal(""), order = useSignal<Order>("natural"), members = useSignal<string[]>([]);
  const { busy, wrong, act } = useAct("name", "members");
  const toggle = (id: string) => (members.value = members.value.includes(id) ? members.value.filter((m) => m !== id) : [...members.value, id]);
  const save = (e: Event) => {
    e.preventDefault();
    void act(async () => {
      if (members.value.length < 2) throw new Failed(t("twoAtLeast"), 400, "members");
      const names = members.value.map((id) => folk.value?.find((c) => c.id === id)?.name ?? id);
      const g = await newGroup(name.value.trim() || names.join(", ").slice(0, longestName), order.value, members.value);
      go("characters", mark + g.id);
    });
  };
  return (
    <form class="panel seats" onSubmit={save}>
      <h1>{t("newGroup")}</h1>
      <Field label={t("name")} value={name.value} set={(v) => (name.value = v)} maxLength={longestName} id="group-name" error={wrong.name} />
      <fieldset>
        <legend>{t("membersOf")}</legend>
        {folk.value?.map((c) => <label class="check" key={c.id}><input type="checkbox" checked={members.value.includes(c.id)} onChange={() => toggle(c.id)} /> {c.name}</label>)}
        {wrong.members && <p class="why" role="alert">{wrong.members}</p>}
      </fieldset>
      <Orders now={order.value} set={(o) => (order.value = o)} />
      <Note text={wrong[""]} />
      <button class="primary" id="group-save" disabled={busy}>{t("make")}</button>
    </form>
  );
}

// Seats changes a group.
export function Seats({ g }: { g: Group }) {
  const name = useSignal(g.name);
  const { busy, wrong, act } = useAct("name");
  const change = (what: Parameters<typeof editGroup>[1]) => act(() => editGroup(g.id, what));
  const others = folk.value?.filter((c) => !g.members.some((m) => m.id === c.id)) ?? [];
  return (
    <section class="panel seats" aria-label={t("membersOf")}>
      <form class="row inline" onSubmit={(e) => { e.preventDefault(); void change({ name: name.value.trim() }); }}>
        <Field label={t("name")} value={name.value} set={(v) => (name.value = v)} required maxLength={longestName} error={wrong.name} /><button disabled={busy}>{t("rename")}</button>
      </form>
      <Orders now={g.order} set={(order) => void change({ order })} />
      <ul class="plain">
        {g.members.map((m) => (
          <li class="row" key={m.name}><b>{m.name}</b>{m.muted && <span class="state">{t("muted")}</span>}<span class="grow" />
            <button class="quiet" disabled={busy} aria-pressed={!!m.muted} onClick={() => void change({ [m.muted ? "unmute" : "mute"]: [m.id] })} aria-label={`${t(m.muted ? "unmute" : "mute")}: ${m.name}`}>{t(m.muted ? "unmute" : "mute")}</button>
            {g.members.length > 1 && <button class="quiet" disabled={busy} onClick={() => void change({ leave: [m.id] })} aria-label={`${t("letGo")}: ${m.name}`}>{t("letGo")}</button>}</li>
        ))}
      </ul>
      {others.length > 0 && (
        <label class="field"><span>{t("joinGroup")}</span>
          <select value="" onChange={(e) => { const id = e.currentTarget.value; e.currentTarget.value = ""; if (id) void change({ join: [id] }); }}>
            <option value="">–</option>{others.map((c) => <option key={c.id} value={c.id}>{c.name}</option>)}
          </select>
        </label>
      )}
      <Note text={wrong[""]} />
      <Fragment><button class="quiet" onClick={() => { if (confirm(t("dropGroupSure", { name: g.name }))) void dropGroup(g.id).then(() => go("characters")); }}>{t("dropGroup")}</button></Fragment>
    </section>
  );
}
