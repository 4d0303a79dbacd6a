// The card of a character: its texts, how long they are, how it will look.
import { h } from "preact";
import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useAct } from "../act";
import { Failed, get, send } from "../net";
import { go } from "../route";
import { langOf, t } from "../say";
import type { Word } from "../say";
import { Field, Loading, Note, Save } from "../ui";
import { cardOf, keep } from "./state";

interface Data {
  name: string;
  description: string;
  personality: string;
  scenario: string;
  first_mes: string;
  mes_example: string;
  system_prompt: string;
  creator: string;
  creator_notes: string;
  tags: string[];
  [unknown: string]: unknown;
}

const texts: [field: keyof Data & string, word: Word, rows: number][] = [
  ["name", "name", 0], ["description", "description", 4], ["personality", "personality", 2], ["scenario", "scenario", 2],
  ["first_mes", "greeting", 2], ["mes_example", "exampleTalk", 3], ["system_prompt", "system", 2], ["creator", "creator", 0], ["creator_notes", "notes", 2],
];

const blank: Data = { name: "", description: "", personality: "", scenario: "", first_mes: "", mes_example: "", system_prompt: "", creator: "", creator_notes: "", tags: [],
  post_history_instructions: "", alternate_greetings: [], group_only_greetings: [], character_version: "", extensions: {} };

export function Editor({ id, builtIn }: { id: string; builtIn: boolean }) {
  const card = useSignal<Data | null>(id ? null : blank);
  const error = useSignal(""), told = useSignal(""), twice = useSignal(false), count = useSignal(0);
  const { busy, wrong, act } = useAct("name");
  useEffect(() => {
    if (id) get<{ data: Data }>(cardOf(id, "format=v3")).then((c) => (card.value = { ...blank, ...c.data }), (e: Error) => (error.value = e.message));
  }, [id]);
  const prompted = useComputed(() => {
    const c = card.value;
    return c ? [c.name, c.description, c.personality, c.scenario, c.first_mes, c.mes_example, c.system_prompt].join("\n").trim() : "";
  });
  useEffect(() => {
    const text = prompted.value;
    const later = setTimeout(async () => {
      if (!text) return void (count.value = 0);
      const out = await send<{ input_tokens: number }>("POST", "/v1/messages/count_tokens", { messages: [{ role: "user", content: text }] }).catch(() => null);
      count.value = out?.input_tokens ?? 0;
    }, 300);
    return () => clearTimeout(later);
  }, [prompted.value]);
  if (!card.value) return error.value ? <Note text={error.value} /> : <Loading />;
  const c = card.value;
  const set = (field: keyof Data & string, v: unknown) => {
    card.value = { ...c, [field]: v };
    told.value = "";
  };
  const save = (replace: boolean) => act(async () => {
    told.value = "";
    twice.value = false;
    if (!c.name.trim()) throw new Failed(t("nameMissing"), 400, "name");
    try {
      const kept = await keep(JSON.stringify({ spec: "chara_card_v3", spec_version: "3.0", data: { ...c, name: c.name.trim() } }), replace);
      told.value = t("saved");
      if (kept.id !== id) go("characters", kept.id, "card");
    } catch (e) {
      twice.value = e instanceof Failed && e.status === 409;
      throw e;
    }
  });
  return (
    <form class="panel editor" onSubmit={(e) => { e.preventDefault(); void save(!!id && !builtIn); }} noValidate>
      <div class="fields">
        {texts.map(([field, word, rows]) => (
          <Field key={field} label={t(word)} value={String(c[field] ?? "")} set={(v) => set(field, v)} rows={rows} maxLength={rows ? 50_000 : 200} error={wrong[field]} />
        ))}
        <Field label={t("tags")} value={c.tags.join(", ")} set={(v) => set("tags", v.split(/[,，]\s*/))} maxLength={400} />
      </div>
      <aside aria-label={t("preview")}>
        <h2>{t("preview")}</h2>
        <p class="soft" id="tokens" role="status">{t("tokens", { n: count.value })}</p>
        <div class="said">
          <p class="them" lang={langOf(c.first_mes)}>{fill(c.first_mes, c.name) || "…"}</p>
        </div>
        <p><b>{c.name || "…"}</b> <span class="soft">{c.tags.filter(Boolean).join(", ")}</span></p>
        <p class="about" lang={langOf(c.description)}>{fill(c.description, c.name)}</p>
        {builtIn && <p class="soft">{t("builtIn")}</p>}
        <Note text={wrong[""]} />
        {twice.value && <p class="row"><span>{t("exists")}</span><button type="button" disabled={busy} onClick={() => void save(true)}>{t("replace")}</button></p>}
        <p class="row"><button class="primary" disabled={busy}>{t("save")}</button>{told.value && <span role="status">{told}</span>}</p>
        {id && (
          <p class="save" role="group" aria-label={t("exportCard")}>
            <span class="soft">{t("exportCard")}</span>
            {[["png", "png", "PNG"], ["v3", "json", "JSON V3"], ["v2", "json", "JSON V2"], ["charx", "charx", "charx"]].map(([f, ending, label]) => (
              <Save key={f} url={cardOf(id, `format=${f}&download=1`)} name={`${id}.${ending}`}>{label}</Save>
            ))}
          </p>
        )}
      </aside>
    </form>
  );
}

const fill = (text: string, name: string) => text.replace(/\{\{char\}\}|<BOT>/gi, name).replace(/\{\{user\}\}|<USER>/gi, t("you"));
