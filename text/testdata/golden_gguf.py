#!/usr/bin/env python3
"""Makes the GGUF fixtures of this folder: random weights, and logits from a plain reference in float64.

    python golden_gguf.py        # numpy alone

Written from the papers and the format's documents, position by position,
without a cache. transformers is no oracle for these: it turns the whole head
of minimax, and has no rows in the order of GGUF's llama. Each NAME.gguf has a
NAME.safetensors with tokens [T] and logits [T, V].
"""
import json
import os
import struct

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
U32, I32, F32, BOOL, STR, ARR = 4, 5, 6, 7, 8, 9


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def value(t, v):
    if t == STR:
        return text(v)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[t], v)


def write_gguf(path, keys, tensors):
    """keys: (name, type, value), a list makes an array; tensors: name -> array, stored as F32 if 1-D or named so, else F16."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for k, t, v in keys:
        out += text(k)
        if isinstance(v, list):
            out += struct.pack("<IIQ", ARR, t, len(v)) + b"".join(value(t, x) for x in v)
        else:
            out += struct.pack("<I", t) + value(t, v)
    data = b""
    for name, x in tensors.items():
        half = x.ndim > 1 and "ffn_gate_inp" not in name
        raw = x.astype(np.float16 if half else np.float32).tobytes()
        out += text(name) + struct.pack("<I", x.ndim) + struct.pack("<%dQ" % x.ndim, *x.shape[::-1]) + struct.pack("<IQ", 1 if half else 0, len(data))
        data += raw + b"\0" * (-len(raw) % 32)
    out += b"\0" * (-len(out) % 32)
    with open(path, "wb") as f:
        f.write(out + data)


def write_golden(path, tokens, logits):
    arrays = {"logits": ("F32", logits.astype("<f4")), "tokens": ("I32", tokens.astype("<i4"))}
    header, data = {"__metadata__": {"numpy": np.__version__}}, b""
    for name, (t, x) in arrays.items():
        header[name] = {"dtype": t, "shape": list(x.shape), "data_offsets": [len(data), len(data) + x.nbytes]}
        data += x.tobytes()
    h = json.dumps(header).encode()
    h += b" " * (-len(h) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(h)) + h + data)


def rms(x, w, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def silu(x):
    return x / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def rope(x, c, factors):
    """x [T, heads, D]; pairs are neighbours in llama's GGUF, half the rotary dimensions apart in minimax's."""
    t, r = len(x), c["rot"]
    angle = np.arange(t)[:, None] * c["base"] ** (-np.arange(0, r, 2) / r) / factors
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    y = x.copy()
    a, b = (slice(0, r, 2), slice(1, r, 2)) if c["arch"] == "llama" else (slice(0, r // 2), slice(r // 2, r))
    y[..., a], y[..., b] = x[..., a] * cos - x[..., b] * sin, x[..., a] * sin + x[..., b] * cos
    return y


def attention(h, w, p, c):
    t, H, K, D = len(h), c["heads"], c["kv"], c["d"]
    f = w.get("rope_freqs.weight", 1.0)
    q = rope((h @ w[p + "attn_q.weight"].T).reshape(t, H, D), c, f)
    k = rope((h @ w[p + "attn_k.weight"].T).reshape(t, K, D), c, f)
    v = (h @ w[p + "attn_v.weight"].T).reshape(t, K, D)
    out = np.zeros((t, H, D))
    for i in range(t):
        for j in range(H):
            g = j * K // H
            out[i, j] = softmax(k[: i + 1, g] @ q[i, j] / np.sqrt(D)) @ v[: i + 1, g]
    return out.reshape(t, H * D) @ w[p + "attn_output.weight"].T


def lightning(h, w, p, c, layer):
    t, H, D = len(h), c["heads"], c["d"]
    qkv = silu(h @ w[p + "attn_qkv.weight"].T).reshape(t, H, 3, D)
    slope = 2.0 ** (-8 * np.arange(1, H + 1) / H) * (1 - layer / (c["layers"] - 1 + 1e-5) + 1e-5)
    s, out = np.zeros((H, D, D)), np.zeros((t, H, D))
    for i in range(t):
        q, k, v = qkv[i, :, 0], qkv[i, :, 1], qkv[i, :, 2]
        s = np.exp(-slope)[:, None, None] * s + k[:, :, None] * v[:, None, :]
        out[i] = np.einsum("hd,hde->he", q, s)
    o = rms(out.reshape(t, H * D), w[p + "attn_norm_2.weight"], c["eps"])
    return (o / (1 + np.exp(-(h @ w[p + "attn_gate.weight"].T)))) @ w[p + "attn_output.weight"].T


def feed_forward(h, w, p, c):
    prob = softmax(h @ w[p + "ffn_gate_inp.weight"].T)
    out = np.zeros_like(h)
    for i in range(len(h)):
        top = np.argsort(-prob[i], kind="stable")[: c["used"]]
        for x in top:
            y = silu(w[p + "ffn_gate_exps.weight"][x] @ h[i]) * (w[p + "ffn_up_exps.weight"][x] @ h[i])
            out[i] += prob[i, x] / prob[i, top].sum() * (w[p + "ffn_down_exps.weight"][x] @ y)
    return out


def forward(tokens, w, c):
    x = w["token_embd.weight"][tokens]
    for i in range(c["layers"]):
        p = "blk.%d." % i
        h = rms(x, w[p + "attn_norm.weight"], c["eps"])
        a = attention(h, w, p, c) if c["full"](i) else lightning(h, w, p, c, i)
        x = c["alpha"] * h + a if c["post"] else x + a
        h = rms(x, w[p + "ffn_norm.weight"], c["eps"])
        f = feed_forward(h, w, p, c)
        x = c["alpha"] * h + f if c["post"] else x + f
    return rms(x, w["output_norm.weight"], c["eps"]) @ w.get("output.weight", w["token_embd.weight"]).T


def make(name, c, seed, keys, length=150):
    rng = np.random.default_rng(seed)
    e, H, K, D, F, X, V = c["e"], c["heads"], c["kv"], c["d"], c["ff"], c["x"], c["v"]
    w = {}

    def mat(n, *shape):
        w[n] = (rng.standard_normal(shape) * 1.2 / shape[-1] ** 0.5).astype(np.float16).astype(np.float64)

    def vec(n, size):
        w[n] = (1 + 0.2 * rng.standard_normal(size)).astype(np.float32).astype(np.float64)

    mat("token_embd.weight", V, e)
    vec("output_norm.weight", e)
    if not c["tied"]:
        mat("output.weight", V, e)
    if c["arch"] == "llama":
        w["rope_freqs.weight"] = np.linspace(1, 4, c["rot"] // 2).astype(np.float32).astype(np.float64)
    for i in range(c["layers"]):
        p = "blk.%d." % i
        vec(p + "attn_norm.weight", e)
        vec(p + "ffn_norm.weight", e)
        if c["full"](i):
            for part, rows in ("q", H * D), ("k", K * D), ("v", K * D):
                mat(p + "attn_%s.weight" % part, rows, e)
        else:
            mat(p + "attn_qkv.weight", 3 * H * D, e)
            mat(p + "attn_gate.weight", H * D, e)
            vec(p + "attn_norm_2.weight", H * D)
        mat(p + "attn_output.weight", e, H * D)
        mat(p + "ffn_gate_inp.weight", X, e)
        mat(p + "ffn_gate_exps.weight", X, F, e)
        mat(p + "ffn_up_exps.weight", X, F, e)
        mat(p + "ffn_down_exps.weight", X, e, F)
    a = c["arch"] + "."
    all_keys = [("general.architecture", STR, c["arch"]), ("general.name", STR, name), ("general.alignment", U32, 32)]
    for k, n in ("block_count", "layers"), ("embedding_length", "e"), ("feed_forward_length", "ff"), ("attention.head_count", "heads"), \
            ("attention.head_count_kv", "kv"), ("attention.key_length", "d"), ("attention.value_length", "d"), ("rope.dimension_count", "rot"), \
            ("expert_count", "x"), ("expert_used_count", "used"), ("vocab_size", "v"):
        all_keys.append((a + k, U32, c[n]))
    all_keys += [(a + "context_length", U32, 4096), (a + "attention.layer_norm_rms_epsilon", F32, c["eps"]), (a + "rope.freq_base", F32, c["base"])]
    all_keys += [(a + k, t, v) for k, t, v in keys]
    letters = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters += [256 + i for i in range(256 - len(letters))]
    all_keys += [("tokenizer.ggml.model", STR, "gpt2"), ("tokenizer.ggml.pre", STR, "gpt-2"),
                 ("tokenizer.ggml.tokens", STR, [chr(x) for x in letters] + ["<s>", "</s>", "ab", "cd"]),
                 ("tokenizer.ggml.token_type", I32, [1] * 256 + [3, 3, 1, 1]), ("tokenizer.ggml.merges", STR, ["a b", "c d"]),
                 ("tokenizer.ggml.bos_token_id", U32, 256), ("tokenizer.ggml.eos_token_id", U32, 257)]
    write_gguf(os.path.join(HERE, name + ".gguf"), all_keys, w)
    tokens = rng.integers(0, V, length)
    logits = forward(tokens, w, c)
    write_golden(os.path.join(HERE, name + ".safetensors"), tokens, logits)
    print(name, logits.std())


shape = dict(e=32, heads=4, kv=2, d=16, ff=32, x=4, used=2, v=260, eps=2.0 ** -17, tied=False)
make("minimax-half", dict(shape, arch="minimax-01", layers=4, rot=8, base=1e4, post=True, alpha=3.5, full=lambda i: i % 2 == 1), 11,
     [("residual_scale", F32, 3.5), ("full_attention_interval", U32, 2)])
make("minimax-list", dict(shape, arch="minimax-01", layers=3, rot=16, base=1e4, post=True, alpha=1.0, full=lambda i: i == 0, tied=True), 12,
     [("residual_scale", F32, 1.0), ("attention.recurrent_layers", BOOL, [False, True, True])])
make("llama-moe", dict(shape, arch="llama", layers=2, rot=12, base=5e5, post=False, full=lambda i: True), 13, [])
