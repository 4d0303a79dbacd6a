package world

import (
	"math"
	"math/rand/v2"
)

// rgb is a linear mix of display values in [0, 1].
type rgb [3]float64

func hex(c uint32) rgb {
	return rgb{float64(c>>16&255) / 255, float64(c>>8&255) / 255, float64(c&255) / 255}
}

func mix(a, b rgb, t float64) rgb {
	t = math.Min(math.Max(t, 0), 1)
	for i := range a {
		a[i] += (b[i] - a[i]) * t
	}
	return a
}

func (a rgb) times(b rgb) rgb { return rgb{a[0] * b[0], a[1] * b[1], a[2] * b[2]} }

// light is a time of day: the sky from top to horizon, the tint of all that is
// lit, and the sun or moon.
type light struct {
	top, low rgb
	tint     rgb
	disc     rgb
	x, y, r  float64 // of the disc, in sides
}

var lights = [...]light{
	Morning: {hex(0x8fc7f0), hex(0xffe3c2), rgb{1.0, 0.95, 0.88}, hex(0xfff1b8), 0.20, 0.30, 0.075},
	Day:     {hex(0x3f9cf0), hex(0xbfe6ff), rgb{1, 1, 1}, hex(0xfff6a0), 0.80, 0.16, 0.085},
	Sunset:  {hex(0x6a4a9c), hex(0xff9a5a), rgb{1.0, 0.72, 0.60}, hex(0xff6a3c), 0.70, 0.47, 0.10},
	Night:   {hex(0x0b1030), hex(0x2a3568), rgb{0.38, 0.42, 0.62}, hex(0xf2f0dc), 0.24, 0.18, 0.065},
}

// painter draws a background; x and y are in [0, 1], px is the side of a pixel.
type painter struct {
	spec  Spec
	l     light
	px    float64
	waves [3][3]float64 // amplitude, frequency and phase of three curves
	hue   float64       // jitter
	stars [][2]float64
	tall  []float64 // heights of a city's houses
	plain rgb
}

var plainColours = []uint32{0xf6c1c7, 0xbfe3c8, 0xc6d4f5, 0xf7e3a8, 0xdcc6f0, 0xf4d3b0}

const houses = 7

func newPainter(s Spec, size int) *painter {
	r := rand.New(rand.NewPCG(s.Seed, 0x5ce7e))
	p := &painter{spec: s, l: lights[s.Time], px: 1 / float64(size)}
	for i := range p.waves {
		p.waves[i] = [3]float64{0.02 + 0.035*r.Float64(), 1 + 2*r.Float64(), r.Float64()}
	}
	p.hue = r.Float64() - 0.5
	p.l.x += 0.12 * (r.Float64() - 0.5)
	p.l.y += 0.05 * (r.Float64() - 0.5)
	n := 0
	if s.Time == Night {
		n = 7
	}
	if s.Scene == Space {
		n = 16
	}
	for range n {
		p.stars = append(p.stars, [2]float64{r.Float64(), 0.6 * r.Float64()})
	}
	if s.Scene == Space {
		for i := range p.stars {
			p.stars[i][1] /= 0.6
		}
	}
	for range houses {
		p.tall = append(p.tall, 0.22+0.26*r.Float64())
	}
	p.plain = hex(plainColours[r.IntN(len(plainColours))])
	return p
}

// curve is the height of a hill's edge.
func (p *painter) curve(i int, x, base float64) float64 {
	w := p.waves[i]
	return base + w[0]*math.Sin(2*math.Pi*(w[1]*x*0.7+w[2]))
}

// below is 1 where y lies under the edge, 0 above, smooth across one pixel.
func (p *painter) below(y, edge float64) float64 {
	return math.Min(math.Max((y-edge)/p.px+0.5, 0), 1)
}

// paint draws the background of a clip to a frame [size, size, 3].
func (p *painter) paint(frame []float32, size int) {
	for j := range size {
		for i := range size {
			c := p.colour((float64(i)+0.5)*p.px, (float64(j)+0.5)*p.px)
			for k := range 3 {
				frame[(j*size+i)*3+k] = float32(math.Min(math.Max(c[k], 0), 1))
			}
		}
	}
}

func (p *painter) colour(x, y float64) rgb {
	switch p.spec.Scene {
	case Space:
		return p.space(x, y)
	case Plain:
		return mix(p.plain, rgb{1, 1, 1}, 0.25*(1-y)).times(p.l.tint)
	}
	sky := p.sky(x, y)
	switch p.spec.Scene {
	case Beach:
		return p.beach(sky, x, y)
	case Sea:
		return p.sea(sky, x, y)
	case City:
		return p.city(sky, x, y)
	}
	return p.hills(sky, x, y)
}

