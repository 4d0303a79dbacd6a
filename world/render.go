package world

import (
	"math"
	"math/rand/v2"
	"sync"

	"kuai/internal/check"
)

// buffers holds the float frames that Render works in.
var buffers = sync.Pool{New: func() any { return &[2][]float32{} }}

// Render draws a clip, RGB [Frames, size, size, 3], to dst.
func (w *World) Render(dst []byte, s Spec, size int) {
	n := size * size * 3
	check.True(size > 0 && size <= MaxSize && len(dst) == Frames*n, "world: clip of %d in %d bytes", size, len(dst))
	buf := buffers.Get().(*[2][]float32)
	defer buffers.Put(buf)
	for i := range buf {
		if cap(buf[i]) < n {
			buf[i] = make([]float32, n)
		}
		buf[i] = buf[i][:n]
	}
	background, frame := buf[0], buf[1]
	newPainter(s, size).paint(background, size)

	r := rand.New(rand.NewPCG(s.Seed, 0xace))
	x0, phase := r.Float64(), r.Float64()
	side, flip := s.side()
	for f := range Frames {
		copy(frame, background)
		w.sticker(frame, size, s, s.at(float64(f)/(Frames-1), side, x0, phase), flip)
		out := dst[f*n : (f+1)*n]
		for i, v := range frame {
			out[i] = byte(v*255 + 0.5)
		}
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

// sticker draws the object and its shadow.
func (w *World) sticker(frame []float32, size int, s Spec, p pose, flip bool) {
	px := float64(size)
	side := stickerSize[s.Size] * p.scale
	if p.shadow && s.Scene != Space {
		near := math.Max(0, 1-p.height*1.6)
		shade(frame, size, p.x*px, (groundLine-0.01)*px, side*0.42*px*(0.6+0.4*near), side*0.11*px, 0.45*near)
	}
	w.sprites[s.Object].draw(frame, size, place{x: p.x * px, y: p.y * px, size: side * px, angle: p.angle, flip: flip})
}
