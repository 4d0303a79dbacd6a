// Prices: rows with dates, of which none is ever changed; a newer one takes the
// place of an older one from its date on.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useAct } from "../act";
import { ask, Failed } from "../net";
import { day, number, t } from "../say";
import type { Word } from "../say";
import { Choice, Field, Loading, Note } from "../ui";
import { me, useRead, waits } from "./state";
import { Rows } from "./table";

interface Price {
  id: string;
  currency: string;
  model: string;
  dimension: string;
  per: number;
  price: string;
  tiers?: { above: number; price: string }[];
  from?: string;
  until?: string;
  source: string;
  sequence: number;
}

export const amount = "\\s*[0-9]+(\\.[0-9]+)?\\s*"; // of money

// units are the dimensions, and how many of each a price is usually for.
export const units: Record<string, [Word, number]> = {
  input_tokens: ["inputTokens", 1_000_000], cached_input_tokens: ["cachedTokens", 1_000_000], output_tokens: ["outputTokens", 1_000_000], embedding_tokens: ["embeddingTokens", 1_000_000],
  images: ["imagesUnit", 1], video_milliseconds: ["videoMilliseconds", 1000], audio_characters: ["audioCharacters", 1_000_000], requests: ["requests", 1],
};

type When = "past" | "future" | "current";

const when = (p: Price): When => (p.until && Date.parse(p.until) <= Date.now() ? "past" : p.from && Date.parse(p.from) > Date.now() ? "future" : "current");
const today = () => new Date().toISOString().slice(0, 10);

export function Prices() {
  const list = useRead<{ data: Price[] }>("/api/v1/prices");
  const all = list.value?.data ?? [];
  const currencies = [...new Set(all.map((p) => p.currency))];
  const currency = useSignal(""), past = useSignal(false);
  const now = currency.value || currencies.find((c) => c === "USD") || currencies[0] || "USD";
  const shown = all.filter((p) => p.currency === now && (past.value || when(p) !== "past"));
  // The book has the one that counts first on top: the others of its kind are replaced.
  const counts = new Map<string, string>();
  for (const p of shown) if (when(p) === "current" && !counts.has(`${p.model}/${p.dimension}`)) counts.set(`${p.model}/${p.dimension}`, p.id);
  const state = (p: Price): Word => (when(p) === "current" && counts.get(`${p.model}/${p.dimension}`) !== p.id ? "replaced" : when(p));
  if (waits(list)) return <Loading />;
  return (
    <Fragment>
      <div class="row bar">
        {currencies.length > 1 && <Choice label={t("currency")} all={currencies} now={now} set={(v) => (currency.value = v)} />}
        <label class="check"><input type="checkbox" checked={past.value} onChange={(e) => (past.value = e.currentTarget.checked)} /> {t("withPast")}</label>
      </div>
      <Rows of={list} all={shown} none={t("noPrices")} heads={[t("model"), t("what"), t("price"), t("holds"), t("state"), t("source")]} row={(p: Price) => (
        <tr key={p.id}>
          <td><code>{p.model}</code></td>
          <td>{t(units[p.dimension]?.[0] ?? "what")}</td>
          <td>{p.price} {p.currency} <span class="soft">/ {number(p.per, 0)}</span>{p.tiers?.map((x) => <div class="soft small" key={x.above}>{t("above", { n: number(x.above, 0) })}: {x.price}</div>)}</td>
          <td>{p.from ? day(p.from) : t("always")} – {p.until ? day(p.until) : t("forGood")}</td>
          <td><span class={`state ${state(p) === "current" ? "done" : ""}`}>{t(state(p))}</span></td>
          <td class="soft">{p.source === "built-in" ? t("builtInPrice") : p.source}</td>
        </tr>
      )} />
      {me.value?.operator && <NewPrice currency={now} done={list.again} />}
    </Fragment>
  );
}

function NewPrice({ currency, done }: { currency: string; done: () => Promise<void> }) {
  const models = useRead<{ data: { id: string }[] }>("/v1/models");
  const model = useSignal("*"), dimension = useSignal("video_milliseconds"), price = useSignal(""), per = useSignal("1000"), from = useSignal(today()), until = useSignal("");
  const told = useSignal("");
  const { busy, wrong, act } = useAct("model", "price", "per", "until");
  const choose = (d: string) => {
    dimension.value = d;
    per.value = String(units[d][1]);
  };
  const save = (e: Event) => {
    e.preventDefault();
    told.value = "";
    const row = { model: model.value.trim(), dimension: dimension.value, price: price.value.trim(), per: Number(per.value), ...(from.value && { from: `${from.value}T00:00:00Z` }), ...(until.value && { until: `${until.value}T00:00:00Z` }) };
    void act(async () => {
      await ask("/api/v1/prices", { method: "POST", body: JSON.stringify({ currency, prices: [row] }), headers: { "Content-Type": "application/json" } }).catch((err: Failed) => {
        const text = err.message.replace(/^price: file: (prices\[0\]: )?/, "");
        const field = ["model", "until", "per", "price", "money"].find((f) => text.startsWith(f)) ?? "";
        throw new Failed(text, err.status, field === "money" ? "price" : field);
      });
      told.value = t("priceSaved");
      price.value = "";
      await done();
    });
  };
  return (
    <Fragment>
      <h2>{t("newPrice")}</h2>
      <p class="soft">{t("newPriceWhy")}</p>
      <form class="row inline prices" onSubmit={save}>
        <Field label={t("model")} hint={t("starHint")} value={model.value} set={(v) => (model.value = v)} required maxLength={200} list="price-models" error={wrong.model} />
        <datalist id="price-models"><option value="*" />{models.value?.data.map((m) => <option key={m.id} value={m.id} />)}</datalist>
        <label class="field"><span>{t("what")}</span><select id="price-dimension" value={dimension.value} onChange={(e) => choose(e.currentTarget.value)}>{Object.entries(units).map(([d, [word]]) => <option key={d} value={d}>{t(word)}</option>)}</select></label>
        <Field label={`${t("price")} (${currency})`} value={price.value} set={(v) => (price.value = v)} required inputMode="decimal" pattern={amount} maxLength={24} error={wrong.price} id="price-amount" />
        <Field label={t("forSoMany")} value={per.value} set={(v) => (per.value = v)} type="number" min="1" step="1" required error={wrong.per} />
        <Field label={t("from")} hint="UTC" value={from.value} set={(v) => (from.value = v)} type="date" />
        <Field label={t("until")} hint={t("emptyForGood")} value={until.value} set={(v) => (until.value = v)} type="date" error={wrong.until} />
        <button class="primary" disabled={busy} id="price-save">{t("savePrice")}</button>
      </form>
      <Note text={wrong[""]} />
      {told.value && <p role="status">{told}</p>}
    </Fragment>
  );
}
