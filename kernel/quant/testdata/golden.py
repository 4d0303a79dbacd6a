"""Writes golden.bin: blocks of every format and what the PyPI package gguf
(0.17 or later; pip install gguf) reads from them; and values with the blocks
that it quantises them to.

Layout: for each of NAMES, 4 blocks, then their values as little-endian f32.
Then for each of WRITTEN, 512 values as f32, then their blocks.
"""
import numpy as np
from gguf import GGMLQuantizationType as T, quants, GGML_QUANT_SIZES

NAMES = ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
WRITTEN = ["F16", "BF16", "Q8_0", "Q4_0"]
r = np.random.default_rng(7)
with open("golden.bin", "wb") as f:
    for name in NAMES:
        t = T[name]
        values, size = GGML_QUANT_SIZES[t]
        if values == 1:
            raw = quants.quantize(r.normal(size=(1, 4)).astype(np.float32), t).view(np.uint8).reshape(-1)
        else:
            raw = r.integers(0, 256, size=(4, size), dtype=np.uint8)
            for at in HALVES[name]:
                raw[:, at:at + 2] = (r.normal(size=4) * 0.1).astype(np.float16).view(np.uint8).reshape(4, 2)
            raw = raw.reshape(-1)
        f.write(raw.tobytes())
        f.write(quants.dequantize(raw.reshape(1, -1), t).astype("<f4").tobytes())
    for name in WRITTEN:
        x = (r.normal(size=(1, 512)) * 0.05).astype(np.float32)
        x[0, 32:64] = 0
        f.write(x.astype("<f4").tobytes())
        f.write(quants.quantize(x, T[name]).tobytes())
