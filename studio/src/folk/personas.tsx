// Personas: whom the user says to be.
import { h } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "../act";
import { t } from "../say";
import { Field, Note } from "../ui";
import { addPersona, be, dropPersona, editPersona, persona, personas } from "./state";
import type { Persona } from "./state";

export function Personas() {
  return (
    <section class="panel seats" aria-label={t("personas")}>
      <h1>{t("personas")}</h1>
      <p class="soft">{t("personasWhy")}</p>
      {personas.value.map((p) => <One key={p.id} p={p} />)}
      <h2>{t("newPersona")}</h2>
      <One key={`new${personas.value.length}`} />
    </section>
  );
}

function One({ p }: { p?: Persona }) {
  const name = useSignal(p?.name ?? ""), description = useSignal(p?.description ?? ""), pronouns = useSignal(p?.pronouns ?? "");
  const told = useSignal("");
  const { busy, wrong, act } = useAct("name", "pronouns", "description");
  const save = (e: Event) => {
    e.preventDefault();
    told.value = "";
    const now = { name: name.value.trim(), description: description.value.trim(), pronouns: pronouns.value.trim() };
    void act(async () => {
      await (p ? editPersona({ ...now, id: p.id }) : addPersona(now));
      told.value = t("saved");
    });
  };
  return (
    <form class="persona" onSubmit={save}>
      <div class="row inline">
        <Field label={t("name")} value={name.value} set={(v) => (name.value = v)} required maxLength={80} id={p ? undefined : "persona-name"} error={wrong.name} />
        <Field label={t("pronouns")} value={pronouns.value} set={(v) => (pronouns.value = v)} maxLength={40} error={wrong.pronouns} />
      </div>
      <Field label={t("aboutYou")} value={description.value} set={(v) => (description.value = v)} rows={2} maxLength={2000} error={wrong.description} />
      <Note text={wrong[""]} />
      <p class="row"><button class={p ? "" : "primary"} disabled={busy} id={p ? undefined : "persona-save"}>{t("save")}</button>{told.value && <span role="status">{told}</span>}<span class="grow" />
        {p && <button type="button" class="quiet" aria-label={`${t("remove")}: ${p.name}`} onClick={() => { if (confirm(t("deleteSure", { text: p.name }))) void dropPersona(p.id); }}>{t("remove")}</button>}</p>
    </form>
  );
}

// Be chooses whom the user says to be in this conversation.
export function Be() {
  if (personas.value.length === 0) return null;
  return (
    <label class="pick">{t("youAre")} <select id="be" value={persona.value} onChange={(e) => void be(e.currentTarget.value)}>
      <option value="">{t("yourself")}</option>
      {personas.value.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}
    </select></label>
  );
}