// sky is the gradient with the sun or moon and, at night, stars.
func (p *painter) sky(x, y float64) rgb {
	c := mix(p.l.top, p.l.low, y/0.65)
	c = p.sparkle(c, x, y)
	d := math.Hypot(x-p.l.x, y-p.l.y)
	if p.spec.Time != Night {
		c = mix(c, p.l.disc, 0.45*math.Exp(-d*d/(p.l.r*p.l.r*4)))
	}
	return mix(c, p.l.disc, (p.l.r-d)/p.px+0.5)
}

// sparkle adds the stars.
func (p *painter) sparkle(c rgb, x, y float64) rgb {
	for _, s := range p.stars {
		d := math.Hypot(x-s[0], y-s[1])
		c = mix(c, rgb{1, 1, 0.92}, 0.9*math.Exp(-d*d/(0.011*0.011)))
	}
	return c
}

// space has a large planet and a glow in the colour of the time of day.
func (p *painter) space(x, y float64) rgb {
	glow := [...]rgb{Morning: hex(0x5a4a8c), Day: hex(0x1f5a9c), Sunset: hex(0x8c2f5a), Night: hex(0x10143a)}[p.spec.Time]
	c := mix(hex(0x070716), glow, 0.15+0.75*(1-y)*(0.6+0.4*x))
	c = p.sparkle(c, x, y)
	cx, cy, r := p.l.x, 0.98, 0.30+0.05*p.hue
	d := math.Hypot(x-cx, y-cy)
	lit := mix(glow, rgb{0.9, 0.8, 0.7}, 0.5+0.5*(cy-y)/r)
	return mix(c, lit, (r-d)/p.px+0.5)
}

// hills are two curves, the nearer one the ground.
func (p *painter) hills(sky rgb, x, y float64) rgb {
	far, near := hex(0x8fcf6a), hex(0x57a83c) // meadow
	switch p.spec.Scene {
	case Snow:
		far, near = hex(0xd5e4f2), hex(0xf7fbff)
	case Desert:
		far, near = hex(0xe0a35c), hex(0xf2c878)
	}
	near = mix(near, far, 0.35*(p.hue+0.5))
	c := mix(sky, mix(far, rgb{1, 1, 1}, 0.1).times(p.l.tint), p.below(y, p.curve(0, x, 0.56)))
	ground := mix(near, rgb{0, 0, 0}, 0.18*(y-0.65)/0.35)
	return mix(c, ground.times(p.l.tint), p.below(y, p.curve(1, x, 0.68)))
}

// beach is a strip of sea above sand.
func (p *painter) beach(sky rgb, x, y float64) rgb {
	sea := mix(hex(0x2f8fc0), hex(0x7fd0e0), (y-0.48)/0.2).times(p.l.tint)
	c := mix(sky, sea, p.below(y, 0.48))
	shore := p.curve(0, x, 0.67)
	c = mix(c, rgb{1, 1, 1}.times(p.l.tint), 0.8*p.below(y, shore-0.015))
	sand := mix(hex(0xf5dfa8), hex(0xe2bf7c), (y-0.67)/0.33+0.2*p.hue)
	return mix(c, sand.times(p.l.tint), p.below(y, shore))
}

// sea is water with three rows of waves.
func (p *painter) sea(sky rgb, x, y float64) rgb {
	c := sky
	for i, base := range [...]float64{0.54, 0.68, 0.84} {
		water := mix(hex(0x3fb0d0), hex(0x134a80), 0.25+0.3*float64(i)+0.15*p.hue)
		edge := base + 0.018*math.Sin(2*math.Pi*(x*(2+float64(i)*0.5)+p.waves[i][2]))
		c = mix(c, water.times(p.l.tint), p.below(y, edge))
	}
	return c
}

// city is a row of houses above a street.
func (p *painter) city(sky rgb, x, y float64) rgb {
	c := sky
	at := (x + 0.1*p.hue + 0.1) * houses / 1.2
	i := min(max(int(at), 0), houses-1)
	top := 0.70 - p.tall[i]
	wall := mix(hex(0x8a8fa8), hex(0x5f6584), float64(i%3)/2)
	if i%2 == 1 {
		wall = mix(wall, hex(0xa8806f), 0.5)
	}
	house := wall.times(p.l.tint)
	if p.spec.Time == Night {
		house = mix(house, hex(0xffe08a), 0.16)
	}
	c = mix(c, house, p.below(y, top))
	c = mix(c, hex(0xb8b4ac).times(p.l.tint), p.below(y, 0.70))
	return mix(c, hex(0x55585f).times(p.l.tint), p.below(y, 0.75))
}
