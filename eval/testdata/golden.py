"""Golden values of metric_test.go: PSNR, and SSIM as in Wang et al. 2004 with
a Gaussian window of 11 and sigma 1.5 on the luma. NumPy 1.24; no seed is used."""
import numpy as np

y, x = np.mgrid[0:16, 0:16]
a = (8 * (x + y)).astype(np.float64)
b = a + 10 * (x < y)
print("PSNR", 10 * np.log10(255**2 / np.mean((a - b) ** 2)))

d = np.arange(11) - 5
g = np.exp(-d * d / (2 * 1.5**2))
w = np.outer(g, g) / g.sum() ** 2
def smooth(v):
    return np.array([[(v[i:i + 11, j:j + 11] * w).sum() for j in range(6)] for i in range(6)])
ma, mb = smooth(a), smooth(b)
va, vb, c = smooth(a * a) - ma**2, smooth(b * b) - mb**2, smooth(a * b) - ma * mb
c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
print("SSIM", np.mean((2 * ma * mb + c1) * (2 * c + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))))
