// What the scripts of all clients share: where the server is, and a book of
// what each call did. A call is green if it did what its text says.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";

export const base = process.env.KUAI_URL; // http://127.0.0.1:PORT
export const secure = process.env.KUAI_TLS_URL; // the same over TLS
export const out = process.env.KUAI_OUT; // a directory for downloads
export const model = "companion";
// One that has money, one that nobody made, one that may ask no more, and one
// whose organisation has no money.
export const keys = { good: process.env.KUAI_KEY_GOOD, bad: process.env.KUAI_KEY_BAD, rate: process.env.KUAI_KEY_RATE, poor: process.env.KUAI_KEY_POOR };

export const results = [];

/** Runs one call and writes down how it went; what returns is its note. */
export async function call(name, run) {
  const began = Date.now();
  let ok = true, note = "";
  try {
    note = String((await run()) ?? "");
  } catch (e) {
    ok = false;
    note = String(e?.stack ?? e).slice(0, 600);
  }
  results.push({ name, ok, note: note.slice(0, 600), seconds: (Date.now() - began) / 1000 });
  process.stderr.write(`${ok ? "ok  " : "FAIL"} ${name} ${ok ? "" : note}\n`);
}

/** Throws unless cond holds. */
export function check(cond, what) {
  if (!cond) throw new Error("not so: " + what);
}

/** Runs something that must fail, and returns the error. */
export async function fails(run) {
  let value;
  try {
    value = await run();
  } catch (e) {
    return e;
  }
  throw new Error("it did not fail: " + JSON.stringify(value)?.slice(0, 200));
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Throws unless bytes begin as a file of the kind does and, where ffmpeg is installed, decode. */
export function isFile(bytes, kind) {
  const b = Buffer.from(bytes);
  const heads = { webm: [0, "1a45dfa3"], mp4: [4, Buffer.from("ftyp").toString("hex")], png: [0, "89504e470d0a1a0a"] };
  const [at, hex] = heads[kind];
  check(b.length > 500 && b.subarray(at, at + hex.length / 2).toString("hex") === hex, `${kind} of ${b.length} bytes`);
  const r = spawnSync("ffmpeg", ["-v", "error", "-i", "-", "-f", "null", "-"], { input: b });
  if (r.error) return;
  check(r.status === 0 && r.stderr.length === 0, `ffmpeg cannot decode it: ${r.stderr}`);
}

/** Ends a script: its results as a JSON file. */
export function done(client, version) {
  writeFileSync(`${out}/${client.replaceAll("/", "_")}.json`, JSON.stringify({ client, version, results }, null, 1));
}
