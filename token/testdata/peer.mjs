// What llama.cpp makes of lines:
//   npm i --ignore-scripts node-llama-cpp@3.22.1      (in a folder outside the repository, and run there)
//   node peer.mjs DIR NAME     reads DIR/NAME.gguf and DIR/lines.txt, writes DIR/NAME.ids
// Then: KUAI_TOKEN_PEER=DIR go test -run Peer ./token
import fs from "fs";
import {createRequire} from "module";
import {pathToFileURL} from "url";
const entry = createRequire(process.cwd() + "/").resolve("node-llama-cpp");
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(entry).href);
const [,, dir, name] = process.argv;
const llama = await getLlama({gpu: false, logLevel: LlamaLogLevel.error, build: "never"});
const model = await llama.loadModel({modelPath: `${dir}/${name}.gguf`, vocabOnly: true});
const lines = fs.readFileSync(`${dir}/lines.txt`, "utf8").split("\n");
fs.writeFileSync(`${dir}/${name}.ids`, lines.map(l => Array.from(model.tokenize(l, true)).join(" ")).join("\n"));
process.exit(0);
