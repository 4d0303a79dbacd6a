package world

import (
	"image"
	"image/draw"
	"math"
)

// sprite is a picture as premultiplied RGBA floats at halving sizes.
type sprite struct {
	levels []level
}

// level is one size of a sprite: texels [H+2, W+2, 4] in [0, 1] with a
// transparent frame of one texel, so that sampling needs no case for edges.
type level struct {
	w, h int
	pix  []float32
}

const (
	pictureSide = 136 // of the square that pictures fill
	// spriteSide is the side of the square that a picture is centred in. It
	// halves evenly down to 9 texels, so that no level shifts the picture.
	spriteSide = 144
)

func newLevel(w, h int) level { return level{w, h, make([]float32, 4*(w+2)*(h+2))} }

// texel is the place of a texel; -1 and W or H are in the frame.
func (l level) texel(x, y int) int { return ((y+1)*(l.w+2) + x + 1) * 4 }

func newSprite(img image.Image) *sprite {
	b := img.Bounds()
	square := image.NewRGBA(image.Rect(0, 0, spriteSide, spriteSide))
	at := image.Pt((spriteSide-b.Dx())/2, spriteSide-b.Dy()-(spriteSide-b.Dy())/2)
	draw.Draw(square, image.Rectangle{at, at.Add(b.Size())}, img, b.Min, draw.Src)
	l := newLevel(spriteSide, spriteSide)
	for y := range spriteSide {
		for i, v := range square.Pix[y*square.Stride:][:4*spriteSide] {
			l.pix[l.texel(0, y)+i] = float32(v) / 255
		}
	}
	s := &sprite{}
	for ; ; l = l.half() {
		s.levels = append(s.levels, l)
		if l.w%2 == 1 {
			return s
		}
	}
}

// half averages blocks of 2 x 2 texels.
func (l level) half() level {
	out := newLevel(l.w/2, l.h/2)
	for y := range out.h {
		for x := range out.w {
			a, b, to := l.texel(2*x, 2*y), l.texel(2*x, 2*y+1), out.texel(x, y)
			for c := range 4 {
				out.pix[to+c] = (l.pix[a+c] + l.pix[a+4+c] + l.pix[b+c] + l.pix[b+4+c]) / 4
			}
		}
	}
	return out
}

// box is a rectangle of pixels, x1 and y1 outside.
type box struct{ x0, y0, x1, y1 int }

// around is the box of a frame that a thing of the given reach can touch.
func around(size int, x, y, rx, ry float64) box {
	b := box{max(int(x-rx)-1, 0), max(int(y-ry)-1, 0), min(int(x+rx)+2, size), min(int(y+ry)+2, size)}
	if b.x0 >= b.x1 || b.y0 >= b.y1 {
		return box{}
	}
	return b
}

func (b box) union(c box) box {
	switch (box{}) {
	case b:
		return c
	case c:
		return b
	}
	return box{min(b.x0, c.x0), min(b.y0, c.y0), max(b.x1, c.x1), max(b.y1, c.y1)}
}

// place is where and how a sprite is drawn, in pixels and radians.
type place struct {
	x, y  float64 // centre
	size  float64 // side of the picture's square
	angle float64 // clockwise
	flip  bool    // turned around
}

// draught is a sprite about to be drawn: the texel of pixel (x, y) is
// (u + x·ux + y·uy, v + x·vx + y·vy).
type draught struct {
	box
	level  level
	u, v   float64
	ux, uy float64
	vx, vy float64
}

func newDraught(s *sprite, size int, p place) draught {
	if p.size < 1 {
		return draught{}
	}
	ratio := pictureSide / p.size // texels a pixel
	l := s.levels[min(max(int(math.Round(math.Log2(ratio)-0.2)), 0), len(s.levels)-1)]
	scale := float64(l.w) / spriteSide * ratio
	sin, cos := math.Sincos(-p.angle)
	reach := p.size * 0.5 * (math.Abs(sin) + math.Abs(cos))
	flip := scale
	if p.flip {
		flip = -scale
	}
	d := draught{
		box: around(size, p.x, p.y, reach, reach), level: l,
		ux: flip * cos, uy: -flip * sin, vx: scale * sin, vy: scale * cos,
	}
	dx, dy := 0.5-p.x, 0.5-p.y
	d.u = d.ux*dx + d.uy*dy + float64(l.w)/2 - 0.5
	d.v = d.vx*dx + d.vy*dy + float64(l.h)/2 - 0.5
	return d
}

// row blends the sprite over row y of a frame, [size, 3], by bilinear samples.
func (d *draught) row(line []float32, y int) {
	if y < d.y0 || y >= d.y1 {
		return
	}
	u0, v0 := d.u+float64(y)*d.uy, d.v+float64(y)*d.vy
	stride := 4 * (d.level.w + 2)
	w, h := float64(d.level.w), float64(d.level.h)
	for i := d.x0; i < d.x1; i++ {
		u, v := u0+float64(i)*d.ux, v0+float64(i)*d.vx
		if u < -1 || v < -1 || u >= w || v >= h {
			continue
		}
		x, y := int(u+1)-1, int(v+1)-1 // rounded down
		t := d.level.pix[d.level.texel(x, y):]
		a, b := t[:8:8], t[stride:][:8:8]
		if a[3]+a[7]+b[3]+b[7] == 0 {
			continue
		}
		fx, fy := float32(u-float64(x)), float32(v-float64(y))
		w0, w1, w2, w3 := (1-fx)*(1-fy), fx*(1-fy), (1-fx)*fy, fx*fy
		keep := 1 - (w0*a[3] + w1*a[7] + w2*b[3] + w3*b[7])
		pixel := line[3*i:][:3:3]
		pixel[0] = w0*a[0] + w1*a[4] + w2*b[0] + w3*b[4] + pixel[0]*keep
		pixel[1] = w0*a[1] + w1*a[5] + w2*b[1] + w3*b[5] + pixel[1]*keep
		pixel[2] = w0*a[2] + w1*a[6] + w2*b[2] + w3*b[6] + pixel[2]*keep
	}
}

// shadow is a soft dark ellipse on the ground under a sticker.
type shadow struct {
	box
	x, y, rx, ry, strength float64
}

func newShadow(size int, x, y, rx, ry, strength float64) shadow {
	if rx < 0.5 || strength <= 0 {
		return shadow{}
	}
	return shadow{around(size, x, y, rx, ry), x, y, rx, ry, strength}
}

// row darkens row y of a frame, [size, 3].
func (s *shadow) row(line []float32, y int) {
	if y < s.y0 || y >= s.y1 {
		return
	}
	dy := (float64(y) + 0.5 - s.y) / s.ry
	for x := s.x0; x < s.x1; x++ {
		dx := (float64(x) + 0.5 - s.x) / s.rx
		d := 1 - dx*dx - dy*dy
		if d <= 0 {
			continue
		}
		f := float32(1 - s.strength*d)
		pixel := line[3*x:][:3:3]
		pixel[0] *= f
		pixel[1] *= f
		pixel[2] *= f
	}
}
