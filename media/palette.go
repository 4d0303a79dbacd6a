package media

import (
	"cmp"
	"image/color"
	"math"
	"slices"
)

const (
	clearIndex   = 0   // the palette's clear colour
	paletteSize  = 256 // with the clear one
	histBits     = 5   // of a channel in the histogram
	paletteWalks = 3   // rounds in which colours move to the middle of their share
	ditherSide   = 8
)

// palette is a clip's 255 colours, and the clear one.
type palette struct {
	colours color.Palette
	rgb     [][3]float32
	nearest []uint16 // palette index + 1 by 6 bits of each channel, 0 unknown
	spread  float32  // how far dithering moves a colour
}

// shade is a colour of the histogram.
type shade struct {
	rgb    [3]float32 // mean
	weight float32    // pixels
}

// newPalette chooses colours by median cut, in which the box with the largest
// squared error is cut next, and then moves each to the mean of the shades that
// are nearest to it.
func newPalette(c *Clip) *palette {
	shades := histogram(c)
	p := &palette{rgb: make([][3]float32, 1, paletteSize), nearest: make([]uint16, 1<<18)}
	for _, b := range medianCut(shades, paletteSize-1) {
		p.rgb = append(p.rgb, mean(b))
	}
	var err float64
	for range paletteWalks {
		err = p.walk(shades)
	}
	p.colours = color.Palette{color.RGBA{}}
	for _, v := range p.rgb[1:] {
		p.colours = append(p.colours, color.RGBA{uint8(v[0] + 0.5), uint8(v[1] + 0.5), uint8(v[2] + 0.5), 255})
	}
	p.spread = float32(min(2*math.Sqrt(err), 48))
	return p
}

// histogram counts the clip's visible colours.
func histogram(c *Clip) []shade {
	counts := make([][4]uint64, 1<<(3*histBits))
	for i, f := range c.Frames {
		for at := 0; at < len(f); at += 3 {
			if c.Alpha != nil && c.Alpha[i][at/3] < half {
				continue
			}
			r, g, b := f[at], f[at+1], f[at+2]
			const cut = 8 - histBits
			n := &counts[int(r>>cut)<<(2*histBits)|int(g>>cut)<<histBits|int(b>>cut)]
			n[0], n[1], n[2], n[3] = n[0]+uint64(r), n[1]+uint64(g), n[2]+uint64(b), n[3]+1
		}
	}
	var out []shade
	for _, n := range counts {
		if w := float32(n[3]); w > 0 {
			out = append(out, shade{[3]float32{float32(n[0]) / w, float32(n[1]) / w, float32(n[2]) / w}, w})
		}
	}
	return out
}

// medianCut divides shades into at most n boxes.
func medianCut(shades []shade, n int) [][]shade {
	type box struct {
		shades []shade
		axis   int
		err    float64
	}
	measure := func(s []shade) box {
		axis, err := worst(s)
		return box{s, axis, err}
	}
	boxes := []box{}
	if len(shades) > 0 {
		boxes = append(boxes, measure(shades))
	}
	for len(boxes) < n {
		at := 0
		for i, b := range boxes {
			if b.err > boxes[at].err {
				at = i
			}
		}
		if len(boxes) == 0 || boxes[at].err == 0 {
			break
		}
		b := boxes[at]
		slices.SortFunc(b.shades, func(x, y shade) int { return cmp.Compare(x.rgb[b.axis], y.rgb[b.axis]) })
		k := middle(b.shades)
		boxes[at] = measure(b.shades[:k])
		boxes = append(boxes, measure(b.shades[k:]))
	}
	out := make([][]shade, len(boxes))
	for i, b := range boxes {
		out[i] = b.shades
	}
	return out
}

// middle returns where a sorted box has half of its pixels.
func middle(s []shade) int {
	var total, sum float32
	for _, v := range s {
		total += v.weight
	}
	for i, v := range s[:len(s)-1] {
		if sum += v.weight; sum >= total/2 {
			return i + 1
		}
	}
	return len(s) - 1
}

// mean is the colour of a box.
func mean(s []shade) (m [3]float32) {
	var w float32
	for _, v := range s {
		w += v.weight
		for k := range m {
			m[k] += v.rgb[k] * v.weight
		}
	}
	for k := range m {
		m[k] /= w
	}
	return m
}

// worst returns the axis along which a box errs most, and its squared error.
func worst(s []shade) (axis int, total float64) {
	m := mean(s)
	var errs [3]float64
	for _, v := range s {
		for k := range errs {
			d := float64(v.rgb[k] - m[k])
			errs[k] += d * d * float64(v.weight)
		}
	}
	for k, e := range errs {
		total += e
		if e > errs[axis] {
			axis = k
		}
	}
	if len(s) < 2 {
		return axis, 0 // cannot be cut
	}
	return axis, total
}

// walk moves every colour to the mean of its share and returns the mean squared
// distance of a pixel's channels before.
func (p *palette) walk(shades []shade) float64 {
	sums := make([][4]float64, len(p.rgb))
	var err, weight float64
	for _, s := range shades {
		i, d := p.find(s.rgb)
		w := float64(s.weight)
		for k := range 3 {
			sums[i][k] += float64(s.rgb[k]) * w
		}
		sums[i][3] += w
		err += float64(d) * w
		weight += w
	}
	for i, s := range sums {
		if s[3] > 0 {
			p.rgb[i] = [3]float32{float32(s[0] / s[3]), float32(s[1] / s[3]), float32(s[2] / s[3])}
		}
	}
	return err / max(3*weight, 1)
}

// find returns the nearest colour but the clear one, and its squared distance.
func (p *palette) find(v [3]float32) (best int, distance float32) {
	distance = math.MaxFloat32
	for i, c := range p.rgb[1:] {
		r, g, b := c[0]-v[0], c[1]-v[1], c[2]-v[2]
		if d := r*r + g*g + b*b; d < distance {
			best, distance = i+1, d
		}
	}
	return best, distance
}

// dithered returns a colour's index at a place.
func (p *palette) dithered(px []byte, x, y int) byte {
	shift := (bayer[y%ditherSide][x%ditherSide] - 0.5) * p.spread
	key := 0
	for k := range 3 {
		v := min(max(float32(px[k])+shift, 0), 255)
		key = key<<6 | int(v)>>2
	}
	if p.nearest[key] == 0 {
		i, _ := p.find([3]float32{float32(key>>12<<2) + 1.5, float32(key>>6&63<<2) + 1.5, float32(key&63<<2) + 1.5})
		p.nearest[key] = uint16(i) + 1
	}
	return byte(p.nearest[key] - 1)
}

// bayer is the matrix of ordered dithering, in [0, 1).
var bayer = func() (m [ditherSide][ditherSide]float32) {
	for y := range m {
		for x := range m[y] {
			v := 0
			for bit := range 3 { // interleave the bits of x^y and y, highest last
				v = v<<2 | (x^y)>>bit&1<<1 | y>>bit&1
			}
			m[y][x] = float32(v) / (ditherSide * ditherSide)
		}
	}
	return m
}()
