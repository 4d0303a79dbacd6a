// openai, the official SDK, against Kuai's OpenAI dialect.
import OpenAI, { toFile } from "openai";
import { readFileSync, writeFileSync } from "node:fs";
import { base, keys, model, call, check, fails, isFile, sleep, done, out } from "./lib.mjs";

const client = (apiKey = keys.good, o = {}) => new OpenAI({ apiKey, baseURL: base + "/v1", maxRetries: 0, ...o });
const ai = client();
const messages = [{ role: "system", content: "You are kind." }, { role: "user", content: "Hello! How are you?" }];
const tools = [{ type: "function", function: { name: "weather", description: "The weather of a city", parameters: { type: "object", properties: { city: { type: "string", enum: ["Paris", "Beijing"] } }, required: ["city"], additionalProperties: false } } }];

await call("models.list", async () => {
  const ids = [];
  for await (const m of ai.models.list()) ids.push(m.id);
  check(ids.includes(model) && ids.includes("kuai-video"), ids);
  return ids.join(", ");
});
await call("models.retrieve", async () => check((await ai.models.retrieve(model)).id === model, "id"));
await call("chat.completions.create", async () => {
  const r = await ai.chat.completions.create({ model, messages, max_completion_tokens: 40, seed: 7, temperature: 0.7 });
  check(r.choices[0].message.content.length > 0 && r.usage.total_tokens > 0, JSON.stringify(r));
  return JSON.stringify(r.choices[0].message.content);
});
await call("chat.completions.create, streamed, with usage", async () => {
  let text = "", usage, finish;
  for await (const c of await ai.chat.completions.create({ model, messages, max_tokens: 40, stream: true, stream_options: { include_usage: true } })) {
    text += c.choices[0]?.delta.content ?? "";
    finish = c.choices[0]?.finish_reason ?? finish;
    usage = c.usage ?? usage;
  }
  check(text && usage.completion_tokens > 0 && ["stop", "length"].includes(finish), text + finish);
  return JSON.stringify(text);
});
await call("chat.completions.stream helper", async () => {
  const s = ai.chat.completions.stream({ model, messages, max_tokens: 30 });
  const text = await s.finalContent();
  check(text.length > 0, "text");
});
await call("chat, JSON by a schema (response_format)", async () => {
  const schema = { type: "object", properties: { mood: { type: "string", enum: ["good", "bad"] } }, required: ["mood"], additionalProperties: false };
  const r = await ai.chat.completions.create({ model, messages, max_tokens: 60, response_format: { type: "json_schema", json_schema: { name: "mood", strict: true, schema } } });
  check(["good", "bad"].includes(JSON.parse(r.choices[0].message.content).mood), r.choices[0].message.content);
  return r.choices[0].message.content;
});
await call("chat, a tool that must be called", async () => {
  const r = await ai.chat.completions.create({ model, messages, tools, tool_choice: "required", max_tokens: 80 });
  const c = r.choices[0].message.tool_calls[0];
  check(r.choices[0].finish_reason === "tool_calls" && c.function.name === "weather" && JSON.parse(c.function.arguments).city, JSON.stringify(r.choices[0]));
  return c.function.arguments;
});
await call("chat, a named tool, streamed", async () => {
  const s = ai.chat.completions.stream({ model, messages, tools, tool_choice: { type: "function", function: { name: "weather" } }, max_tokens: 80 });
  const m = await s.finalMessage();
  check(JSON.parse(m.tool_calls[0].function.arguments).city, JSON.stringify(m));
});
await call("chat, the result of a tool goes back", async () => {
  const r = await ai.chat.completions.create({ model, max_tokens: 30, messages: [...messages,
    { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Paris"}' } }] },
    { role: "tool", tool_call_id: "call_1", content: "sunny" }] });
  check(r.choices[0].message.content !== null, "content");
});
await call("chat, tools that the model may choose: refused, this model was not taught them", async () => {
  const e = await fails(() => ai.chat.completions.create({ model, messages, tools }));
  check(e.status === 400 && e.code === "unsupported" && e.param === "tools", e);
  return e.message;
});

let video;
await call("videos.create", async () => {
  video = await ai.videos.create({ model: "sora-2", prompt: "a fox jumps on the beach at night", seconds: "1", size: "256x256" });
  check(video.id && ["queued", "in_progress"].includes(video.status), JSON.stringify(video));
});
await call("videos.retrieve until completed", async () => {
  for (let i = 0; i < 900 && !["completed", "failed"].includes(video.status); i++) {
    await sleep(1000);
    video = await ai.videos.retrieve(video.id);
  }
  check(video.status === "completed" && video.progress === 100, JSON.stringify(video));
});
await call("videos.downloadContent", async () => {
  const bytes = await (await ai.videos.downloadContent(video.id)).arrayBuffer();
  isFile(bytes, "webm");
  writeFileSync(`${out}/openai.webm`, Buffer.from(bytes));
  return `${bytes.byteLength} bytes`;
});
await call("videos.downloadContent, variant thumbnail", async () => check((await (await ai.videos.downloadContent(video.id, { variant: "thumbnail" })).arrayBuffer()).byteLength > 300, "size"));
let remix;
await call("videos.remix", async () => {
  remix = await ai.videos.remix(video.id, { prompt: "a cat jumps on the beach at night" });
  check(remix.remixed_from_video_id === video.id, JSON.stringify(remix));
});
await call("videos.list", async () => {
  const ids = [];
  for await (const v of ai.videos.list({ limit: 1 })) ids.push(v.id);
  check(ids.includes(video.id) && ids.includes(remix.id), ids);
});
await call("videos.delete", async () => {
  check((await ai.videos.delete(remix.id)).deleted, "deleted");
  check((await fails(() => ai.videos.retrieve(remix.id))).status === 404, "404 afterwards");
});
await call("videos.create with input_reference: refused", async () => {
  const e = await fails(async () => ai.videos.create({ model: "sora-2", prompt: "a fox", input_reference: await toFile(Buffer.from("x"), "x.png") }));
  check(e.status === 400 && e.param === "input_reference", e);
  return e.message;
});
await call("images.generate, b64_json", async () => {
  const r = await ai.images.generate({ model: "gpt-image-1", prompt: "a red apple", size: "256x256" });
  isFile(Buffer.from(r.data[0].b64_json, "base64"), "png");
});
await call("images.generate, url", async () => {
  const r = await ai.images.generate({ model: "kuai-video", prompt: "a red apple", response_format: "url", n: 2 });
  for (const d of r.data) isFile(await (await fetch(d.url)).arrayBuffer(), "png");
});
let file;
await call("files.create", async () => {
  file = await ai.files.create({ purpose: "user_data", file: await toFile(Buffer.from("some notes"), "notes.txt") });
  check(file.id && file.bytes === 10, JSON.stringify(file));
});
await call("files.retrieve", async () => check((await ai.files.retrieve(file.id)).filename === "notes.txt", "name"));
await call("files.list", async () => {
  const ids = [];
  for await (const f of ai.files.list({ purpose: "user_data" })) ids.push(f.id);
  check(ids.includes(file.id), ids);
});
await call("files.content", async () => check((await (await ai.files.content(file.id)).text()) === "some notes", "content"));
await call("files.delete", async () => check((await ai.files.delete(file.id)).deleted, "deleted"));

for (const [name, run, code] of [
  ["embeddings.create: refused, no model makes them", () => ai.embeddings.create({ model, input: "x" }), "unsupported"],
  ["audio.speech.create: refused, no model speaks", () => ai.audio.speech.create({ model: "tts-1", voice: "alloy", input: "x" }), "unsupported"],
  ["responses.create: refused", () => ai.responses.create({ model, input: "x" }), "unsupported"],
  ["error: no such model", () => ai.chat.completions.create({ model: "gpt-9", messages }), "model_not_found"],
  ["error: a bad parameter", () => ai.chat.completions.create({ model, messages, temperature: -1 }), "invalid_value"],
]) await call(name, async () => {
  const e = await fails(run);
  check(e.code === code, `${e.status} ${e.code} ${e.message}`);
  return `${e.status} ${e.message}`;
});
for (const [name, key, kind] of [["bad key", keys.bad, OpenAI.AuthenticationError], ["rate limit", keys.rate, OpenAI.RateLimitError], ["no balance", keys.poor, OpenAI.RateLimitError]])
  await call("error: " + name, async () => {
    const e = await fails(() => client(key).chat.completions.create({ model, messages }));
    check(e instanceof kind && e.requestID, `${e.status} ${e.message}`);
    if (name === "rate limit") check(e.headers.get("retry-after"), "retry-after");
    return `${e.status} ${e.code}`;
  });
await call("error: no balance is not tried again", async () => {
  let asked = 0;
  const e = await fails(() => client(keys.poor, { maxRetries: 2, fetch: (...a) => (asked++, fetch(...a)) }).chat.completions.create({ model, messages }));
  check(asked === 1 && e.code === "insufficient_quota", `${asked} requests`);
});
done("openai", JSON.parse(readFileSync(new URL("node_modules/openai/package.json", import.meta.url))).version);
