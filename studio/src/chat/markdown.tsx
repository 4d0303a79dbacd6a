// Markdown as elements: what a model writes never becomes HTML, so it cannot
// bring scripts. It knows paragraphs, headings, lists, quotes, tables, rules,
// code, emphasis and links to the web.
import { h, Fragment } from "preact";
import type { ComponentChild } from "preact";
import { Copy } from "../ui";
import { highlight } from "./code";

const deepest = 8; // quotes and lists within each other

export function Markdown({ text }: { text: string }) {
  return <div class="markdown">{blocks(text.replaceAll("\r\n", "\n").split("\n"), 0)}</div>;
}

const fence = /^ {0,3}(```+|~~~+)\s*([\w+#.-]*)[^`]*$/;
const heading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const item = /^( *)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const rule = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const divider = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

// blocks reads lines into the elements that they make.
function blocks(lines: string[], depth: number): ComponentChild[] {
  const out: ComponentChild[] = [];
  for (let i = 0; i < lines.length; ) {
    const line = lines[i];
    let m: RegExpExecArray | null;
    if (!line.trim()) {
      i++;
    } else if ((m = fence.exec(line))) {
      const code: string[] = [];
      for (i++; i < lines.length && !lines[i].trim().startsWith(m[1]); i++) code.push(lines[i]);
      i++;
      out.push(<Code key={out.length} language={m[2]} text={code.join("\n")} />);
    } else if ((m = heading.exec(line))) {
      const H = `h${Math.min(6, m[1].length + 2)}` as "h3";
      out.push(<H key={out.length}>{inline(m[2])}</H>);
      i++;
    } else if (rule.test(line)) {
      out.push(<hr key={out.length} />);
      i++;
    } else if (/^ {0,3}>/.test(line) && depth < deepest) {
      const inner: string[] = [];
      for (; i < lines.length && /^ {0,3}>/.test(lines[i]); i++) inner.push(lines[i].replace(/^ {0,3}> ?/, ""));
      out.push(<blockquote key={out.length}>{blocks(inner, depth + 1)}</blockquote>);
    } else if ((m = item.exec(line)) && depth < deepest) {
      const [list, next] = readList(lines, i, m, depth, out.length);
      out.push(list);
      i = next;
    } else if (line.includes("|") && divider.test(lines[i + 1] ?? "") && (lines[i + 1] ?? "").includes("-")) {
      const rows: string[] = [line];
      for (i += 2; i < lines.length && lines[i].includes("|"); i++) rows.push(lines[i]);
      out.push(<Table key={out.length} rows={rows} />);
    } else {
      const text = [line];
      for (i++; i < lines.length && lines[i].trim() && !begins(lines[i], depth); i++) text.push(lines[i]);
      out.push(<p key={out.length}>{inline(text.join("\n"))}</p>);
    }
  }
  return out;
}

const begins = (line: string, depth: number) => fence.test(line) || heading.test(line) || rule.test(line) || (depth < deepest && (/^ {0,3}>/.test(line) || item.test(line)));

function readList(lines: string[], at: number, first: RegExpExecArray, depth: number, key: number): [ComponentChild, number] {
  const indent = first[1].length, ordered = /\d/.test(first[2]);
  const items: string[][] = [];
  let i = at;
  for (; i < lines.length; i++) {
    const m = item.exec(lines[i]);
    if (m && m[1].length <= indent + 1 && m[1].length >= indent) {
      if (/\d/.test(m[2]) !== ordered) break;
      items.push([m[3]]);
    } else if (lines[i].trim() && (/^\s/.test(lines[i]) || !begins(lines[i], depth)) && (lines[i - 1].trim() || /^\s/.test(lines[i]))) {
      items.at(-1)?.push(lines[i].slice(Math.min(indent + 2, lines[i].length - lines[i].trimStart().length)));
    } else if (!lines[i].trim() && (item.test(lines[i + 1] ?? "") || /^\s+\S/.test(lines[i + 1] ?? ""))) {
      items.at(-1)?.push("");
    } else break;
  }
  const all = items.map((it, n) => <li key={n}>{it.length === 1 ? inline(it[0]) : blocks(it, depth + 1)}</li>);
  return [ordered ? <ol key={key} start={parseInt(first[2])}>{all}</ol> : <ul key={key}>{all}</ul>, i];
}

function Table({ rows }: { rows: string[] }) {
  const cells = (row: string) => row.trim().replace(/^\||\|$/g, "").split("|").map((c) => inline(c.trim()));
  return (
    <div class="scroll" tabIndex={0}>
      <table>
        <thead><tr>{cells(rows[0]).map((c, i) => <th key={i}>{c}</th>)}</tr></thead>
        <tbody>{rows.slice(1).map((r, i) => <tr key={i}>{cells(r).map((c, j) => <td key={j}>{c}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

function Code({ language, text }: { language: string; text: string }) {
  return (
    <div class="code">
      <div class="row"><span class="soft">{language}</span><span class="grow" /><Copy text={text} /></div>
      <pre tabIndex={0}><code>{highlight(text, language)}</code></pre>
    </div>
  );
}

const spans = /(`+)([\s\S]+?)\1(?!`)|\*\*([\s\S]+?)\*\*|__([\s\S]+?)__|~~([\s\S]+?)~~|\*(\S(?:[\s\S]*?\S)?)\*|\b_(\S(?:[\s\S]*?\S)?)_\b|\[([^\]\n]{1,500})\]\(([^)\s]{1,2000})(?:\s+"[^"]*")?\)|(https?:\/\/[^\s<>"')\]]{1,2000})|\\([\\`*_{}[\]()#+.!|>~-])/g;

// inline reads a line's emphasis, code and links.
function inline(text: string, depth = 0): ComponentChild[] {
  const out: ComponentChild[] = [];
  let from = 0;
  for (const m of text.matchAll(spans)) {
    out.push(text.slice(from, m.index));
    from = m.index + m[0].length;
    const deep = (s: string) => (depth < deepest ? inline(s, depth + 1) : [s]);
    if (m[2] !== undefined) out.push(<code>{m[2].trim()}</code>);
    else if (m[3] ?? m[4]) out.push(<strong>{deep(m[3] ?? m[4])}</strong>);
    else if (m[5]) out.push(<s>{deep(m[5])}</s>);
    else if (m[6] ?? m[7]) out.push(<em>{deep(m[6] ?? m[7])}</em>);
    else if (m[8]) out.push(<Link url={m[9]}>{deep(m[8])}</Link>);
    else if (m[10]) out.push(<Link url={m[10]}>{[m[10]]}</Link>);
    else out.push(m[11]);
  }
  out.push(text.slice(from));
  return out;
}

// Link leads to the web alone: any other scheme stays text.
function Link({ url, children }: { url: string; children: ComponentChild[] }) {
  if (!/^(https?:\/\/|mailto:)/i.test(url)) return <Fragment>{children} ({url})</Fragment>;
  return <a href={url} target="_blank" rel="noopener noreferrer nofollow">{children}</a>;
}
