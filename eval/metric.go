package eval

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"kuai/media"
)

// PSNR is the peak signal-to-noise ratio in dB over all frames and channels.
func PSNR(a, b *media.Clip) (float64, error) {
	if err := alike(a, b); err != nil {
		return 0, err
	}
	var sum float64
	n := 0
	for i, f := range a.Frames {
		for p, v := range f {
			d := float64(v) - float64(b.Frames[i][p])
			sum += d * d
		}
		n += len(f)
	}
	return 10 * math.Log10(255*255*float64(n)/max(sum, 1e-9)), nil
}

func alike(a, b *media.Clip) error {
	if a.Width != b.Width || a.Height != b.Height || len(a.Frames) != len(b.Frames) || len(a.Frames) == 0 {
		return fmt.Errorf("eval: clips of %d frames of %dx%d and %d of %dx%d", len(a.Frames), a.Width, a.Height, len(b.Frames), b.Width, b.Height)
	}
	return nil
}

// ssimWindow is the side of SSIM's Gaussian window, ssimSigma its deviation.
const (
	ssimWindow = 11
	ssimSigma  = 1.5
)

// SSIM is the structural similarity of the luma (BT.601), the mean over all
// places where the window fits, and all frames.
//
// Source: Wang et al., Image quality assessment, IEEE TIP 13(4), 2004.
func SSIM(a, b *media.Clip) (float64, error) {
	if err := alike(a, b); err != nil {
		return 0, err
	}
	if a.Width < ssimWindow || a.Height < ssimWindow {
		return 0, fmt.Errorf("eval: SSIM of %dx%d, want sides of at least %d", a.Width, a.Height, ssimWindow)
	}
	var sum float64
	for i := range a.Frames {
		sum += ssim(luma(a.Frames[i]), luma(b.Frames[i]), a.Width, a.Height)
	}
	return sum / float64(len(a.Frames)), nil
}

func luma(f []byte) []float64 {
	y := make([]float64, len(f)/3)
	for i := range y {
		y[i] = 0.299*float64(f[3*i]) + 0.587*float64(f[3*i+1]) + 0.114*float64(f[3*i+2])
	}
	return y
}

func ssim(x, y []float64, w, h int) float64 {
	const c1, c2 = (0.01 * 255) * (0.01 * 255), (0.03 * 255) * (0.03 * 255)
	product := func(a, b []float64) []float64 {
		out := make([]float64, len(a))
		for i := range a {
			out[i] = a[i] * b[i]
		}
		return smooth(out, w, h)
	}
	mx, my := smooth(x, w, h), smooth(y, w, h)
	xx, yy, xy := product(x, x), product(y, y), product(x, y)
	var sum float64
	for i := range mx {
		vx, vy, cov := xx[i]-mx[i]*mx[i], yy[i]-my[i]*my[i], xy[i]-mx[i]*my[i]
		sum += (2*mx[i]*my[i] + c1) * (2*cov + c2) / ((mx[i]*mx[i] + my[i]*my[i] + c1) * (vx + vy + c2))
	}
	return sum / float64(len(mx))
}

// smooth applies the Gaussian window where it fits.
func smooth(x []float64, w, h int) []float64 {
	var g [ssimWindow]float64
	var total float64
	for i := range g {
		d := float64(i - ssimWindow/2)
		g[i] = math.Exp(-d * d / (2 * ssimSigma * ssimSigma))
		total += g[i]
	}
	ow, oh := w-ssimWindow+1, h-ssimWindow+1
	rows := make([]float64, ow*h)
	for y := range h {
		for i := range ow {
			for k, v := range g {
				rows[y*ow+i] += v / total * x[y*w+i+k]
			}
		}
	}
	out := make([]float64, ow*oh)
	for y := range oh {
		for i := range ow {
			for k, v := range g {
				out[y*ow+i] += v / total * rows[(y+k)*ow+i]
			}
		}
	}
	return out
}

// frechetWidth is to how many dimensions features are projected, at random but
// always the same, so that a few hundred clips give their covariance.
const frechetWidth = 32

// Frechet is the Fréchet distance between two sets of features, of which each
// is taken to be Gaussian: |μa-μb|² + tr(A + B - 2(AB)^½). Its figures compare
// with each other and with no others.
//
// Source: Heusel et al., arXiv:1706.08500.
func Frechet(a, b [][]float32) (float64, error) {
	if len(a) <= frechetWidth || len(b) <= frechetWidth {
		return 0, fmt.Errorf("eval: Fréchet distance of %d and %d clips, want more than %d", len(a), len(b), frechetWidth)
	}
	ma, ca := gaussian(project(a))
	mb, cb := gaussian(project(b))
	var d float64
	for i := range ma {
		d += (ma[i] - mb[i]) * (ma[i] - mb[i])
	}
	root, err := matrixRoot(ca)
	if err != nil {
		return 0, err
	}
	var m mat.Dense
	m.Product(root, cb, root)
	inner := mat.NewSymDense(frechetWidth, nil)
	for i := range frechetWidth {
		for j := i; j < frechetWidth; j++ {
			inner.SetSym(i, j, (m.At(i, j)+m.At(j, i))/2)
		}
		d += ca.At(i, i) + cb.At(i, i)
	}
	var e mat.EigenSym
	if !e.Factorize(inner, false) {
		return 0, fmt.Errorf("eval: eigenvalues do not converge")
	}
	for _, v := range e.Values(nil) {
		d -= 2 * math.Sqrt(max(v, 0))
	}
	return max(d, 0), nil
}

// project multiplies features by a fixed random matrix.
func project(x [][]float32) [][]float64 {
	r := rand.New(rand.NewPCG(32, 64))
	n := len(x[0])
	p := make([]float64, n*frechetWidth)
	for i := range p {
		p[i] = r.NormFloat64() / math.Sqrt(float64(n))
	}
	out := make([][]float64, len(x))
	for i, f := range x {
		out[i] = make([]float64, frechetWidth)
		for k, v := range f {
			for j := range out[i] {
				out[i][j] += float64(v) * p[k*frechetWidth+j]
			}
		}
	}
	return out
}

// gaussian returns mean and covariance.
func gaussian(x [][]float64) ([]float64, *mat.SymDense) {
	mean := make([]float64, frechetWidth)
	for _, f := range x {
		for i, v := range f {
			mean[i] += v / float64(len(x))
		}
	}
	c := mat.NewSymDense(frechetWidth, nil)
	for _, f := range x {
		for i := range f {
			for j := i; j < len(f); j++ {
				c.SetSym(i, j, c.At(i, j)+(f[i]-mean[i])*(f[j]-mean[j])/float64(len(x)-1))
			}
		}
	}
	return mean, c
}

// matrixRoot is the square root of a covariance.
func matrixRoot(c *mat.SymDense) (*mat.Dense, error) {
	var e mat.EigenSym
	if !e.Factorize(c, true) {
		return nil, fmt.Errorf("eval: eigenvalues do not converge")
	}
	var v mat.Dense
	e.VectorsTo(&v)
	values := e.Values(nil)
	scaled := mat.DenseCopyOf(&v)
	for j, l := range values {
		for i := range values {
			scaled.Set(i, j, v.At(i, j)*math.Sqrt(max(l, 0)))
		}
	}
	var root mat.Dense
	root.Mul(scaled, v.T())
	return &root, nil
}
