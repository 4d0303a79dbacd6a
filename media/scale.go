package media

import (
	"fmt"

	"kuai/internal/check"
)

// Upscale returns the clip at a multiple of its size, smoothly interpolated.
// Small clips look blocky in players without it.
func (c *Clip) Upscale(factor int) (*Clip, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if factor < 1 || factor > MaxSide || c.Width*factor > MaxSide || c.Height*factor > MaxSide || c.bytes(factor) > MaxBytes {
		return nil, fmt.Errorf("media: scale %d of %d frames of %dx%d, want sides of at most %d and %d bytes in all",
			factor, len(c.Frames), c.Width, c.Height, MaxSide, int64(MaxBytes))
	}
	if factor == 1 {
		return c, nil
	}
	big := &Clip{Width: c.Width * factor, Height: c.Height * factor, FPS: c.FPS, Frames: make([][]byte, len(c.Frames))}
	if c.Alpha != nil {
		big.Alpha = make([][]byte, len(c.Frames))
	}
	weights := phases(factor)
	err := c.each(func(i int) error {
		if c.Alpha == nil {
			big.Frames[i] = enlarge(c.Frames[i], c.Width, c.Height, 3, weights)
			return nil
		}
		big.Frames[i], big.Alpha[i] = c.enlargeAlpha(i, weights)
		return nil
	})
	return big, err
}

// taps is the number of source pixels that a pixel is made of.
const taps = 4

// phases returns the weights of Catmull and Rom's cubic for every place of a
// new pixel between old ones: sharper than a linear blend, and with less of a
// halo than a wider Lanczos window.
func phases(factor int) [][taps]float32 {
	out := make([][taps]float32, factor)
	for p := range out {
		_, t := place(p, factor)
		out[p] = [taps]float32{
			((-0.5*t+1)*t - 0.5) * t,
			(1.5*t-2.5)*t*t + 1,
			((-1.5*t+2)*t + 0.5) * t,
			(0.5*t - 0.5) * t * t,
		}
	}
	return out
}

// place returns the old pixel before the middle of a new one, and how far
// beyond that pixel's middle it is.
func place(x, factor int) (at int, t float32) {
	pos := 2*x + 1 - factor // in units of 1/(2 factor)
	at = x/factor - 1
	if pos >= 2*factor*(at+1) {
		at++
	}
	return at, float32(pos-2*factor*at) / float32(2*factor)
}

// enlarge interpolates a picture of some channels, along rows, then columns.
func enlarge(src []byte, width, height, channels int, weights [][taps]float32) []byte {
	factor := len(weights)
	check.True(len(src) == width*height*channels, "media: picture of %d bytes", len(src))
	wide := width * factor
	rows := make([]float32, height*wide*channels)
	for x := range wide {
		at, _ := place(x, factor)
		w := weights[x%factor]
		var from [taps]int
		for k := range from {
			from[k] = min(max(at-1+k, 0), width-1) * channels
		}
		for y := range height {
			row := src[y*width*channels:]
			to := rows[(y*wide+x)*channels:][:channels]
			for c := range to {
				to[c] = w[0]*float32(row[from[0]+c]) + w[1]*float32(row[from[1]+c]) + w[2]*float32(row[from[2]+c]) + w[3]*float32(row[from[3]+c])
			}
		}
	}
	n := wide * channels
	out := make([]byte, height*factor*n)
	for y := range height * factor {
		at, _ := place(y, factor)
		w := weights[y%factor]
		var from [taps][]float32
		for k := range from {
			from[k] = rows[min(max(at-1+k, 0), height-1)*n:][:n]
		}
		to := out[y*n:][:n]
		for i := range to {
			v := w[0]*from[0][i] + w[1]*from[1][i] + w[2]*from[2][i] + w[3]*from[3][i]
			to[i] = byte(min(max(v+0.5, 0), 255))
		}
	}
	return out
}

// enlargeAlpha interpolates a frame with its opacity. Colours are weighted by
// their opacity, so that hidden ones do not bleed into the edge.
func (c *Clip) enlargeAlpha(i int, weights [][taps]float32) (rgb, alpha []byte) {
	n := c.Width * c.Height
	weighted := make([]byte, 4*n)
	for p, a := range c.Alpha[i] {
		for k := range 3 {
			weighted[4*p+k] = byte((int(c.Frames[i][3*p+k])*int(a) + 127) / 255)
		}
		weighted[4*p+3] = a
	}
	big := enlarge(weighted, c.Width, c.Height, 4, weights)
	rgb, alpha = make([]byte, len(big)/4*3), make([]byte, len(big)/4)
	for p := range alpha {
		a := int(big[4*p+3])
		alpha[p] = byte(a)
		for k := range 3 {
			rgb[3*p+k] = byte(min((int(big[4*p+k])*255+a/2)/max(a, 1), 255))
		}
	}
	return rgb, alpha
}
