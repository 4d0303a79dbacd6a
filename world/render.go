package world

import (
	"math"
	"math/rand/v2"
	"sync"

	"kuai/internal/check"
)

// canvas is what drawing a clip needs besides its destination.
type canvas struct {
	painter
	background []float32 // [size, size, 3] in [0, 1]
	line       []float32 // a row of a frame
}

var canvases = sync.Pool{New: func() any { return new(canvas) }}

// Render draws a clip, RGB [Frames, size², 3], to dst. The background is
// painted once; a frame differs from it only in the box around the sticker and
// its shadow.
func (w *World) Render(dst []byte, s Spec, size int) {
	n := size * size * 3
	check.True(size > 0 && size <= MaxSize && len(dst) == Frames*n, "world: clip of %d in %d bytes", size, len(dst))
	check.True(int(s.Object) < len(w.sprites) && w.sprites[s.Object] != nil, "world: no picture of object %d", s.Object)
	c := canvases.Get().(*canvas)
	defer canvases.Put(c)
	if cap(c.background) < n {
		c.background = make([]float32, n)
		c.line = make([]float32, 3*size)
	}
	c.background, c.line = c.background[:n], c.line[:3*size]
	c.reset(s, size)
	c.paint(c.background, size)
	quantise(dst[:n], c.background)
	for f := 1; f < Frames; f++ {
		copy(dst[f*n:(f+1)*n], dst[:n])
	}

	_, flip := s.side()
	for f, pose := range s.poses() {
		w.sticker(dst[f*n:(f+1)*n], c, size, pose, flip)
	}
}

// poses returns the sticker's place in each frame.
func (s Spec) poses() (all [Frames]pose) {
	r := rand.New(rand.NewPCG(s.Seed, 0xace))
	x0, phase := r.Float64(), r.Float64()
	side, _ := s.side()
	for f := range all {
		all[f] = s.at(float64(f)/(Frames-1), side, x0, phase)
	}
	return all
}

// Box is a rectangle in units of the frame's side; it may reach beyond.
type Box struct{ X0, Y0, X1, Y1 float64 }

// Union is the least box around both.
func (b Box) Union(c Box) Box {
	return Box{min(b.X0, c.X0), min(b.Y0, c.Y0), max(b.X1, c.X1), max(b.Y1, c.Y1)}
}

// Boxes returns where the sticker is in each frame.
func (s Spec) Boxes() (all [Frames]Box) {
	for f, p := range s.poses() {
		sin, cos := math.Sincos(p.angle)
		r := stickerSize[s.Size] * p.scale / 2 * (math.Abs(sin) + math.Abs(cos))
		all[f] = Box{p.x - r, p.y - r, p.x + r, p.y + r}
	}
	return all
}

// quantise rounds values in [0, 1] to bytes.
func quantise(dst []byte, src []float32) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = byte(v*255 + 0.5)
	}
}

// side returns which way the motion goes, and whether the picture must be
// turned around to look there.
func (s Spec) side() (side float64, flip bool) {
	left := s.Mirror
	switch s.Motion {
	case RunLeft:
		left = true
	case RunRight:
		left = false
	}
	side = 1
	if left {
		side = -1
	}
	switch Objects[s.Object].faces {
	case facesLeft:
		flip = !left
	case facesRight:
		flip = left
	case facesNone:
		flip = false // an 8 on a ball must not be mirrored
	}
	return side, flip
}

// sticker draws the object and its shadow into a frame that shows the
// background.
func (w *World) sticker(frame []byte, c *canvas, size int, p pose, flip bool) {
	px := float64(size)
	side := stickerSize[c.spec.Size] * p.scale
	d := newDraught(w.sprites[c.spec.Object], size, place{x: p.x * px, y: p.y * px, size: side * px, angle: p.angle, flip: flip})
	all := d.box
	var under shadow
	if p.shadow && c.spec.Scene != Space {
		near := math.Max(0, 1-p.height*1.6)
		under = newShadow(size, p.x*px, (groundLine-0.01)*px, side*0.42*px*(0.6+0.4*near), side*0.11*px, 0.45*near)
		all = all.union(under.box)
	}
	for y := all.y0; y < all.y1; y++ {
		from, to := (y*size+all.x0)*3, (y*size+all.x1)*3
		copy(c.line[3*all.x0:3*all.x1], c.background[from:to])
		under.row(c.line, y)
		d.row(c.line, y)
		quantise(frame[from:to], c.line[3*all.x0:3*all.x1])
	}
}
