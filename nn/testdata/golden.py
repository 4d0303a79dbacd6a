"""Writes the golden values of the layers: outputs and all gradients by PyTorch.

Run in this folder: python3 golden.py. Each file has the inputs x0, x1, ..., the
parameters p.NAME, the output y (before the loss), the target of a mean square
loss (where y is not itself a loss), and the gradients d.x0, d.p.NAME.
"""

import json
import math
import struct
import sys

import numpy
import torch
import torch.nn.functional as F

SEED = 20
torch.manual_seed(SEED)
torch.set_num_threads(1)
META = {"torch": torch.__version__, "numpy": numpy.__version__,
        "python": sys.version.split()[0], "seed": str(SEED), "script": "golden.py"}


def write(path, tensors):
    header, data = {"__metadata__": META}, b""
    for name, t in tensors.items():
        raw = t.detach().to(torch.float32).contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def case(name, f, inputs, params=None):
    xs = [torch.randn(*s).requires_grad_() if not torch.is_tensor(s) else s.requires_grad_() for s in inputs]
    ps = {k: (torch.randn(*s) * 0.5).requires_grad_() for k, s in (params or {}).items()}
    y = f(*xs, **ps)
    out = {"x%d" % i: x for i, x in enumerate(xs)}
    out.update({"p." + k: p for k, p in ps.items()})
    out["y"] = y
    if y.numel() > 1:
        target = torch.randn(*y.shape)
        out["target"] = target
        y = F.mse_loss(y, target)
    y.sum().backward()
    out.update({"d.x%d" % i: x.grad for i, x in enumerate(xs)})
    out.update({"d.p." + k: p.grad for k, p in ps.items() if p.grad is not None})
    write(name + ".safetensors", out)


def rmsnorm(x, weight=None):
    y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
    return y if weight is None else y * weight


