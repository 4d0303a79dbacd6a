// mmx-cli, MiniMax's official command line and its SDK, against the MiniMax and
// Anthropic dialects.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync, existsSync, mkdirSync } from "node:fs";
import { MiniMaxSDK } from "mmx-cli/sdk";
import { base, secure, out, keys, call, check, fails, isFile, sleep, done } from "./lib.mjs";

const pkg = new URL("node_modules/mmx-cli/", import.meta.url);
const bin = new URL("dist/mmx.mjs", pkg).pathname;
mkdirSync(`${out}/home`, { recursive: true });

/** Runs mmx; returns its exit code and what it printed. */
function mmx(args, { key = keys.good, url = base } = {}) {
  return new Promise((ended) => {
    const env = { ...process.env, HOME: `${out}/home`, CI: "1", MINIMAX_BASE_URL: url, MINIMAX_REGION: "global" };
    const p = spawn(process.execPath, [bin, ...args, "--api-key", key, "--non-interactive", "--no-color"], { env, cwd: out });
    let stdout = "", stderr = "";
    p.stdout.on("data", (d) => (stdout += d));
    p.stderr.on("data", (d) => (stderr += d));
    p.on("close", (code) => ended({ code, stdout, stderr }));
    p.stdin.end();
  });
}
const good = async (args, o) => {
  const r = await mmx(args, o);
  check(r.code === 0, `exit ${r.code}: ${r.stdout} ${r.stderr}`);
  return r.stdout;
};
const bad = async (args, text, o) => {
  const r = await mmx(args, o);
  check(r.code !== 0 && text.test(r.stdout + r.stderr), `exit ${r.code}: ${r.stdout} ${r.stderr}`);
  return `exit ${r.code}: ${(r.stderr || r.stdout).trim().replaceAll(/\s+/g, " ").slice(0, 200)}`;
};
const chat = ["text", "chat", "--message", "Hello! How are you?", "--max-tokens", "30"];

await call("text chat", async () => {
  const s = await good([...chat, "--system", "You are kind."]);
  check(s.trim(), "text");
});
await call("text chat --stream", async () => check((await good([...chat, "--stream"])).trim(), "text"));
await call("text chat --output json, several messages", async () => {
  const r = JSON.parse(await good(["text", "chat", "--message", "Hello", "--message", "assistant:Hi!", "--message", "How are you?", "--max-tokens", "30", "--output", "json"]));
  check(JSON.stringify(r).length > 10, JSON.stringify(r));
});
await call("text chat over https", async () => check((await good(chat, { url: secure })).trim(), "text"));
await call("text chat --tool: refused, this model was not taught tools", () =>
  bad([...chat, "--tool", JSON.stringify({ name: "weather", description: "w", input_schema: { type: "object", properties: {} } })], /tools/));
