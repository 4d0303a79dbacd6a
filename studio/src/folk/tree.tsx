// The tree of a conversation: every way it took. A turn with several that
// follow begins branches, drawn one below the other and indented.
import { h } from "preact";
import { langOf, moment, t } from "../say";
import { tree, walk, writing } from "./state";
import type { Turn } from "./state";

const deepest = 12; // steps that are indented

const glimpse = (text: string) => (text.length > 160 ? `${text.slice(0, 160)}…` : text);

interface Row {
  turn: Turn;
  depth: number; // branches that lie above
  fork: boolean; // it stands beside others
}

// rows lays the tree out: a turn, then what followed, the first branch last so
// that the others stand right below the turn they part from.
function rows(turns: Turn[]): Row[] {
  const known = new Set(turns.map((n) => n.id));
  const after = new Map<number, Turn[]>();
  for (const n of turns) {
    const parent = known.has(n.parent) ? n.parent : 0;
    after.set(parent, [...(after.get(parent) ?? []), n]);
  }
  const out: Row[] = [];
  const stack: Row[] = (after.get(0) ?? []).map((turn, i, all) => ({ turn, depth: i === all.length - 1 ? 0 : 1, fork: all.length > 1 })).reverse();
  for (let row = stack.pop(); row; row = stack.pop()) {
    out.push(row);
    const next = after.get(row.turn.id) ?? [];
    const depth = row.depth;
    stack.push(...next.map((turn, i) => ({ turn, depth: i === next.length - 1 ? depth : depth + 1, fork: next.length > 1 })).reverse());
  }
  return out;
}

export function Tree() {
  const busy = writing.value !== null;
  return (
    <section class="panel tree" aria-label={t("branches")}>
      <p class="soft">{t("branchesWhy")}</p>
      <ol>
        <li><button class="node" disabled={busy} onClick={() => void walk(0)}>○ {t("beginning")}</button></li>
        {rows(tree.value).map(({ turn, depth, fork }) => (
          <li key={turn.id} style={{ "--depth": Math.min(depth, deepest) }}>
            <button class={turn.active ? "node present" : "node"} aria-current={turn.active ? "step" : undefined} disabled={busy} title={`${t("goHere")} · ${moment(turn.time)}`} onClick={() => void walk(turn.id)}>
              <span aria-hidden="true">{fork ? "├" : "│"}</span> {turn.speaker === "user" && <b>{t("you")}</b>} <span lang={langOf(turn.text)}>{turn.forgotten ? t("forgotten") : glimpse(turn.text)}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
