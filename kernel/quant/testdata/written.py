"""Writes written.bin: values and the blocks that ggml's reference quantises
them to (libggml-base of llama.cpp, any build; its path is the argument).

Layout: for each of NAMES, 2048 values as little-endian f32, then their blocks.
The values: normal ones of several widths, with an outlier, a constant block,
zeros, positive ones only, negative ones only, and very small ones.
"""
import ctypes
import sys
import numpy as np

NAMES = {"q4_0": 18 / 32, "q4_1": 20 / 32, "q5_0": 22 / 32, "q5_1": 24 / 32, "q8_0": 34 / 32, "q4_K": 144 / 256, "q5_K": 176 / 256, "q6_K": 210 / 256}
lib = ctypes.CDLL(sys.argv[1])
r = np.random.default_rng(11)
with open("written.bin", "wb") as f:
    for name, size in NAMES.items():
        x = (r.normal(size=(8, 256)) * np.array([0.02, 0.1, 1, 5, 0.05, 0.05, 1e-3, 1e-6])[:, None]).astype(np.float32)
        x[1, 17] = 3
        x[2, 32:64] = 0.25
        x[2, 64:96] = 0
        x[3, 128:160] *= 1e-5
        x[4] = np.abs(x[4])
        x[5] = -np.abs(x[5])
        x[6, :] = 0
        out = np.zeros(int(2048 * size), np.uint8)
        getattr(lib, f"quantize_row_{name}_ref")(x.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(2048))
        f.write(x.astype("<f4").tobytes())
        f.write(out.tobytes())
