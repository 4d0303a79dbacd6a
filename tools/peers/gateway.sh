#!/bin/bash
# gateway.sh measures Kuai beside LiteLLM's proxy, each before the same model
# that costs nothing, with the same clients, in the same minutes. Kuai has its
# accounts, limits, balances and ledger on, on SQLite; LiteLLM a master key, and
# neither database nor logs. EACH (5s) a figure; WORKERS (2) processes of LiteLLM.
# Where LiteLLM cannot be installed it says so, and Kuai's rows stand alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=bin/peers/gateway
mkdir -p $peers
each=${EACH:-5s}
go build -o $peers/kuai ./cmd/kuai
go build -C tools -o "$PWD/$peers/gateway" ./gateway
dir=$(mktemp -d)
stop=()
trap 'kill "${stop[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT

up() { # waits for an address: up URL
  for _ in $(seq 600); do curl -fs -o /dev/null "$@" && return; sleep 0.1; done
  echo "$1 does not come up" >&2; return 1
}
rows() { # rows NAME BASE KEY
  for stream in false true; do
    for c in 16 256; do
      printf '%-8s %3d connections, stream=%-5s ' "$1" $c $stream
      $peers/gateway -ask "$2" -key "$3" -connections $c -each "$each" -stream=$stream || true
    done
  done
}

$peers/gateway -serve 127.0.0.1:19000 & stop+=($!)
up http://127.0.0.1:19000/v1/models
rows null http://127.0.0.1:19000/v1 none

$peers/kuai serve --addr 127.0.0.1:19001 --data "$dir/kuai" --no-render --require-key \
  --upstream http://127.0.0.1:19000/v1#null >"$dir/kuai.log" 2>&1 & stop+=($!)
up http://127.0.0.1:19001/readyz
key=$(sed -n 's/.*shown this once: //p' "$dir/kuai.log" | head -1)
rows kuai http://127.0.0.1:19001/v1 "$key"
kill "${stop[-1]}"; wait "${stop[-1]}" 2>/dev/null || true; unset 'stop[-1]'
$peers/kuai audit --data "$dir/kuai" | tail -1

skip() { echo "SKIP litellm: $1"; exit 0; }
command -v python3 >/dev/null || skip "no python3"
[ -x $peers/venv/bin/litellm ] || { python3 -m venv $peers/venv &&
  $peers/venv/bin/pip install --quiet --disable-pip-version-check 'litellm[proxy]' >$peers/pip.log 2>&1; } ||
  skip "it cannot be installed: $(tail -1 $peers/pip.log)"
cat >"$dir/litellm.yaml" <<YAML
model_list:
  - model_name: "null"
    litellm_params: {model: openai/null, api_base: http://127.0.0.1:19000/v1, api_key: none}
general_settings: {master_key: sk-peer}
litellm_settings: {telemetry: false, set_verbose: false}
YAML
LITELLM_LOG=ERROR LITELLM_LOCAL_MODEL_COST_MAP=True $peers/venv/bin/litellm --config "$dir/litellm.yaml" --host 127.0.0.1 --port 19002 \
  --num_workers "${WORKERS:-2}" >"$dir/litellm.log" 2>&1 & stop+=($!)
up http://127.0.0.1:19002/health/liveliness || { tail -5 "$dir/litellm.log"; skip "it does not start"; }
$peers/venv/bin/pip show litellm 2>/dev/null | sed -n '2p'
rows litellm http://127.0.0.1:19002/v1 sk-peer
