// Colours for code: comments, strings, numbers and the usual keywords. One
// grammar for all languages is wrong at times, and never in the way.
import { h } from "preact";
import type { ComponentChild } from "preact";

const words = new Set(
  ("abstract and as async await bool boolean break case catch chan char class const continue def default defer del delete do double elif else enum except export extends false final finally float fn for from func function go goto if impl implements import in instanceof int interface is lambda let long loop map match mod mut new nil none not null or package pass pub public private protected raise range return select self static string struct super switch this throw trait true try type typeof undefined unsafe use var void where while with yield " +
    "SELECT FROM WHERE INSERT INTO VALUES UPDATE SET CREATE TABLE JOIN LEFT ORDER BY GROUP LIMIT AND OR NOT NULL None True False echo fi then esac done").split(" "),
);

const hashed = new Set(["py", "python", "sh", "bash", "shell", "rb", "ruby", "yaml", "yml", "toml", "make", "perl", "r"]);

const parts = /(\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(#[^\n]*)|(--[^\n]*)|("""[\s\S]*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\.|[^`\\])*`?)|(\b\d[\w.]*\b)|([A-Za-z_$][\w$]*)/g;

const longest = 50_000; // characters that are coloured

export function highlight(text: string, language: string): ComponentChild[] {
  if (text.length > longest) return [text];
  const of = language.toLowerCase();
  const out: ComponentChild[] = [];
  let from = 0;
  for (const m of text.matchAll(parts)) {
    const kind = m[1] ? "c" : m[2] ? (hashed.has(of) ? "c" : "") : m[3] ? (of === "sql" || of === "lua" ? "c" : "") : m[4] ? "s" : m[5] ? "n" : words.has(m[6]) ? "k" : "";
    if (!kind) continue;
    out.push(text.slice(from, m.index), <span class={`tok-${kind}`}>{m[0]}</span>);
    from = m.index + m[0].length;
  }
  out.push(text.slice(from));
  return out;
}
