"""Writes golden values of a small reader: its scores, its loss and the loss's
gradients, by PyTorch, written from the description in doc.go.

Run in this folder: python3 golden.py. Parameters are named as in the files.
"""

import json
import struct
import sys

import torch
import torch.nn.functional as F

SEED = 5
torch.manual_seed(SEED)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
D, L, H, P, V, BASE = 16, 2, 2, 3, 1 << 14, 1000
META = {"torch": torch.__version__, "python": sys.version.split()[0], "seed": str(SEED), "script": "golden.py"}

# Two turns, of 4 and of 2 units with unit 0, padded to 4.
lens = [4, 2]
words = [[3, 70, 901, 12], [3, 44, 9, 9]]
pieces = [[[1, 2], [5], [5, 8, 13], [21]], [[34, 55], [89], [], []]]
kind = [1, 2]
tag = [[-1, 0, 1, 2], [-1, 0, -1, -1]]
places = [(0, 2, 1, 1, 1), (1, 0, 2, 0, 0)]  # turn, unit, predicate, first, last

params = {}


def p(name, *shape, std=0.5):
    params[name] = (torch.randn(*shape) * std).requires_grad_()
    return params[name]


used_words = sorted({w for row in words for w in row})
used_pieces = sorted({x for row in pieces for u in row for x in u})
word_rows, piece_rows = p("word_rows", len(used_words), D), p("piece_rows", len(used_pieces), D)
for i in range(L):
    for name, shape in [("norm1.weight", (D,)), ("qkv.weight", (3 * D, D)), ("out.weight", (D, D)), ("norm2.weight", (D,)),
                        ("up.weight", (4 * D, D)), ("down.weight", (D, 2 * D))]:
        p("layers.%d.%s" % (i, name), *shape)
p("norm.weight", D)
for name, n in [("kind", 6), ("tag", 3), ("predicate", P), ("first", D // 2), ("last", D // 2)]:
    p(name + ".weight", n, D)
    p(name + ".bias", n)
p("first_key.weight", D // 2, D)
p("last_key.weight", D // 2, D)


def rms(x, w):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6) * w


def rope(x):  # [N, hd], pairs (0, 1), (2, 3), ...
    n, hd = x.shape
    k = torch.arange(hd // 2)
    a = torch.arange(n)[:, None] * BASE ** (-k / (hd // 2))
    c, s = torch.cos(a), torch.sin(a)
    even, odd = x[:, 0::2], x[:, 1::2]
    return torch.stack([even * c - odd * s, even * s + odd * c], -1).reshape(n, hd)


def linear(name, x):
    y = x @ params[name + ".weight"].T
    return y + params[name + ".bias"] if name + ".bias" in params else y


def forward(b):  # over the units that there are: those after are masked anyway
    n = lens[b]
    rows = []
    for j in range(n):
        bag = torch.stack([piece_rows[used_pieces.index(x)] for x in pieces[b][j]]).mean(0)
        rows.append(word_rows[used_words.index(words[b][j])] + bag)
    x = torch.stack(rows)
    for i in range(L):
        pre = "layers.%d." % i
        qkv = linear(pre + "qkv", rms(x, params[pre + "norm1.weight"]))
        heads = []
        for h in range(H):
            at = lambda k: qkv[:, k * D + h * (D // H):k * D + (h + 1) * (D // H)]
            q, k, v = rope(at(0)), rope(at(1)), at(2)
            heads.append(torch.softmax(q @ k.T / (D // H) ** 0.5, -1) @ v)
        x = x + linear(pre + "out", torch.cat(heads, -1))
        u = linear(pre + "up", rms(x, params[pre + "norm2.weight"]))
        x = x + linear(pre + "down", F.silu(u[:, :2 * D]) * u[:, 2 * D:])
    return rms(x, params["norm.weight"])


hs = [forward(b) for b in range(2)]
kinds = torch.stack([linear("kind", h[0]) for h in hs])
tags = torch.cat([linear("tag", h[1:]) for h in hs])
tag_labels = torch.tensor([t for b in range(2) for t in tag[b][1:lens[b]]])
loss = F.cross_entropy(kinds, torch.tensor(kind)) + 5 * F.cross_entropy(tags, tag_labels)
parts = [[], [], []]
out = {"kind": kinds}
for i, (b, unit, pred, first, last) in enumerate(places):
    x = hs[b][unit]
    scores = [linear("predicate", x)]
    for name in ("first", "last"):
        scores.append(linear(name + "_key", hs[b]) @ linear(name, x) / (D // 2) ** 0.5)
    for k, (s, label) in enumerate(zip(scores, (pred, first, last))):
        parts[k].append(F.cross_entropy(s[None], torch.tensor([label])))
        out["place%d.%d" % (i, k)] = s
for k in parts:
    loss = loss + torch.stack(k).mean()
loss.backward()
out["loss"] = loss[None]
out["used_words"], out["used_pieces"] = torch.tensor(used_words), torch.tensor(used_pieces)
for name, t in params.items():
    out["p." + name], out["d." + name] = t, t.grad

header, data = {"__metadata__": META}, b""
for name, t in out.items():
    raw = t.detach().to(torch.float32).contiguous().numpy().tobytes()
    header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open("golden.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)