def causal_conv(x, weight, bias):
    """x [B,T,H,W,C], weight [O,KT,KH,KW,C]: the first frame is repeated before the clip."""
    kt, kh, kw = weight.shape[1:4]
    x = torch.cat([x[:, :1]] * (kt - 1) + [x], 1).permute(0, 4, 1, 2, 3)
    y = F.conv3d(x, weight.permute(0, 4, 1, 2, 3), bias, padding=(0, kh // 2, kw // 2))
    return y.permute(0, 2, 3, 4, 1)


def depthwise(x, weight):
    kt, kh, kw, c = weight.shape
    w = weight.permute(3, 0, 1, 2).unsqueeze(1)
    y = F.conv3d(x.permute(0, 4, 1, 2, 3), w, padding=(kt // 2, kh // 2, kw // 2), groups=c)
    return y.permute(0, 2, 3, 4, 1)


def unshuffle(x, ft, fs):
    b, t, h, w, c = x.shape
    x = x.reshape(b, t // ft, ft, h // fs, fs, w // fs, fs, c)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(b, t // ft, h // fs, w // fs, ft * fs * fs * c)


def shuffle(x, ft, fs):
    b, t, h, w, c = x.shape
    c //= ft * fs * fs
    x = x.reshape(b, t, h, w, ft, fs, fs, c)
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(b, t * ft, h * fs, w * fs, c)


def rope_angles(grid, hd, base=100.0):
    pairs = hd // 2
    nt = pairs // 4
    nr = (pairs - nt) // 2
    axes = [nt, nr, pairs - nt - nr]
    pos = torch.stack(torch.meshgrid(*[torch.arange(n) for n in grid], indexing="ij"), -1).reshape(-1, 3)
    cols = []
    for axis, n in enumerate(axes):
        freq = base ** (-torch.arange(n, dtype=torch.float64) / max(n, 1))
        cols.append(pos[:, axis:axis + 1] * freq)
    return torch.cat(cols, 1)  # [N, hd/2]


def rope(x, grid):
    a = rope_angles(grid, x.shape[-1])
    c, s = a.cos().float()[None, :, None], a.sin().float()[None, :, None]
    e, o = x[..., 0::2], x[..., 1::2]
    return torch.stack([e * c - o * s, e * s + o * c], -1).flatten(-2)


def softmax_attention(q, k, v, lens=None, causal=False):
    s = torch.einsum("bnhd,bmhd->bhnm", q, k) / math.sqrt(q.shape[-1])
    if lens is not None:
        hide = torch.arange(k.shape[1])[None] >= torch.tensor(lens)[:, None]
        s = s.masked_fill(hide[:, None, None], -math.inf)
    if causal:
        s = s.masked_fill(torch.ones(s.shape[-2:]).triu(1).bool(), -math.inf)
    return torch.einsum("bhnm,bmhd->bnhd", s.softmax(-1), v)


def linear_attention(q, k, v, grid):
    q, k = q.relu(), k.relu()
    top = torch.einsum("bnhd,bmhd,bmhe->bnhe", rope(q, grid), rope(k, grid), v)
    return top / (torch.einsum("bnhd,bhd->bnh", q, k.sum(1)) + 1e-6)[..., None]


def lightning_attention(q, k, v, decay):
    n = q.shape[1]
    gap = torch.arange(n)[:, None] - torch.arange(n)[None]
    weight = torch.tensor(decay)[:, None, None] ** gap.clamp(min=0) * (gap >= 0)
    return torch.einsum("bnhd,bmhd,hnm,bmhe->bnhe", q, k, weight, v)


def edge_loss(x, target, eps=0.02):
    e = x - target
    right, below = e[..., :, 1:, :] - e[..., :, :-1, :], e[..., 1:, :, :] - e[..., :-1, :, :]
    return ((right ** 2 + eps ** 2).sqrt().sum() + (below ** 2 + eps ** 2).sqrt().sum()) / x.numel()


def mean_pool(x, lens):
    return torch.stack([x[b, :n].mean(0) for b, n in enumerate(lens)])


def kl(m, lv):
    return (0.5 * (m ** 2 + lv.exp() - 1 - lv)).mean()


def bag(weight):
    return torch.stack([weight[[1, 5]].mean(0), weight[[1, 0, 2]].mean(0)])


def layers():
    clip = (2, 3, 4, 5, 3)
    case("linear", lambda x, weight, bias: F.linear(x, weight, bias), [(2, 3, 7)], {"weight": (5, 7), "bias": (5,)})
    case("rmsnorm", rmsnorm, [(2, 3, 6)], {"weight": (6,)})
    case("rmsnorm_plain", rmsnorm, [(2, 3, 6)])
    case("conv_2x3x3", causal_conv, [clip], {"weight": (4, 2, 3, 3, 3), "bias": (4,)})
    case("conv_3x3x3", causal_conv, [(1, 4, 3, 4, 2)], {"weight": (3, 3, 3, 3, 2), "bias": (3,)})
    case("conv_1x3x3", causal_conv, [clip], {"weight": (4, 1, 3, 3, 3), "bias": (4,)})
    case("depthwise_space", depthwise, [clip], {"weight": (1, 3, 3, 3)})
    case("depthwise_time", depthwise, [clip], {"weight": (3, 1, 1, 3)})
    case("embedding", lambda weight: weight[[1, 5, 1, 0]].reshape(2, 2, 3), [], {"weight": (6, 3)})
    case("bag", bag, [], {"weight": (6, 3)})
    case("silu", F.silu, [(3, 5)])
    case("gelu", lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))), [(3, 5)])
    case("tanh", torch.tanh, [(3, 5)])
    case("sigmoid", torch.sigmoid, [(3, 5)])
    case("swiglu", lambda x: F.silu(x[..., :4]) * x[..., 4:], [(2, 3, 8)])
    case("modulate", lambda x, s, b: x * (1 + s[:, None]) + b[:, None], [(2, 3, 4), (2, 4), (2, 4)])
    case("gate_add", lambda x, y, g: x + g[:, None] * y, [(2, 3, 4), (2, 3, 4), (2, 4)])
    case("add_row", lambda x, r: x + r, [(2, 3, 4), (3, 4)])
    case("unshuffle", lambda x: unshuffle(x, 2, 2), [(2, 4, 2, 6, 3)])
    case("shuffle", lambda x: shuffle(x, 2, 2), [(2, 2, 1, 3, 16)])
    case("mean_pool", lambda x: mean_pool(x, [2, 4, 1]), [(3, 4, 5)])
    case("rope", lambda x: rope(x, (2, 2, 3)), [(2, 12, 2, 8)])
    heads = (2, 12, 2, 8)
    case("softmax_attention", lambda q, k, v: softmax_attention(q, k, v, [6, 2]), [(2, 5, 2, 8), (2, 6, 2, 8), (2, 6, 2, 8)])
    case("causal_attention", lambda q, k, v: softmax_attention(q, k, v, causal=True), [(2, 5, 2, 8)] * 3)
    case("linear_attention", lambda q, k, v: linear_attention(q, k, v, (2, 2, 3)), [heads] * 3)
    case("lightning_attention", lambda q, k, v: lightning_attention(q, k, v, [0.9, 0.5]), [(2, 5, 2, 8)] * 3)
    case("charbonnier", lambda x, t: ((x - t) ** 2 + 0.1 ** 2).sqrt().mean(), [clip, clip])
    case("edge_loss", edge_loss, [clip, clip])
    case("cross_entropy", lambda x: F.cross_entropy(x, torch.tensor([3, -1, 0, 4]), ignore_index=-1), [(4, 5)])
    case("kl", kl, [(2, 3, 4), (2, 3, 4)])


def tiny_model():
    """Ten losses of a small autoencoder under AdamW with clipping."""
    shapes = {"conv.weight": (8, 2, 3, 3, 3), "conv.bias": (8,), "norm.weight": (8,), "out.weight": (3, 8), "out.bias": (3,)}
    ps = {k: (torch.randn(*s) * 0.3).requires_grad_() for k, s in shapes.items()}
    x = torch.randn(2, 3, 4, 4, 3)
    out = {"x": x, **{"p." + k: p.clone() for k, p in ps.items()}}
    matrices = [p for p in ps.values() if p.dim() > 1]
    opt = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1},
                             {"params": [p for p in ps.values() if p.dim() == 1], "weight_decay": 0.0}],
                            lr=0.02, betas=(0.9, 0.99), eps=1e-8)
    losses = []
    for _ in range(10):
        h = rmsnorm(F.silu(causal_conv(x, ps["conv.weight"], ps["conv.bias"])), ps["norm.weight"])
        loss = F.mse_loss(F.linear(h, ps["out.weight"], ps["out.bias"]), x)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(ps.values()), 0.5)
        opt.step()
        losses.append(loss.detach())
    out["losses"] = torch.stack(losses)
    out.update({"end." + k: p for k, p in ps.items()})
    write("../../optim/testdata/adamw.safetensors", out)


