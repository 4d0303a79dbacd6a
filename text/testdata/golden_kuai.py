"""Writes a small random model of the kuai architecture and what PyTorch makes of it.

Run in this folder: python3 golden_kuai.py. kuai/ gets config.json,
model.safetensors and golden.safetensors with tokens, logits, the weighted loss
of the next tokens and the gradient of every weight. The model is written here
from the description of the architecture, position by position where that is
the definition (lightning attention), not from the Go code.
"""

import json
import math
import os
import struct
import sys

import numpy
import torch
import torch.nn.functional as F

SEED = 31
torch.manual_seed(SEED)
torch.set_num_threads(1)
META = {"torch": torch.__version__, "numpy": numpy.__version__, "python": sys.version.split()[0],
        "seed": str(SEED), "script": "golden_kuai.py"}
C = {
    "architectures": ["KuaiForCausalLM"], "model_type": "kuai", "vocab_size": 97, "hidden_size": 32,
    "num_hidden_layers": 4, "layer_types": ["linear_attention", "sliding_attention", "linear_attention", "full_attention"],
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "sliding_window": 8, "rope_theta": 10000.0,
    "log_length": 16, "short_conv_kernel": 4, "bigram_vocab_size": 64, "first_k_dense_replace": 1, "intermediate_size": 48,
    "moe_intermediate_size": 24, "shared_intermediate_size": 16, "num_local_experts": 4, "num_experts_per_tok": 2,
    "final_logit_softcapping": 15.0, "rms_norm_eps": 1e-6, "max_position_embeddings": 4096, "tie_word_embeddings": True,
    "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "float32", "value_embedding_layers": [2],
}
D, H, KV, HD, V = 32, 2, 1, 16, 97
N = 150


def write(path, tensors, meta):
    header, data = {"__metadata__": meta}, b""
    for name, t in tensors.items():
        raw = t.detach().float().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def weights():
    w = {"model.embed_tokens.weight": torch.randn(V, D) * 0.3, "model.embed_bigrams.weight": torch.randn(64, D) * 0.3}

    def feed(name, f):
        w[name + ".gate_up_proj.weight"] = torch.randn(2 * f, D) * 0.2
        w[name + ".down_proj.weight"] = torch.randn(D, f) * 0.2

    for i, kind in enumerate(C["layer_types"]):
        p = "model.layers.%d." % i
        kv = H if kind == "linear_attention" else KV
        width = (H + 2 * kv) * HD
        w[p + "input_layernorm.weight"] = 1 + 0.2 * torch.randn(D)
        w[p + "post_attention_layernorm.weight"] = 1 + 0.2 * torch.randn(D)
        a = p + "self_attn."
        w[a + "qkv_proj.weight"] = torch.randn(width, D) * 0.25
        w[a + "conv.weight"] = torch.randn(4, width) * 0.4
        w[a + "g_proj.weight"] = torch.randn(H * HD, D) * 0.2
        w[a + "o_proj.weight"] = torch.randn(D, H * HD) * 0.2
        if kind == "linear_attention":
            w[a + "norm.weight"] = 1 + 0.2 * torch.randn(HD)
        else:
            w[a + "q_norm.weight"] = 1.5 + 0.2 * torch.randn(HD)
            w[a + "k_norm.weight"] = 1 + 0.2 * torch.randn(HD)
        if i in C["value_embedding_layers"]:
            w[a + "value_embed.weight"] = torch.randn(V, kv * HD) * 0.3
        if i < 1:
            feed(p + "mlp", 48)
            continue
        feed(p + "shared_mlp", 16)
        w[p + "block_sparse_moe.gate.weight"] = torch.randn(4, D) * 0.3
        w[p + "block_sparse_moe.e_score_correction_bias"] = torch.randn(4) * 0.05
        for e in range(4):
            feed(p + "block_sparse_moe.experts.%d" % e, 24)
    w["model.norm.weight"] = 1 + 0.2 * torch.randn(D)
    return w


def rms(x, w=None):
    y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
    return y if w is None else y * w


def conv(x, w):
    """y_t = sum_j w_j x_{t-j}."""
    n = x.shape[0]
    y = torch.zeros_like(x)
    for j in range(w.shape[0]):
        y = y + w[j] * torch.cat([torch.zeros(min(j, n), x.shape[1]), x[:n - j]])
    return y


def decays(layer):
    linear = [i for i, k in enumerate(C["layer_types"]) if k == "linear_attention"]
    before = sum(i < layer for i in linear)
    out = [math.exp(-(1e-4 ** ((h + before / len(linear)) / (H - 1)))) for h in range(H - 1)]
    return out + [1.0]


def rope(x):
    n = x.shape[0]
    angle = torch.arange(n)[:, None] * 10000.0 ** (-torch.arange(HD // 2) * 2 / HD)[None, :]
    c, s = angle.cos()[:, None, :], angle.sin()[:, None, :]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * c - b * s, a * s + b * c], dim=-1).flatten(-2)


