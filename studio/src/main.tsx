// The studio: makes clips through the public API and shows them.
import { h, Fragment, render } from "preact";
import { Gallery } from "./gallery";
import { Maker } from "./maker";
import { keys, Stage } from "./stage";
import { refresh, theme } from "./state";

const themes: Record<string, [next: string, sign: string]> = {
  auto: ["light", "◐"],
  light: ["dark", "☀"],
  dark: ["auto", "☾"],
};

function App() {
  const [next, sign] = themes[theme.value];
  return (
    <Fragment>
      <header>
        <h1><span class="logo" aria-hidden="true">▶</span> Kuai <span class="han" lang="zh">快</span></h1>
        <p class="soft">A sentence becomes a clip, on your machine.</p>
        <span class="grow" />
        <button class="quiet" title={`Colours: ${theme.value}`} aria-label={`Colours: ${theme.value}. Change to ${next}`}
          onClick={() => (theme.value = next)}>{sign}</button>
      </header>
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
