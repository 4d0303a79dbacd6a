// Runs all clients against a kuai serve with the built-in models, and writes
// what each call did into a Markdown file:
//
//	node run.mjs KUAI_BINARY REPORT.md [RECORDING_DIR]
//
// With a third argument the clients' requests go through a recorder, for the
// replay that make test does with Go alone.
import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, cpus } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { recorder } from "./record.mjs";

const [binary, report, recording] = process.argv.slice(2);
const here = new URL(".", import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), "kuai-conformance-"));
const clients = (process.env.KUAI_CLIENTS ?? "openai anthropic ollama aisdk mmx mcp").split(" ");

const server = spawn(binary, ["serve", "--addr", "127.0.0.1:0", "--data", join(dir, "data")], { stdio: ["ignore", "pipe", "pipe"] });
const log = createWriteStream(join(dir, "server.log"));
const address = await new Promise((found, lost) => {
  let text = "";
  for (const s of [server.stdout, server.stderr]) s.on("data", (d) => {
    log.write(d);
    text += d;
    const m = /http:\/\/([\d.:]+)/.exec(text);
    if (m) found(m[1]);
  });
  server.on("exit", (code) => lost(new Error(`kuai serve ended with ${code}: ${text}`)));
});
const [host, port] = address.split(":");
// The platform's own command line makes the accounts: two organisations, one of
// them without money, and a key that may not ask at all any more.
const kuai = (...args) => {
  const r = spawnSync(binary, [...args, "--data", join(dir, "data"), "--json"], { encoding: "utf8" });
  if (r.status !== 0) throw new Error(`kuai ${args.join(" ")}: ${r.stdout} ${r.stderr}`);
  return r.stdout.trim() ? JSON.parse(r.stdout) : {};
};
const account = (name, ...more) => kuai("admin", "key", "create", "--name", name, ...more);
const rich = kuai("admin", "org", "create", "rich"), poor = kuai("admin", "org", "create", "poor");
kuai("balance", "topup", rich.id, "1000", "--reason", "conformance");
const good = account("good", "--org", rich.id), rate = account("rate", "--org", rich.id);
kuai("admin", "limit", "set", "key", rate.key.id, "requests_per_minute", "0");
const keys = {
  KUAI_KEY_GOOD: good.secret, KUAI_KEY_RATE: rate.secret, KUAI_KEY_POOR: account("poor", "--org", poor.id).secret,
  KUAI_KEY_BAD: good.secret.slice(0, -4) + (good.secret.endsWith("AAAA") ? "BBBB" : "AAAA"),
};
await new Promise((seen) => setTimeout(seen, 6000)); // the server sees a limit within five seconds
// A first handshake makes the certificate, which the clients are told to trust.
await new Promise((done, failed) => {
  const s = tls.connect({ host, port, rejectUnauthorized: false }, () => { s.end(); done(); });
  s.on("error", failed);
});
const recorded = recording ? await recorder(address, { [keys.KUAI_KEY_BAD]: "sk-bad", [keys.KUAI_KEY_RATE]: "sk-rate", [keys.KUAI_KEY_POOR]: "sk-poor" }) : undefined;
const env = {
  ...process.env, ...keys, KUAI_URL: `http://${recorded?.address ?? address}`, KUAI_TLS_URL: `https://${address}`,
  KUAI_OUT: dir, NODE_EXTRA_CA_CERTS: join(dir, "data", "tls", "cert.pem"), NODE_NO_WARNINGS: "1",
};
let failed = 0;
for (const name of clients) {
  recorded?.client(name);
  console.error(`\n== ${name}`);
  const code = await new Promise((ended) => spawn(process.execPath, [join(here, `${name}.mjs`)], { env, cwd: here, stdio: ["ignore", "inherit", "inherit"] }).on("close", ended));
  if (code) { failed++; console.error(`${name}.mjs ended with ${code}`); }
}
server.kill("SIGINT");
if (recorded) { mkdirSync(recording, { recursive: true }); recorded.save(recording); }

const version = spawnSync(binary, ["version"]).stdout?.toString().trim().split("\n")[0];
const order = ["openai", "@anthropic-ai/sdk", "ollama", "@ai-sdk/openai-compatible", "vercel-minimax-ai-provider (Anthropic)", "vercel-minimax-ai-provider (OpenAI)", "mmx-cli", "minimax-mcp-js"];
const books = order.map((c) => join(dir, c.replaceAll("/", "_") + ".json")).filter(existsSync).map((f) => JSON.parse(readFileSync(f)));
const lines = [
  "# Conformance", "",
  "Made by `make conformance`: the official clients from npm, unchanged, against a", "`kuai serve` with its built-in models. A call is green if it did what its text",
  "says; where a model cannot do something, that is to be refused in the client's", "own words. Accounts, limits and money are on: one organisation has money, one has", "none, one key may not ask any more, one was never made.", "",
  `${new Date().toISOString().slice(0, 10)}, ${version}, Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model.trim()}).`, "",
  "| client | version | green | of |", "|---|---|---|---|",
  ...books.map((b) => `| ${b.client} | ${b.version} | ${b.results.filter((r) => r.ok).length} | ${b.results.length} |`),
];
for (const b of books) {
  lines.push("", `## ${b.client} ${b.version}`, "", "| call | | seconds | what came |", "|---|---|---|---|");
  const cell = (s) => s.replaceAll(/\s+/g, " ").replaceAll("|", "\\|").replaceAll(/https?:\/\/[\d.:]+\d/g, "URL").replaceAll(dir, "DIR").slice(0, 160);
  for (const r of b.results) {
    if (!r.ok) failed++;
    lines.push(`| ${cell(r.name)} | ${r.ok ? "green" : "**red**"} | ${r.seconds.toFixed(1)} | ${cell(r.note)} |`);
  }
}
writeFileSync(report, lines.join("\n") + "\n");
const green = books.reduce((n, b) => n + b.results.filter((r) => r.ok).length, 0);
console.error(`\n${green} calls are green, ${failed} are not; ${report}`);
if (!process.env.KUAI_KEEP) rmSync(dir, { recursive: true, force: true });
else console.error(dir);
process.exit(failed ? 1 : 0);
