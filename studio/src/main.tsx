// The studio: clips, characters, chat and the console, through the public API.
import { h, Fragment, render } from "preact";
import { useEffect } from "preact/hooks";
import { Chat } from "./chat/chat";
import { Console } from "./console/console";
import { Create } from "./create/create";
import { Door } from "./door";
import { Characters } from "./folk/people";
import { Icon } from "./icon";
import { key, locked, offline, useKey } from "./net";
import { link, path } from "./route";
import { language, t, theme } from "./say";

const themes: Record<string, [next: "light" | "dark" | "auto", sign: string]> = {
  auto: ["light", "◐"],
  light: ["dark", "☀"],
  dark: ["auto", "☾"],
};

const rooms = ["create", "characters", "chat", "console"] as const;

function Room() {
  const [room = "create", ...rest] = path.value;
  switch (room) {
    case "create": return <Create id={rest[0] ?? ""} />;
    case "characters": return <Characters id={rest[0] ?? ""} view={rest[1] ?? ""} />;
    case "chat": return <Chat id={rest[0] ?? ""} />;
    case "console": return <Console view={rest[0] ?? "overview"} />;
  }
  return <p class="screen soft">{t("nothingThere")} <a href={link("create")}>{t("back")}</a></p>;
}

function App() {
  const [next, sign] = themes[theme.value];
  const here = path.value[0] ?? "create";
  const colours = t("colourNow", { now: t(theme.value as "auto"), next: t(next) });
  useEffect(() => {
    document.title = `${rooms.some((r) => r === here) ? t(here as "create") : ""} · Kuai 快`;
  }, [here, language.value]);
  return (
    <Fragment>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>{t("skip")}</a>
      <header class="top">
        <a class="brand" href={link("create")} aria-label="Kuai 快"><span class="logo" aria-hidden="true">▶</span> Kuai <span class="han" lang="zh">快</span></a>
        <nav aria-label={t("rooms")} class="rooms">
          {rooms.map((r) => <a key={r} href={link(r)} aria-current={here === r ? "page" : undefined}><span class="icon"><Icon name={r} /></span><span>{t(r)}</span></a>)}
        </nav>
        <span class="grow" />
        <button class="quiet" lang={language.value === "en" ? "zh" : "en"} id="language" onClick={() => (language.value = language.value === "en" ? "zh" : "en")}>{language.value === "en" ? "中文" : "English"}</button>
        <button class="quiet" id="theme" title={colours} aria-label={colours} onClick={() => (theme.value = next)}>{sign}</button>
        {key.value && <button class="quiet" onClick={() => useKey("")}>{t("signOut")}</button>}
      </header>
      {offline.value && <p class="error offline" role="status">{t("offline")}</p>}
      <main id="main" tabIndex={-1}>{locked.value ? <Door /> : <Room />}</main>
    </Fragment>
  );
}

const root = document.getElementById("app");
if (root) render(<App />, root);
