"""gemm.py TEST: a table of f32 rates, Kuai's benchmark binary against numpy.

Every figure is the best of three turns; a turn of the one follows a turn of the
other. C = A B^T for A [m, k] and B [n, k], as a linear layer has them.
"""
import os
import platform
import re
import subprocess
import sys

SHAPES = [(1024, 1024, 1024), (3584, 1280, 256), (1280, 256, 3584), (100000, 32, 288)]
TURNS = 3

PEER = """
import sys, time, numpy as np
m, n, k = map(int, sys.argv[1:])
r = np.random.default_rng(1)
a, b = (r.standard_normal(s, dtype=np.float32) for s in ((m, k), (n, k)))
c = np.empty((m, n), np.float32)
best, end = 1e9, time.perf_counter() + 0.4
while time.perf_counter() < end:
    t = time.perf_counter()
    np.matmul(a, b.T, out=c)
    best = min(best, time.perf_counter() - t)
print(2 * m * n * k / best / 1e9)
"""


def peer(shape, threads):
    env = dict(os.environ, OPENBLAS_NUM_THREADS=str(threads))
    out = subprocess.run([sys.executable, "-c", PEER, *map(str, shape)], env=env, capture_output=True, text=True, check=True)
    return float(out.stdout)


def kuai(test, shape, threads):
    """Returns the rates with B packed in the call and packed before."""
    m, n, k = shape
    pattern = f"GEMM/type=f32/m={m}$/n={n}$/k={k}$/layout=(nt|packed)/threads={threads}$"
    cmd = [test, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", "0.4s"]
    out = subprocess.run(cmd, capture_output=True, text=True, check=True).stdout
    return [float(re.search(rf"layout={name}/.* ([\d.]+) GFLOP/s", out)[1]) for name in ("nt", "packed")]


def main():
    import numpy

    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    if "openblas" not in blas["name"]:
        print(f"SKIP peers: this numpy multiplies with {blas['name']}")
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, numpy {numpy.__version__}, OpenBLAS {blas['version']}; f32, GFLOP/s")
    print(f"{'m x n x k':>18} threads    kuai  packed  OpenBLAS")
    for threads in (1, 2):
        if threads > (os.cpu_count() or 1):
            continue
        for shape in SHAPES:
            ours, theirs = [0.0, 0.0], 0.0
            for _ in range(TURNS):
                ours = [max(a, b) for a, b in zip(ours, kuai(sys.argv[1], shape, threads))]
                theirs = max(theirs, peer(shape, threads))
            print(f"{'x'.join(map(str, shape)):>18} {threads:7} {ours[0]:7.1f} {ours[1]:7.1f} {theirs:9.1f}", flush=True)


main()
