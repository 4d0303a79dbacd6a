// The studio: makes clips and talks to characters, through the public API.
import { h, Fragment, render } from "preact";
import { signal } from "@preact/signals";
import { Characters } from "./characters";
import { Gallery } from "./gallery";
import { Maker } from "./maker";
import { keys, Stage } from "./stage";
import { refresh, theme } from "./state";

const themes: Record<string, [next: string, sign: string]> = {
  auto: ["light", "◐"],
  light: ["dark", "☀"],
  dark: ["auto", "☾"],
};

// path is what the address names: #/characters/lin, or nothing for the clips.
const path = signal(location.hash);
addEventListener("hashchange", () => (path.value = location.hash));

function App() {
  const talk = path.value.startsWith("#/characters");
  const [next, sign] = themes[theme.value];
  return (
    <Fragment>
      <header>
        <h1><span class="logo" aria-hidden="true">▶</span> Kuai <span class="han" lang="zh">快</span></h1>
        <nav aria-label="Rooms" class="rooms">
          <a href="#/" aria-current={talk ? undefined : "page"}>Create</a>
          <a href="#/characters" aria-current={talk ? "page" : undefined}>Characters</a>
        </nav>
        <span class="grow" />
        <button class="quiet" title={`Colours: ${theme.value}`} aria-label={`Colours: ${theme.value}. Change to ${next}`}
          onClick={() => (theme.value = next)}>{sign}</button>
      </header>
      {talk ? <Characters id={decodeURIComponent(path.value.split("/")[2] ?? "")} /> : <Create />}
    </Fragment>
  );
}

function Create() {
  return (
    <Fragment>
      <main>
        <div class="left"><Maker /><Gallery /></div>
        <Stage />
      </main>
      <footer class="soft">
        <kbd>/</kbd> prompt <kbd>Enter</kbd> make <kbd>&lt;</kbd> <kbd>&gt;</kbd> speed <kbd>←</kbd> <kbd>→</kbd> clips
      </footer>
    </Fragment>
  );
}

const root = document.getElementById("app");
if (root) render(<App />, root);
document.addEventListener("keydown", keys);
void refresh();
