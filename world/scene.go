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
	t = min(max(t, 0), 1)
	a[0] += (b[0] - a[0]) * t
	a[1] += (b[1] - a[1]) * t
	a[2] += (b[2] - a[2]) * t
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

const (
	nightStars = 7
	spaceStars = 16
	starWidth  = 0.011
	starReach  = 5.5 * starWidth // beyond, a star adds less than any byte shows
	houses     = 7
)

// painter draws a background; x and y are in [0, 1], px is the side of a pixel.
type painter struct {
	spec  Spec
	l     light
	px    float64
	waves [3][3]float64 // amplitude, frequency and phase of three curves
	hue   float64       // jitter
	stars [spaceStars][2]float64
	n     int             // of the stars in use
	tall  [houses]float64 // heights of a city's houses
	plain rgb

	columns []column
	row     row
}

// column is what all pixels above one another share, row what all beside one
// another do.
type column struct {
	x    float64
	edge [3]float64 // of hills or waves
	glow float64    // the sun's: its column's factor
	wall rgb        // the house's colour
	top  float64    // the house's height
}

type row struct {
	y    float64
	sky  rgb
	glow float64
	near [spaceStars]int // the stars that can be seen in it
	n    int
}

var plainColours = [...]uint32{0xf6c1c7, 0xbfe3c8, 0xc6d4f5, 0xf7e3a8, 0xdcc6f0, 0xf4d3b0}

// reset draws the free choices of a Spec's background.
func (p *painter) reset(s Spec, size int) {
	r := rand.New(rand.NewPCG(s.Seed, 0x5ce7e))
	*p = painter{spec: s, l: lights[s.Time], px: 1 / float64(size), columns: p.columns[:0]}
	for i := range p.waves {
		p.waves[i] = [3]float64{0.02 + 0.035*r.Float64(), 1 + 2*r.Float64(), r.Float64()}
	}
	p.hue = r.Float64() - 0.5
	p.l.x += 0.12 * (r.Float64() - 0.5)
	p.l.y += 0.05 * (r.Float64() - 0.5)
	low := 0.6 // no star lies lower
	switch {
	case s.Scene == Space:
		p.n, low = spaceStars, 1
	case s.Time == Night:
		p.n = nightStars
	}
	for i := range p.n {
		p.stars[i] = [2]float64{r.Float64(), low * r.Float64()}
	}
	for i := range p.tall {
		p.tall[i] = 0.22 + 0.26*r.Float64()
	}
	p.plain = hex(plainColours[r.IntN(len(plainColours))])
	for i := range size {
		p.columns = append(p.columns, p.column((float64(i)+0.5)*p.px))
	}
}

// column works out what a column of pixels shares.
func (p *painter) column(x float64) column {
	c := column{x: x, glow: p.falloff(x - p.l.x)}
	switch p.spec.Scene {
	case Sea:
		for i := range c.edge {
			c.edge[i] = seaBase[i] + 0.018*math.Sin(2*math.Pi*(x*(2+float64(i)*0.5)+p.waves[i][2]))
		}
	case Beach:
		c.edge[0] = p.curve(0, x, 0.67)
	case City:
		c.top, c.wall = p.house(x)
	default:
		c.edge[0], c.edge[1] = p.curve(0, x, 0.56), p.curve(1, x, 0.68)
	}
	return c
}

// falloff is a factor of the sun's glow: that of the column times that of the
// row is its strength at a pixel.
func (p *painter) falloff(d float64) float64 {
	return math.Exp(-d * d / (p.l.r * p.l.r * 4))
}

// enter works out what a row of pixels shares.
func (p *painter) enter(y float64) {
	p.row.y, p.row.n = y, 0
	p.row.sky = mix(p.l.top, p.l.low, y/0.65)
	p.row.glow = 0.45 * p.falloff(y-p.l.y)
	if p.spec.Time == Night {
		p.row.glow = 0
	}
	for i, s := range p.stars[:p.n] {
		if math.Abs(y-s[1]) < starReach {
			p.row.near[p.row.n] = i
			p.row.n++
		}
	}
}

// curve is the height of a hill's edge.
func (p *painter) curve(i int, x, base float64) float64 {
	w := p.waves[i]
	return base + w[0]*math.Sin(2*math.Pi*(w[1]*x*0.7+w[2]))
}

// below is 1 where the row lies under the edge, 0 above, smooth across one
// pixel.
func (p *painter) below(edge float64) float64 {
	return min(max((p.row.y-edge)/p.px+0.5, 0), 1)
}

// paint draws the background of a clip to a frame [size, size, 3].
func (p *painter) paint(frame []float32, size int) {
	for j := range size {
		p.enter((float64(j) + 0.5) * p.px)
		line := frame[j*size*3:][:size*3]
		for i := range p.columns {
			c := p.colour(&p.columns[i])
			line[3*i] = float32(min(max(c[0], 0), 1))
			line[3*i+1] = float32(min(max(c[1], 0), 1))
			line[3*i+2] = float32(min(max(c[2], 0), 1))
		}
	}
}

func (p *painter) colour(c *column) rgb {
	switch p.spec.Scene {
	case Space:
		return p.space(c)
	case Plain:
		return mix(p.plain, rgb{1, 1, 1}, 0.25*(1-p.row.y)).times(p.l.tint)
	case Beach:
		return p.beach(c)
	case Sea:
		return p.sea(c)
	case City:
		return p.city(c)
	}
	return p.hills(c)
}