def softmax(q, k, v, seen):
    """q [N, H, HD], k and v [N, 1, HD]."""
    score = torch.einsum("nhd,md->hnm", q, k[:, 0]) / math.sqrt(HD)
    p = score.masked_fill(~seen, float("-inf")).softmax(-1)
    return torch.einsum("hnm,md->nhd", p, v[:, 0])


def mix(w, i, x, ids):
    kind, a = C["layer_types"][i], "model.layers.%d.self_attn." % i
    n = x.shape[0]
    kv = H if kind == "linear_attention" else KV
    qkv = conv(x @ w[a + "qkv_proj.weight"].T, w[a + "conv.weight"])
    if kind == "linear_attention":
        qkv = F.silu(qkv)
    q, k, v = qkv.split([H * HD, kv * HD, kv * HD], dim=-1)
    if i in C["value_embedding_layers"]:
        v = v + w[a + "value_embed.weight"][ids]
    q, k, v = q.reshape(n, H, HD), k.reshape(n, kv, HD), v.reshape(n, kv, HD)
    if kind == "linear_attention":
        decay = torch.tensor(decays(i))[:, None, None]
        state, out = torch.zeros(H, HD, HD), []
        for t in range(n):
            state = decay * state + k[t][:, :, None] * v[t][:, None, :]
            out.append(torch.einsum("hd,hde->he", q[t], state))
        o = rms(torch.stack(out), w[a + "norm.weight"])
    else:
        q, k = rms(q, w[a + "q_norm.weight"]), rms(k, w[a + "k_norm.weight"])
        at = torch.arange(n)
        seen = at[None, :] <= at[:, None]
        if kind == "sliding_attention":
            q, k = rope(q), rope(k)
            seen = seen & (at[None, :] > at[:, None] - C["sliding_window"])
        else:
            q = q * (torch.log(at + 2.0) / math.log(C["log_length"]))[:, None, None]
        o = softmax(q, k, v, seen)
    o = o.reshape(n, H * HD) * torch.sigmoid(x @ w[a + "g_proj.weight"].T)
    return o @ w[a + "o_proj.weight"].T


def unit(w, name, x):
    gate, up = (x @ w[name + ".gate_up_proj.weight"].T).chunk(2, dim=-1)
    return (F.silu(gate) * up) @ w[name + ".down_proj.weight"].T


def feed(w, i, x):
    p = "model.layers.%d." % i
    if i < 1:
        return unit(w, p + "mlp", x)
    m = p + "block_sparse_moe."
    scores = torch.sigmoid(x @ w[m + "gate.weight"].T)
    chosen = (scores + w[m + "e_score_correction_bias"]).topk(2, dim=-1).indices
    weight = scores.gather(-1, chosen)
    weight = weight / weight.sum(-1, keepdim=True)
    y = unit(w, p + "shared_mlp", x)
    for e in range(4):
        y = y + unit(w, m + "experts.%d" % e, x) * (weight * (chosen == e)).sum(-1, keepdim=True)
    return y


def bigrams(ids):
    out, mask = [], 0xFFFFFFFF
    for t, token in enumerate(ids):
        before = ids[t - 1] if t else -1
        h = ((before + 1) * 0x9E3779B1 & mask) ^ ((token + 1) * 0x85EBCA6B & mask)
        h ^= h >> 15
        h = h * 0x2C1B3C6D & mask
        h ^= h >> 13
        out.append(h % 64)
    return out


def forward(w, ids):
    x = w["model.embed_tokens.weight"][ids] + w["model.embed_bigrams.weight"][bigrams(ids)]
    x = rms(x)
    for i in range(4):
        p = "model.layers.%d." % i
        x = x + mix(w, i, rms(x, w[p + "input_layernorm.weight"]), ids)
        x = x + feed(w, i, rms(x, w[p + "post_attention_layernorm.weight"]))
    x = rms(x, w["model.norm.weight"])
    return 15 * torch.tanh(x @ w["model.embed_tokens.weight"].T / 15)


def main():
    os.makedirs("kuai", exist_ok=True)
    w = weights()
    for t in w.values():
        t.requires_grad_()
    ids = torch.randint(0, V, (N + 1,)).tolist()
    logits = forward(w, ids[:N])
    weight = torch.rand(N)
    weight[3] = 0
    loss = (F.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none") * weight).sum() / weight.sum()
    loss.backward()
    with open("kuai/config.json", "w") as f:
        json.dump(C, f, indent=2)
    write("kuai/model.safetensors", w, {"format": "pt"})
    out = {"tokens": torch.tensor(ids[:N]), "labels": torch.tensor(ids[1:]), "logits": logits, "weights": weight, "loss": loss.reshape(1)}
    out.update({"d." + k: t.grad for k, t in w.items() if t.grad is not None})
    write("kuai/golden.safetensors", out, META)


main()
