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

// level is one size of a sprite: texels [H, W, 4] in [0, 1].
type level struct {
	w, h int
	pix  []float32
}

// spriteSide is the side of the square that a sprite's picture is centred in.
const spriteSide = 136

func newSprite(img image.Image) *sprite {
	b := img.Bounds()
	square := image.NewRGBA(image.Rect(0, 0, spriteSide, spriteSide))
	at := image.Pt((spriteSide-b.Dx())/2, spriteSide-b.Dy()-(spriteSide-b.Dy())/2)
	draw.Draw(square, image.Rectangle{at, at.Add(b.Size())}, img, b.Min, draw.Src)
	l := level{spriteSide, spriteSide, make([]float32, 4*spriteSide*spriteSide)}
	for i, v := range square.Pix {
		l.pix[i] = float32(v) / 255
	}
	s := &sprite{}
	for l.w >= 4 {
		s.levels = append(s.levels, l)
		l = l.half()
	}
	return s
}

// half averages blocks of 2 x 2 texels.
func (l level) half() level {
	out := level{l.w / 2, l.h / 2, make([]float32, 4*(l.w/2)*(l.h/2))}
	for y := range out.h {
		for x := range out.w {
			for c := range 4 {
				a := (2*y*l.w + 2*x) * 4
				b := a + l.w*4
				out.pix[(y*out.w+x)*4+c] = (l.pix[a+c] + l.pix[a+4+c] + l.pix[b+c] + l.pix[b+4+c]) / 4
			}
		}
	}
	return out
}

// place is where and how a sprite is drawn, in pixels and radians.
type place struct {
	x, y  float64 // centre
	size  float64 // side
	angle float64 // clockwise
	flip  bool    // turned around
}

// draw blends the sprite over a frame [size, size, 3].
func (s *sprite) draw(frame []float32, size int, p place) {
	if p.size < 1 {
		return
	}
	ratio := spriteSide / p.size // texels a pixel
	l := s.levels[min(max(int(math.Round(math.Log2(ratio)-0.2)), 0), len(s.levels)-1)]
	scale := float64(l.w) / p.size
	sin, cos := math.Sincos(-p.angle)
	reach := p.size * 0.5 * (math.Abs(sin) + math.Abs(cos))
	x0, x1 := max(int(p.x-reach)-1, 0), min(int(p.x+reach)+2, size)
	y0, y1 := max(int(p.y-reach)-1, 0), min(int(p.y+reach)+2, size)
	flip := 1.0
	if p.flip {
		flip = -1
	}
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			dx, dy := float64(x)+0.5-p.x, float64(y)+0.5-p.y
			u := flip*(cos*dx-sin*dy)*scale + float64(l.w)/2
			v := (sin*dx+cos*dy)*scale + float64(l.h)/2
			l.blend(frame[(y*size+x)*3:][:3], u-0.5, v-0.5)
		}
	}
}

// blend draws the bilinear sample at texel (u, v) over a pixel.
func (l level) blend(pixel []float32, u, v float64) {
	x, y := int(math.Floor(u)), int(math.Floor(v))
	if x < -1 || y < -1 || x >= l.w || y >= l.h {
		return
	}
	fx, fy := float32(u-float64(x)), float32(v-float64(y))
	var c [4]float32
	for i, w := range [4]float32{(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy} {
		tx, ty := x+i%2, y+i/2
		if tx < 0 || ty < 0 || tx >= l.w || ty >= l.h {
			continue
		}
		t := l.pix[(ty*l.w+tx)*4:][:4]
		for k := range c {
			c[k] += w * t[k]
		}
	}
	for k := range pixel {
		pixel[k] = c[k] + pixel[k]*(1-c[3])
	}
}

// shade darkens an ellipse of a frame softly: the shadow under a sticker.
func shade(frame []float32, size int, x, y, rx, ry, strength float64) {
	if rx < 0.5 || strength <= 0 {
		return
	}
	for py := max(int(y-ry)-1, 0); py < min(int(y+ry)+2, size); py++ {
		for px := max(int(x-rx)-1, 0); px < min(int(x+rx)+2, size); px++ {
			dx, dy := (float64(px)+0.5-x)/rx, (float64(py)+0.5-y)/ry
			d := 1 - dx*dx - dy*dy
			if d <= 0 {
				continue
			}
			f := float32(1 - strength*d)
			for k := range 3 {
				frame[(py*size+px)*3+k] *= f
			}
		}
	}
}