// sky is the gradient with the sun or moon and, at night, stars.
func (p *painter) sky(c *column) rgb {
	colour := p.sparkle(p.row.sky, c.x)
	if p.row.glow > 0 {
		colour = mix(colour, p.l.disc, p.row.glow*c.glow)
	}
	return p.disc(colour, p.l.disc, c.x-p.l.x, p.row.y-p.l.y, p.l.r)
}

// disc draws a round thing of radius r over a colour at (dx, dy) from its
// centre.
func (p *painter) disc(under, over rgb, dx, dy, r float64) rgb {
	if reach := r + p.px; math.Abs(dx) > reach || math.Abs(dy) > reach {
		return under
	}
	return mix(under, over, (r-math.Sqrt(dx*dx+dy*dy))/p.px+0.5)
}

// sparkle adds the stars.
func (p *painter) sparkle(c rgb, x float64) rgb {
	for _, i := range p.row.near[:p.row.n] {
		dx, dy := x-p.stars[i][0], p.row.y-p.stars[i][1]
		if math.Abs(dx) < starReach {
			c = mix(c, rgb{1, 1, 0.92}, 0.9*math.Exp(-(dx*dx+dy*dy)/(starWidth*starWidth)))
		}
	}
	return c
}

// glows are the colours of space by the time of day.
var glows = [...]rgb{Morning: hex(0x5a4a8c), Day: hex(0x1f5a9c), Sunset: hex(0x8c2f5a), Night: hex(0x10143a)}

// space has a large planet and a glow in the colour of the time of day.
func (p *painter) space(c *column) rgb {
	glow, y := glows[p.spec.Time], p.row.y
	colour := mix(hex(0x070716), glow, 0.15+0.75*(1-y)*(0.6+0.4*c.x))
	colour = p.sparkle(colour, c.x)
	const low = 0.98 // the planet's centre
	r := 0.30 + 0.05*p.hue
	lit := mix(glow, rgb{0.9, 0.8, 0.7}, 0.5+0.5*(low-y)/r)
	return p.disc(colour, lit, c.x-p.l.x, y-low, r)
}

// hills are two curves, the nearer one the ground.
func (p *painter) hills(c *column) rgb {
	far, near := hex(0x8fcf6a), hex(0x57a83c) // meadow
	switch p.spec.Scene {
	case Snow:
		far, near = hex(0xd5e4f2), hex(0xf7fbff)
	case Desert:
		far, near = hex(0xe0a35c), hex(0xf2c878)
	}
	near = mix(near, far, 0.35*(p.hue+0.5))
	ground := mix(near, rgb{}, 0.18*(p.row.y-0.65)/0.35).times(p.l.tint)
	cover := p.below(c.edge[1])
	if cover == 1 {
		return ground
	}
	colour := p.sky(c)
	colour = mix(colour, mix(far, rgb{1, 1, 1}, 0.1).times(p.l.tint), p.below(c.edge[0]))
	return mix(colour, ground, cover)
}

// beach is a strip of sea above sand.
func (p *painter) beach(c *column) rgb {
	y, shore := p.row.y, c.edge[0]
	sand := mix(hex(0xf5dfa8), hex(0xe2bf7c), (y-0.67)/0.33+0.2*p.hue).times(p.l.tint)
	cover := p.below(shore)
	if cover == 1 {
		return sand
	}
	sea := mix(hex(0x2f8fc0), hex(0x7fd0e0), (y-0.48)/0.2).times(p.l.tint)
	colour := mix(p.sky(c), sea, p.below(0.48))
	colour = mix(colour, rgb{1, 1, 1}.times(p.l.tint), 0.8*p.below(shore-0.015))
	return mix(colour, sand, cover)
}

// seaBase is where a sea's rows of waves begin.
var seaBase = [...]float64{0.54, 0.68, 0.84}

// sea is water with three rows of waves.
func (p *painter) sea(c *column) rgb {
	colour := p.sky(c)
	for i, edge := range c.edge {
		water := mix(hex(0x3fb0d0), hex(0x134a80), 0.25+0.3*float64(i)+0.15*p.hue)
		colour = mix(colour, water.times(p.l.tint), p.below(edge))
	}
	return colour
}

// house says how far down the roof of the house at x is, and its colour.
func (p *painter) house(x float64) (top float64, wall rgb) {
	i := min(max(int((x+0.1*p.hue+0.1)*houses/1.2), 0), houses-1)
	wall = mix(hex(0x8a8fa8), hex(0x5f6584), float64(i%3)/2)
	if i%2 == 1 {
		wall = mix(wall, hex(0xa8806f), 0.5)
	}
	wall = wall.times(p.l.tint)
	if p.spec.Time == Night {
		wall = mix(wall, hex(0xffe08a), 0.16) // windows
	}
	return 0.70 - p.tall[i], wall
}

// city is a row of houses above a street.
func (p *painter) city(c *column) rgb {
	street := hex(0x55585f).times(p.l.tint)
	cover := p.below(0.75)
	if cover == 1 {
		return street
	}
	colour := mix(p.sky(c), c.wall, p.below(c.top))
	colour = mix(colour, hex(0xb8b4ac).times(p.l.tint), p.below(0.70))
	return mix(colour, street, cover)
}
