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

// layers is how many things stand one before another in front of the sky:
// hills, sea and sand, waves, houses and street.
const layers = 3

// column is what all pixels above one another share, row what all beside one
// another do.
type column struct {
	x    float64
	edge [layers]float64 // where a layer begins, from the far to the near one
	glow float64         // the sun's: its column's factor
	wall rgb             // the colour of a city's house
}

type row struct {
	y     float64
	sky   rgb // where nothing is in front; in space and before a wall, all
	layer [layers]rgb
	glow  float64
	near  [spaceStars]int // the stars that can be seen in it
	n     int
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

// never is an edge below the frame: no layer there.
const never = 2

// column works out what a column of pixels shares.
func (p *painter) column(x float64) column {
	c := column{x: x, glow: p.falloff(x - p.l.x)}
	switch p.spec.Scene {
	case Sea:
		for i, base := range [...]float64{0.54, 0.68, 0.84} {
			c.edge[i] = base + 0.018*math.Sin(2*math.Pi*(x*(2+float64(i)*0.5)+p.waves[i][2]))
		}
	case Beach:
		shore := p.curve(0, x, 0.67)
		c.edge = [layers]float64{0.48, shore - 0.015, shore}
	case City:
		c.edge = [layers]float64{0, 0.70, 0.75}
		c.edge[0], c.wall = p.house(x)
	case Space, Plain:
		c.edge = [layers]float64{never, never, never}
	default:
		c.edge = [layers]float64{p.curve(0, x, 0.56), p.curve(1, x, 0.68), never}
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
	switch p.spec.Scene {
	case Space:
		return
	case Plain:
		p.row.sky = mix(p.plain, rgb{1, 1, 1}, 0.25*(1-y)).times(p.l.tint)
		return
	case Beach:
		p.row.layer = p.beach()
	case Sea:
		p.row.layer = p.sea()
	case City:
		p.row.layer = p.city()
	default:
		p.row.layer = p.hills()
	}
	for i, c := range p.row.layer {
		p.row.layer[i] = c.times(p.l.tint)
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

// colour looks for the nearest layer that hides all behind it, and blends
// those in front.
func (p *painter) colour(c *column) rgb {
	var cover [layers]float64
	i := layers - 1
	for ; i >= 0; i-- {
		cover[i] = p.below(c.edge[i])
		if cover[i] == 1 && (i != foam || p.spec.Scene != Beach) {
			break
		}
	}
	var colour rgb
	switch {
	case i >= 0:
		colour = p.layer(i, c)
	case p.spec.Scene == Space:
		return p.space(c)
	case p.spec.Scene == Plain:
		return p.row.sky
	default:
		colour = p.sky(c)
	}
	for i++; i < layers; i++ {
		if cover[i] > 0 {
			if i == foam && p.spec.Scene == Beach {
				cover[i] *= 0.8
			}
			colour = mix(colour, p.layer(i, c), cover[i])
		}
	}
	return colour
}

func (p *painter) layer(i int, c *column) rgb {
	if i == 0 && p.spec.Scene == City {
		return c.wall
	}
	return p.row.layer[i]
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

// foam is the layer of a beach that one can see through.
const foam = 1

// hills returns two hills, the nearer one the ground.
func (p *painter) hills() [layers]rgb {
	far, near := hex(0x8fcf6a), hex(0x57a83c) // meadow
	switch p.spec.Scene {
	case Snow:
		far, near = hex(0xd5e4f2), hex(0xf7fbff)
	case Desert:
		far, near = hex(0xe0a35c), hex(0xf2c878)
	}
	near = mix(near, far, 0.35*(p.hue+0.5))
	ground := mix(near, rgb{}, 0.18*(p.row.y-0.65)/0.35)
	return [layers]rgb{mix(far, rgb{1, 1, 1}, 0.1), ground}
}

// beach returns a strip of sea, foam, and sand.
func (p *painter) beach() [layers]rgb {
	y := p.row.y
	return [layers]rgb{
		mix(hex(0x2f8fc0), hex(0x7fd0e0), (y-0.48)/0.2),
		foam: {1, 1, 1},
		2:    mix(hex(0xf5dfa8), hex(0xe2bf7c), (y-0.67)/0.33+0.2*p.hue),
	}
}

// sea returns three rows of waves.
func (p *painter) sea() (waves [layers]rgb) {
	for i := range waves {
		waves[i] = mix(hex(0x3fb0d0), hex(0x134a80), 0.25+0.3*float64(i)+0.15*p.hue)
	}
	return waves
}

// city returns a pavement and a street; the houses before them are columns'.
func (p *painter) city() [layers]rgb {
	return [layers]rgb{{}, hex(0xb8b4ac), hex(0x55585f)}
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
