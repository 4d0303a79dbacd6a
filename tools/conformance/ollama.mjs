// ollama, the official client, against Kuai's Ollama dialect.
import { Ollama } from "ollama";
import { readFileSync } from "node:fs";
import { base, keys, model, call, check, fails, done } from "./lib.mjs";

const client = (key) => new Ollama({ host: base, headers: key ? { Authorization: `Bearer ${key}` } : {} });
const ai = client();
const messages = [{ role: "user", content: "Hello! How are you?" }];
const options = { num_predict: 30, seed: 3, temperature: 0.5 };
const tools = [{ type: "function", function: { name: "weather", description: "w", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } }];

await call("list", async () => {
  const names = (await ai.list()).models.map((m) => m.name);
  check(names.includes(model + ":latest"), names);
});
await call("ps", async () => check((await ai.ps()).models.length > 0, "models"));
await call("show", async () => {
  const m = await ai.show({ model });
  check(m.capabilities.includes("completion") && m.template, JSON.stringify(m).slice(0, 300));
});
await call("version", async () => check(/^\d+\./.test((await ai.version()).version), "version"));
await call("chat", async () => {
  const r = await ai.chat({ model, messages, options });
  check(r.done && r.message.content && r.eval_count > 0 && r.total_duration > 0 && ["stop", "length"].includes(r.done_reason), JSON.stringify(r));
  return JSON.stringify(r.message.content);
});
await call("chat, streamed", async () => {
  let text = "", last;
  for await (const r of await ai.chat({ model: model + ":latest", messages, options, stream: true })) text += (last = r).message.content;
  check(text && last.done && last.prompt_eval_count > 0 && last.eval_duration >= 0, JSON.stringify(last));
});
await call("chat, a format by a schema", async () => {
  const r = await ai.chat({ model, messages, options: { num_predict: 60 }, format: { type: "object", properties: { mood: { enum: ["good", "bad"] } }, required: ["mood"], additionalProperties: false } });
  check(JSON.parse(r.message.content).mood, r.message.content);
});
await call("generate", async () => {
  const r = await ai.generate({ model, prompt: "Hello", system: "You are kind.", options });
  check(r.done && r.response, JSON.stringify(r));
});
await call("generate, raw, streamed", async () => {
  let text = "";
  for await (const r of await ai.generate({ model, prompt: "The fox", raw: true, options, stream: true })) text += r.response;
  check(text, "text");
});
await call("abort of a stream", async () => {
  const s = await ai.chat({ model, messages, options: { num_predict: 2000 }, stream: true });
  setTimeout(() => s.abort(), 50);
  const e = await (async () => { for await (const _ of s); })().catch((e) => e);
  check(!e || e.name === "AbortError", e);
});
for (const [name, run, text] of [
  ["embed: refused, no model makes embeddings", () => ai.embed({ model, input: "x" }), /embeddings/],
  ["embeddings: refused", () => ai.embeddings({ model, prompt: "x" }), /embeddings/],
  ["pull: refused, models are managed on the machine", () => ai.pull({ model: "x" }), /kuai models/],
  ["chat with tools: refused, this model was not taught them", () => ai.chat({ model, messages, tools }), /tools/],
  ["error: no such model", () => ai.chat({ model: "llama9", messages }), /no model llama9/],
  ["error: a bad parameter", () => ai.chat({ model, messages, options: { temperature: -1 } }), /temperature/],
  ["error: bad key", () => client(keys.bad).chat({ model, messages }), /key/],
  ["error: rate limit", () => client(keys.rate).chat({ model, messages }), /requests/],
  ["error: no balance", () => client(keys.poor).chat({ model, messages }), /balance|left/],
]) await call(name, async () => {
  const e = await fails(run);
  check(text.test(e.message), e.message);
  return `${e.status_code} ${e.message}`;
});
const version = JSON.parse(readFileSync(new URL("node_modules/ollama/package.json", import.meta.url))).version;
done("ollama", version);
