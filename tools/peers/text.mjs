// text.mjs times language models beside llama.cpp, as the npm package
// node-llama-cpp brings it: in turns, in the same minutes, medians of ratios.
//
//   node text.mjs KUAI DIR ROUNDS NAME=MODEL.gguf:PROMPT:TOKENS ...
//
// DIR holds node_modules. With PEER=1 it is the peer: one timing as JSON.
import {spawnSync} from "node:child_process";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import path from "node:path";

async function peer(dir, model, prompt, tokens) {
  const require = createRequire(path.resolve(dir, "x.js"));
  const {getLlama, LlamaLogLevel} = await import(pathToFileURL(require.resolve("node-llama-cpp")));
  const llama = await getLlama({gpu: false, logLevel: LlamaLogLevel.error, build: "never"});
  const m = await llama.loadModel({modelPath: model});
  const context = await m.createContext({contextSize: prompt + tokens + 16, batchSize: 512, threads: +(process.env.T || 2), flashAttention: true});
  const sequence = context.getSequence();
  const vocabulary = 20000;
  const ids = Array.from({length: prompt}, (_, i) => (300 + i * 7919) % vocabulary);
  let t = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(ids);
  const prefill = prompt / (performance.now() - t) * 1e3;
  t = performance.now();
  let n = 0;
  for await (const _ of sequence.evaluate([5], {temperature: 0, yieldEogToken: true})) if (++n >= tokens) break;
  console.log(JSON.stringify({prefill, decode: n / (performance.now() - t) * 1e3}));
  process.exit(0);
}

const median = (x) => x.sort((a, b) => a - b)[x.length >> 1];

function run(command, args, env) {
  const r = spawnSync(command, args, {encoding: "utf8", env: {...process.env, ...env}, maxBuffer: 1 << 24});
  if (r.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${r.stderr}`);
  return JSON.parse(r.stdout.slice(r.stdout.indexOf("{")));
}

function ours(kuai, model, prompt, tokens) {
  const r = run(kuai, ["bench", "text", "--model", model, "--prompt", prompt, "--tokens", tokens, "--quick", "--json"]);
  const value = (name) => r.bars.find((b) => b.name.startsWith(name)).value;
  return {prefill: value("prefill"), decode: value("decode")};
}

if (process.env.PEER) {
  await peer(process.argv[2], process.argv[3], +process.argv[4], +process.argv[5]);
}
const [, self, kuai, dir, rounds, ...cases] = process.argv;
console.log("median of " + rounds + " rounds in turns, tokens a second, 2 threads: kuai / llama.cpp = ratio");
for (const c of cases) {
  const [name, rest] = c.split("=");
  const [model, prompt, tokens] = rest.split(":");
  const a = [], b = [];
  for (let i = 0; i < +rounds; i++) {
    a.push(ours(kuai, model, prompt, tokens));
    b.push(run(process.execPath, [self, dir, model, prompt, tokens], {PEER: "1"}));
  }
  for (const kind of ["prefill", "decode"]) {
    const ratio = median(a.map((x, i) => x[kind] / b[i][kind]));
    console.log(`${name.padEnd(16)} ${kind} ${kind === "prefill" ? prompt : tokens}:`.padEnd(32) +
      `${median(a.map((x) => x[kind])).toFixed(0)} / ${median(b.map((x) => x[kind])).toFixed(0)} = ${ratio.toFixed(2)}`);
  }
}
