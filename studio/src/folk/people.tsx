// The characters: who there is, and the ways to talk to one, see its card and
// bring in others.
import { h, Fragment } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { single } from "../act";
import { Failed } from "../net";
import { go, link } from "../route";
import { t } from "../say";
import { Loading, Note, Picture } from "../ui";
import { Editor } from "./editor";
import { NewGroup, Seats } from "./group";
import { Be, Personas } from "./personas";
import { dismiss, error, folk, groups, isGroup, keep, list, mark, meet, met, portraitOf } from "./state";
import type { Character } from "./state";
import { Memory, Recalls, Talk } from "./talk";
import { Tree } from "./tree";

const hue = (id: string) => [...id].reduce((n, c) => (n * 31 + c.charCodeAt(0)) % 360, 7);

export function Face({ c }: { c: Character }) {
  if (!c.built_in) return <Picture class="face" url={portraitOf(c.id)} alt="" />;
  return <span class="face" aria-hidden="true" style={{ "--hue": hue(c.id) }}>{[...c.name][0]}</span>;
}

// Addresses that no character has.
const personasAt = "@personas", newGroupAt = "@group";

export function Characters({ id, view }: { id: string; view: string }) {
  const over = useSignal(false), told = useSignal(""), twice = useSignal<Blob | null>(null);
  useEffect(() => void list(), []);
  const apart = id === "new" || id === personasAt || id === newGroupAt; // screens of no character
  useEffect(() => void meet(apart ? "" : id), [id]);
  useEffect(() => document.querySelector(".people [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [id, folk.value, groups.value]);
  const bring = (file: Blob | null | undefined, replace = false) => single("bring", async () => {
    if (!file) return;
    told.value = error.value = "";
    twice.value = null;
    try {
      const c = await keep(file, replace);
      told.value = t("imported", { name: c.name });
      go("characters", c.id);
    } catch (e) {
      if (e instanceof Failed && e.status === 409) twice.value = file;
      error.value = (e as Error).message;
    }
  });
  const c = folk.value?.find((c) => c.id === id);
  const g = isGroup(id) ? groups.value?.find((g) => mark + g.id === id) : undefined;
  const known = folk.value !== null || error.value !== "";
  const ready = met.value === id; // its conversation is here: all that shows it comes at once
  const title = c?.name ?? g?.name ?? "";
  const views = g ? ([["", "talk"], ["branches", "branches"], ["seats", "membersOf"]] as const) : ([["", "talk"], ["branches", "branches"], ["card", "cardEditor"]] as const);
  return (
    <div class={over.value ? "screen folk over" : "screen folk"}
      onDragOver={(e) => { e.preventDefault(); over.value = true; }} onDragLeave={(e) => { if (e.target === e.currentTarget) over.value = false; }}
      onDrop={(e) => { e.preventDefault(); over.value = false; void bring(e.dataTransfer?.files[0]); }}>
      <nav aria-label={t("characters")} class={id ? "people chosen" : "people"}>
        {!known && <Loading />}
        {folk.value?.map((c) => (
          <a key={c.id} href={link("characters", c.id)} aria-current={c.id === id ? "page" : undefined}>
            <Face c={c} />
            <span><b>{c.name}</b><span class="soft">{c.tags}</span></span>
          </a>
        ))}
        {groups.value !== null && (
          <Fragment>
            {groups.value.length > 0 && <h2 class="heading">{t("groups")}</h2>}
            {groups.value.map((g) => (
              <a key={g.id} href={link("characters", mark + g.id)} aria-current={mark + g.id === id ? "page" : undefined}>
                <span class="face" aria-hidden="true" style={{ "--hue": hue(g.id) }}>{g.members.length}</span>
                <span><b>{g.name}</b><span class="soft">{g.members.map((m) => m.name).join(", ")}</span></span>
              </a>
            ))}
          </Fragment>
        )}
        {known && <div class="bring">
          <label class="button">{t("importCard")}<input class="sr" id="import" type="file" accept=".png,.json,.charx,image/png,application/json" onChange={(e) => { void bring(e.currentTarget.files?.[0]); e.currentTarget.value = ""; }} /></label>
          <a class="button" href={link("characters", "new")}>{t("newCharacter")}</a>
          {groups.value !== null && <a class="button" href={link("characters", newGroupAt)}>{t("newGroup")}</a>}
          {groups.value !== null && <a class="button" href={link("characters", personasAt)} aria-current={id === personasAt ? "page" : undefined}>{t("personas")}</a>}
          <p class="soft small">{t("dropCard")}</p>
        </div>}
      </nav>
      <div class="middle" key={id}>
        {(c || g) && (ready || view !== "") && (
          <div class="row head">
            {c && <Face c={c} />}<h1>{title}</h1><span class="grow" />
            {view === "" && <Be />}
            <nav class="tabs" aria-label={title}>
              {views.map(([v, word]) => (
                <a key={v} href={link("characters", id, ...(v ? [v] : []))} aria-current={view === v ? "page" : undefined}>{t(word)}</a>
              ))}
            </nav>
          </div>
        )}
        {told.value && <p class="told" role="status">{told}</p>}
        {error.value && <Note text={error.value} onClose={() => { error.value = ""; twice.value = null; }} />}
        {twice.value && <p class="row"><span>{t("exists")}</span><button onClick={() => void bring(twice.value, true)}>{t("replace")}</button></p>}
        {!known ? null : id === newGroupAt ? <NewGroup /> : id === personasAt ? <Personas /> : g && view === "seats" ? <Seats key={g.id} g={g} /> : id === "new" || view === "card"
          ? <Editor key={id} id={id === "new" ? "" : id} builtIn={!!c?.built_in} />
          : (c || g) && !ready ? <Loading /> : view === "branches" ? <Tree /> : c || g ? <Talk key={id} name={title} group={g} /> : <p class="soft pick">{id ? t("nothingThere") : t("choose")}</p>}
      </div>
      {g && ready && view !== "seats" && <Recalls />}
      {c && ready && view !== "card" && (
        <Fragment>
          <Memory />
          {!c.built_in && view === "" && (
            <button class="quiet dismiss" onClick={() => { if (confirm(t("deleteCharacter", { name: c.name }))) void dismiss(id).then(() => go("characters")); }}>{t("remove")}: {c.name}</button>
          )}
        </Fragment>
      )}
    </div>
  );
}