await call("video generate --download", async () => {
  await good(["video", "generate", "--prompt", "a fox jumps on the beach at night", "--download", `${out}/mmx.mp4`, "--poll-interval", "2", "--timeout", "1200"]);
  isFile(readFileSync(`${out}/mmx.mp4`), "mp4");
});
let task;
await call("video generate --async", async () => {
  const s = await good(["video", "generate", "--prompt", "a cat jumps on the beach at night", "--async", "--output", "json"]);
  task = JSON.parse(s).taskId ?? JSON.parse(s).task_id;
  check(task, s);
});
let fileID;
await call("video task get", async () => {
  for (let i = 0; i < 600; i++) {
    const r = JSON.parse(await good(["video", "task", "get", "--task-id", task, "--output", "json"]));
    if (r.status === "Success") { fileID = r.file_id ?? r.fileId; break; }
    await sleep(2000);
  }
  check(fileID, "never done");
});
await call("video download", async () => {
  await good(["video", "download", "--file-id", fileID, "--out", `${out}/mmx2.mp4`]);
  isFile(readFileSync(`${out}/mmx2.mp4`), "mp4");
});
await call("video generate --model MiniMax-H3 (v2): refused, it wants 5 seconds and the model makes 2", () => bad(["video", "generate", "--model", "MiniMax-H3", "--prompt", "a fox", "--ratio", "1:1", "--async"], /duration|resolution/));
await call("image generate --out", async () => {
  await good(["image", "generate", "--prompt", "a red apple", "--out", `${out}/mmx.png`]);
  isFile(readFileSync(`${out}/mmx.png`), "png");
});
await call("image generate --response-format base64, --n 2 --seed 7", async () => {
  const s = await good(["image", "generate", "--prompt", "a red apple", "--n", "2", "--seed", "7", "--response-format", "base64", "--out-dir", `${out}/mmx-images`, "--output", "json"]);
  check(existsSync(`${out}/mmx-images`) || s.length > 100, s.slice(0, 200));
});
await call("image generate --aspect-ratio 16:9: refused, pictures are square", () => bad(["image", "generate", "--prompt", "a red apple", "--aspect-ratio", "16:9"], /aspect_ratio/));
let uploaded;
await call("file upload", async () => {
  writeFileSync(`${out}/notes.txt`, "some notes");
  uploaded = JSON.parse(await good(["file", "upload", "--file", `${out}/notes.txt`, "--output", "json"]));
  check(JSON.stringify(uploaded).includes("file_id") || uploaded.fileId, JSON.stringify(uploaded));
});
const idOf = (f) => String(f.file?.file_id ?? f.file_id ?? f.fileId);
await call("file list", async () => check((await good(["file", "list", "--output", "json"])).includes(idOf(uploaded)), "id"));
await call("file delete", async () => { await good(["file", "delete", "--file-id", idOf(uploaded)]); });
await call("speech voices: there are none", async () => { await good(["speech", "voices", "--output", "json"]); });
await call("speech synthesize: refused, no model speaks", () => bad(["speech", "synthesize", "--text", "Hello", "--out", `${out}/x.mp3`], /speaks/));
await call("search query: refused", () => bad(["search", "query", "--q", "kuai"], /search/));
await call("quota show", async () => { await good(["quota", "show", "--output", "json"]); });
await call("quota show, with a key that mmx takes for pay-as-you-go (balance)", async () => check((await good(["quota", "show", "--output", "json"], { key: "sk-api-conformance" })).includes("available_amount"), "amount"));
await call("error: bad key", () => bad(chat, /./, { key: keys.bad }));
await call("error: rate limit", () => bad(chat, /./, { key: keys.rate }));
await call("error: rate limit of a video says so", () => bad(["video", "generate", "--prompt", "a fox", "--async"], /[Rr]ate|requests/, { key: keys.rate }));
await call("error: no balance of a video says so", () => bad(["video", "generate", "--prompt", "a fox", "--async"], /balance|quota|left/i, { key: keys.poor }));
await call("error: an unknown word in a prompt", async () => {
  const r = await mmx(["video", "generate", "--prompt", "", "--async"]);
  check(r.code !== 0, "exit 0");
});

const sdk = new MiniMaxSDK({ apiKey: keys.good, baseUrl: base, region: "global" });
await call("SDK text.chat", async () => {
  const r = await sdk.text.chat({ model: "MiniMax-M3", max_tokens: 30, messages: [{ role: "user", content: "Hello" }] });
  check(r.content.length > 0, JSON.stringify(r));
});
await call("SDK image.generate", async () => {
  const r = await sdk.image.generate({ model: "image-01", prompt: "a red apple" });
  check(JSON.stringify(r).includes("http"), JSON.stringify(r));
});
await call("SDK text.chat, bad key", async () => {
  const e = await fails(() => new MiniMaxSDK({ apiKey: keys.bad, baseUrl: base, region: "global" }).text.chat({ max_tokens: 30, messages: [{ role: "user", content: "Hello" }] }));
  return e.message;
});
done("mmx-cli", JSON.parse(readFileSync(new URL("package.json", pkg))).version);
