// @ai-sdk/openai-compatible and vercel-minimax-ai-provider, with ai, the AI SDK.
import { generateText, streamText, tool, generateImage, experimental_generateImage, embed, Output } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createMinimax, createMinimaxOpenAI } from "vercel-minimax-ai-provider";
import { z } from "zod";
import { readFileSync } from "node:fs";
import { base, keys, model, call, check, fails, isFile, done } from "./lib.mjs";
import * as lib from "./lib.mjs";

const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
const weather = tool({ description: "The weather of a city", inputSchema: z.object({ city: z.enum(["Paris", "Beijing"]) }) });
const quiet = { maxRetries: 0 };

async function chats(make, name) {
  const ask = { model: make(keys.good)(name), prompt: "Hello! How are you?", maxOutputTokens: 30, ...quiet };
  await call("generateText", async () => {
    const r = await generateText({ ...ask, system: "You are kind." });
    check(r.text && r.usage.outputTokens > 0 && ["stop", "length"].includes(r.finishReason), JSON.stringify(r.usage) + r.finishReason);
    return JSON.stringify(r.text);
  });
  await call("streamText", async () => {
    const r = streamText({ ...ask, messages: undefined });
    let text = "";
    for await (const t of r.textStream) text += t;
    check(text && (await r.usage).outputTokens > 0, text);
  });
  await call("generateText, a tool that must be called", async () => {
    const r = await generateText({ ...ask, maxOutputTokens: 80, tools: { weather }, toolChoice: "required" });
    check(r.finishReason === "tool-calls" && r.toolCalls[0].input.city, JSON.stringify(r.toolCalls));
  });
  await call("streamText, a named tool", async () => {
    const r = streamText({ ...ask, maxOutputTokens: 80, tools: { weather }, toolChoice: { type: "tool", toolName: "weather" } });
    check((await r.toolCalls)[0].input.city, JSON.stringify(await r.toolCalls));
  });
  await call("generateText, tools that the model may choose: refused, this model was not taught them", async () => {
    const e = await fails(() => generateText({ ...ask, tools: { weather } }));
    check(e.statusCode === 400 && /tools/.test(e.message), e);
    return e.message;
  });
  for (const [what, key, statuses] of [["bad key", keys.bad, [401]], ["rate limit", keys.rate, [429]], ["no balance", keys.poor, [402, 429]]])
    await call("error: " + what, async () => {
      const e = await fails(() => generateText({ ...ask, model: make(key)(name) }));
      check(statuses.includes(e.statusCode) && e.message.length > 5, `${e.statusCode} ${e.message}`);
      return `${e.statusCode} ${e.message}`;
    });
}

const compatible = (apiKey) => createOpenAICompatible({ name: "kuai", baseURL: base + "/v1", apiKey, includeUsage: true, supportsStructuredOutputs: true });
await chats((k) => (m) => compatible(k).chatModel(m), model);
await call("generateText, Output.object (a schema)", async () => {
  const r = await generateText({ model: compatible(keys.good).chatModel(model), prompt: "Hello", maxOutputTokens: 60, output: Output.object({ schema: z.object({ mood: z.enum(["good", "bad"]) }) }), ...quiet });
  check(["good", "bad"].includes(r.output.mood), JSON.stringify(r.output));
});
await call("generateImage", async () => {
  const r = await (generateImage ?? experimental_generateImage)({ model: compatible(keys.good).imageModel("kuai-video"), prompt: "a red apple", size: "256x256", n: 1, ...quiet });
  isFile(r.image.uint8Array, "png");
});
await call("embed: refused, no model makes embeddings", async () => {
  const e = await fails(() => embed({ model: compatible(keys.good).textEmbeddingModel(model), value: "x", ...quiet }));
  check(e.statusCode === 400 && /embeddings/.test(e.message), e);
});
done("@ai-sdk/openai-compatible", version("@ai-sdk/openai-compatible"));

lib.results.length = 0;
await chats((apiKey) => createMinimax({ apiKey, baseURL: base + "/anthropic/v1" }), "MiniMax-M2");
done("vercel-minimax-ai-provider (Anthropic)", version("vercel-minimax-ai-provider"));

lib.results.length = 0;
await chats((apiKey) => createMinimaxOpenAI({ apiKey, baseURL: base + "/v1" }), "MiniMax-M2");
done("vercel-minimax-ai-provider (OpenAI)", version("vercel-minimax-ai-provider"));
