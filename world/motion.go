package world

import "math"

// pose is a sticker at one moment: its place in units of the frame's side, and
// how high it is above the ground it stands on.
type pose struct {
	x, y   float64 // centre
	scale  float64 // of the sticker's size
	angle  float64
	height float64 // above the ground, in sides
	shadow bool
}

const groundLine = 0.80 // where stickers stand, in sides from the top

// sizes of stickers and cycles or distances of motions, by their words.
var (
	stickerSize = [...]float64{Middle: 0.36, Less: 0.27, More: 0.47}
	pace        = [...]float64{Middle: 1, Less: 0.62, More: 1.5}
)

// at returns the pose at time u in [0, 1]. side is -1 for a sticker that looks
// or goes left, 1 for right; x0 in [0, 1] is its free place, phase in [0, 1]
// where a cycle begins.
func (s Spec) at(u, side, x0, phase float64) pose {
	size := stickerSize[s.Size]
	rest := groundLine - size/2
	middle := 0.35 + 0.3*x0
	v := pace[s.Speed]
	p := pose{x: middle, y: rest, scale: 1, shadow: true}
	switch s.Motion {
	case RunLeft, RunRight:
		travel := 0.62 * math.Min(v, 1.25)
		p.x = 0.5 + side*travel*(u-0.5)
		p.height = 0.06 * math.Abs(math.Sin(math.Pi*4*v*u))
	case Bounce:
		p.height = 0.28 * math.Abs(math.Sin(math.Pi*3*v*u))
	case Spin:
		p.y, p.shadow = 0.5, false
		p.angle = side * 2 * math.Pi * 1.25 * v * u
	case Grow:
		p.scale = 0.45 + 0.95*math.Min(u*(0.4+0.6*v), 1.05)
		p.y = groundLine - size*p.scale/2
	case Circle:
		a := 2 * math.Pi * (phase + side*v*u)
		p.x, p.y, p.shadow = 0.5+0.23*math.Cos(a), 0.47+0.23*math.Sin(a), false
	case Fall:
		t := math.Min(u*v/0.8, 1)
		p.height = (0.9 - size*0.2) * (1 - t*t)
	case Fly:
		t := math.Min(u*(0.5+0.5*v), 1.1)
		p.x, p.y, p.shadow = 0.5+side*0.62*(t-0.5), 0.82-size*0.35-0.62*t, false
		p.angle = -side * 0.25
	case Sway:
		p.angle = 0.45 * math.Sin(2*math.Pi*(1.5*v*u+phase))
		p.x += size * 0.4 * math.Sin(p.angle) // it stands on its foot
	case Jump:
		t := math.Min(math.Max((u*math.Max(v, 0.82)-0.12)/0.7, 0), 1) // a slow one lands at the end
		p.x = 0.5 + side*0.36*(t-0.5)
		p.height = 4 * 0.40 * t * (1 - t)
		p.angle = side * 0.5 * (t - 0.5) * math.Min(p.height*8, 1)
	}
	p.y -= p.height
	return p
}