def newton_schulz(g):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm() + 1e-7)
    if x.shape[0] > x.shape[1]:
        return newton_schulz_rounds(x.T, a, b, c).T
    return newton_schulz_rounds(x, a, b, c)


def newton_schulz_rounds(x, a, b, c):
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def muon():
    """Three updates of a wide, a tall and a convolution's matrix, in float64."""
    out = {}
    for name, shape in {"wide": (6, 10), "tall": (10, 6), "conv": (4, 2, 3, 3, 3)}.items():
        w, m = torch.randn(*shape).double(), torch.zeros(*shape).double()
        out["begin." + name] = w.clone()
        for step in range(3):
            g = torch.randn(*shape)
            out["g%d.%s" % (step, name)] = g
            m = 0.95 * m + g
            u = newton_schulz((g + 0.95 * m).reshape(shape[0], -1)).reshape(shape)
            rows, cols = shape[0], w[0].numel()
            w = w * (1 - 0.02 * 0.1) - 0.02 * 0.2 * math.sqrt(max(rows, cols)) * u
        out["end." + name] = w
    write("../../optim/testdata/muon.safetensors", out)


def short_conv(x, weight):
    """y_t = sum_j w_j x_{t-j}: a causal depthwise convolution whose last tap is the present."""
    k, d = weight.shape
    kernel = weight.flip(0).T.reshape(d, 1, k)
    return F.conv1d(F.pad(x.transpose(1, 2), (k - 1, 0)), kernel, groups=d).transpose(1, 2)


def experts(x, **p):
    """Four gated units, two a token, chosen by sigmoid score plus bias, weighed by score."""
    scores = torch.sigmoid(x @ p["gate.weight"].T)
    chosen = (scores + p["e_score_correction_bias"]).topk(2, dim=-1).indices
    weight = scores.gather(-1, chosen)
    weight = weight / weight.sum(-1, keepdim=True)
    y = torch.zeros_like(x)
    for e in range(4):
        gate, up = (x @ p["experts.%d.gate_up_proj.weight" % e].T).chunk(2, dim=-1)
        out = (F.silu(gate) * up) @ p["experts.%d.down_proj.weight" % e].T
        y = y + out * (weight * (chosen == e)).sum(-1, keepdim=True)
    return y


def head_loss(x, weight):
    labels, w = torch.tensor([4, 0, 1, 2, 1, 3]), torch.tensor([1, 0.3, 0, 1, 0, 2])
    logits = 3 * torch.tanh(x.reshape(6, -1) @ weight.T / 3)
    return (F.cross_entropy(logits, labels, reduction="none") * w).sum() / w.sum()


def rope_text(x):
    n, hd = x.shape[1], x.shape[3]
    angle = torch.arange(n)[:, None] * 1000.0 ** (-torch.arange(hd // 2) * 2 / hd)[None, :]
    c, s = angle.cos()[None, :, None, :], angle.sin()[None, :, None, :]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * c - b * s, a * s + b * c], dim=-1).flatten(-2)


def window_attention(q, k, v):
    """Each query sees the last three positions."""
    q, k, v = (z.transpose(1, 2) for z in (q, k, v))
    i = torch.arange(q.shape[2])
    seen = (i[None, :] <= i[:, None]) & (i[None, :] > i[:, None] - 3)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2)


def text_layers():
    torch.manual_seed(SEED + 1)
    case("short_conv", short_conv, [(2, 5, 6)], {"weight": (4, 6)})
    case("rope_text", rope_text, [(2, 5, 2, 8)])
    case("repeat_heads", lambda x: x.repeat_interleave(3, dim=2), [(2, 3, 2, 4)])
    case("sigmoid_gate", lambda x, g: x * torch.sigmoid(g), [(2, 3, 4), (2, 3, 4)])
    case("window_attention", window_attention, [(2, 5, 2, 8)] * 3)
    units = {}
    for e in range(4):
        units["experts.%d.gate_up_proj.weight" % e] = (16, 6)
        units["experts.%d.down_proj.weight" % e] = (6, 8)
    case("experts", experts, [(2, 3, 6)], {"gate.weight": (4, 6), "e_score_correction_bias": (4,), **units})
    case("head_loss", head_loss, [(2, 3, 6)], {"weight": (5, 6)})


layers()
tiny_model()
muon()
text_layers()
