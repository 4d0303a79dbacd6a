// @anthropic-ai/sdk, the official SDK, against Kuai's Anthropic dialect.
import Anthropic from "@anthropic-ai/sdk";
import { readFileSync } from "node:fs";
import { base, keys, model, call, check, fails, done } from "./lib.mjs";

const client = (apiKey = keys.good, prefix = "") => new Anthropic({ apiKey, baseURL: base + prefix, maxRetries: 0 });
const ai = client();
const messages = [{ role: "user", content: "Hello! How are you?" }];
const tools = [{ name: "weather", description: "The weather of a city", input_schema: { type: "object", properties: { city: { type: "string", enum: ["Paris", "Beijing"] } }, required: ["city"], additionalProperties: false } }];

for (const prefix of ["", "/anthropic"])
  await call(`messages.create at ${prefix || "/"}`, async () => {
    const m = await client(keys.good, prefix).messages.create({ model, max_tokens: 40, system: "You are kind.", messages });
    check(m.content[0].type === "text" && m.content[0].text && m.usage.output_tokens > 0 && ["end_turn", "max_tokens"].includes(m.stop_reason), JSON.stringify(m));
    return JSON.stringify(m.content[0].text);
  });
await call("messages.create, streamed: the order of events", async () => {
  const seen = [];
  for await (const e of await ai.messages.create({ model, max_tokens: 30, messages, stream: true })) if (seen.at(-1) !== e.type) seen.push(e.type);
  check(seen.filter((t) => t !== "ping").join() === "message_start,content_block_start,content_block_delta,content_block_stop,message_delta,message_stop", seen);
});
await call("messages.stream helper, with blocks and usage", async () => {
  const s = ai.messages.stream({ model, max_tokens: 30, system: [{ type: "text", text: "You are kind." }], messages: [{ role: "user", content: [{ type: "text", text: "Hello" }] }] });
  const m = await s.finalMessage();
  check(m.content[0].text && m.usage.input_tokens + m.usage.cache_read_input_tokens > 0 && m.usage.output_tokens > 0, JSON.stringify(m));
});
await call("messages.create, stop_sequences", async () => {
  const m = await ai.messages.create({ model, max_tokens: 60, messages, stop_sequences: [" ", ".", "!", "?"] });
  check(m.stop_reason === "stop_sequence" && m.stop_sequence, JSON.stringify(m));
});
await call("messages.create, a tool that must be called", async () => {
  const m = await ai.messages.create({ model, max_tokens: 80, messages, tools, tool_choice: { type: "any" } });
  const c = m.content.find((b) => b.type === "tool_use");
  check(m.stop_reason === "tool_use" && c.name === "weather" && c.input.city, JSON.stringify(m));
});
await call("messages.stream, a named tool", async () => {
  const m = await ai.messages.stream({ model, max_tokens: 80, messages, tools, tool_choice: { type: "tool", name: "weather" } }).finalMessage();
  check(m.content.find((b) => b.type === "tool_use").input.city, JSON.stringify(m));
});
await call("messages.create, the result of a tool goes back", async () => {
  const m = await ai.messages.create({ model, max_tokens: 30, messages: [...messages,
    { role: "assistant", content: [{ type: "text", text: "Let me look." }, { type: "tool_use", id: "t1", name: "weather", input: { city: "Paris" } }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "sunny" }] }] }] });
  check(m.type === "message", "type");
});
await call("messages.countTokens", async () => check((await ai.messages.countTokens({ model, messages })).input_tokens > 3, "tokens"));
await call("models.list", async () => {
  const ids = [];
  for await (const m of ai.models.list()) ids.push(m.id);
  check(ids.includes(model), ids);
});
await call("models.retrieve", async () => check((await ai.models.retrieve(model)).display_name === model, "name"));
await call("error: a bad parameter", async () => {
  const e = await fails(() => ai.messages.create({ model, max_tokens: 10, messages, temperature: -1 }));
  check(e instanceof Anthropic.BadRequestError && /temperature/.test(e.message), e);
  return e.message;
});
await call("error: no such model", async () => check((await fails(() => ai.messages.create({ model: "claude-9", max_tokens: 9, messages }))) instanceof Anthropic.NotFoundError, "404"));
for (const [name, key, status, type] of [["bad key", keys.bad, 401, "authentication_error"], ["rate limit", keys.rate, 429, "rate_limit_error"], ["no balance", keys.poor, 402, "billing_error"]])
  await call("error: " + name, async () => {
    const e = await fails(() => client(key).messages.create({ model, max_tokens: 10, messages }));
    check(e.status === status && e.error.error.type === type && e.requestID, `${e.status} ${e.message}`);
  });
const version = JSON.parse(readFileSync(new URL("node_modules/@anthropic-ai/sdk/package.json", import.meta.url))).version;
done("@anthropic-ai/sdk", version);
