// minimax-mcp-js, MiniMax's official MCP server, driven by an MCP client over
// stdio, against the MiniMax dialect.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { readFileSync, existsSync, writeFileSync } from "node:fs";
import { base, out, keys, call, check, isFile, sleep, done } from "./lib.mjs";

const pkg = new URL("node_modules/minimax-mcp-js/", import.meta.url);

async function open(key = keys.good, mode = "url") {
  const client = new Client({ name: "kuai-conformance", version: "1" });
  await client.connect(new StdioClientTransport({
    command: process.execPath, args: [new URL("build/index.js", pkg).pathname], stderr: "ignore",
    env: { PATH: process.env.PATH, HOME: out, MINIMAX_API_HOST: base, MINIMAX_API_KEY: key, MINIMAX_MCP_BASE_PATH: out, MINIMAX_RESOURCE_MODE: mode },
  }));
  const use = async (name, args) => {
    const r = await client.callTool({ name, arguments: args }, undefined, { timeout: 600_000 });
    return r.content.map((c) => c.text).join("\n");
  };
  return { use, client };
}

const ai = await open();
await call("tools/list", async () => check((await ai.client.listTools()).tools.length >= 8, "tools"));
let task;
await call("generate_video, asyncMode", async () => {
  const s = await ai.use("generate_video", { prompt: "a fox jumps on the beach at night", asyncMode: true });
  task = /(video|job)_[0-9a-z]+/.exec(s)?.[0];
  check(task, s);
});
let url;
await call("query_video_generation until Success", async () => {
  let s = "";
  for (let i = 0; i < 600 && !url; i++) {
    s = await ai.use("query_video_generation", { taskId: task });
    url = /https?:\S+/.exec(s)?.[0];
    if (!url) await sleep(2000);
  }
  check(url, s);
});
await call("the video's address, downloaded", async () => isFile(await (await fetch(url)).arrayBuffer(), "mp4"));
await call("query_video_generation, saved (resource mode local)", async () => {
  const local = await open(keys.good, "local");
  const s = await local.use("query_video_generation", { taskId: task });
  const path = /\/\S+\.mp4/.exec(s)?.[0];
  check(path && existsSync(path), s);
  isFile(readFileSync(path), "mp4");
  await local.client.close();
});
await call("text_to_image", async () => {
  const s = await ai.use("text_to_image", { prompt: "a red apple", n: 1 });
  const at = /https?:[^\s,\]"]+/.exec(s)?.[0];
  check(at, s);
  isFile(await (await fetch(at)).arrayBuffer(), "png");
});
await call("list_voices: there are none", async () => check(/Success/.test(await ai.use("list_voices", {})), "success"));
await call("text_to_audio: refused, no model speaks", async () => {
  const s = await ai.use("text_to_audio", { text: "Hello" });
  check(/speaks/.test(s), s);
  return s;
});
await call("voice_clone: the file is uploaded, then refused", async () => {
  writeFileSync(`${out}/voice.mp3`, "not really a voice");
  const s = await ai.use("voice_clone", { voiceId: "someone1", audioFile: `${out}/voice.mp3`, text: "Hello" });
  check(/learns voices/.test(s), s);
  return s;
});
await call("voice_design: refused", async () => {
  const s = await ai.use("voice_design", { prompt: "a kind voice", previewText: "Hello" });
  check(/makes voices/.test(s), s);
});
await call("image_to_video: refused, the model begins with words alone", async () => {
  const s = await ai.use("image_to_video", { model: "I2V-01", prompt: "it moves", firstFrameImage: "data:image/png;base64,AAAA", asyncMode: true });
  check(/first_frame_image/.test(s), s);
  return s;
});
for (const [name, key, text] of [["bad key", keys.bad, /key|auth/i], ["rate limit", keys.rate, /requests/], ["no balance", keys.poor, /balance|left/]])
  await call("error: " + name, async () => {
    const c = await open(key);
    const s = await c.use("generate_video", { prompt: "a fox", asyncMode: true });
    await c.client.close();
    check(text.test(s), s);
    return s;
  });
await ai.client.close();
done("minimax-mcp-js", JSON.parse(readFileSync(new URL("package.json", pkg))).version);
