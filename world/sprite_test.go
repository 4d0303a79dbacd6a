package world

import (
	"image"
	"image/color"
	"math"
	"testing"
)

// TestSpriteCentre checks that a disc is drawn where its place says, at every
// size: no level of the sprite shifts it.
func TestSpriteCentre(t *testing.T) {
	t.Parallel()
	img := image.NewRGBA(image.Rect(0, 0, 136, 128))
	for y := range 128 {
		for x := range 136 {
			if math.Hypot(float64(x)-67.5, float64(y)-63.5) < 60 {
				img.Set(x, y, color.Black)
			}
		}
	}
	s := newSprite(img)
	const size = 64
	for side := 6.0; side < 50; side += 0.7 {
		p := place{x: 31.3, y: 30.6, size: side}
		d := newDraught(s, size, p)
		line := make([]float32, 3*size)
		var sum, sx, sy float64
		for y := range size {
			for i := range line {
				line[i] = 1
			}
			d.row(line, y)
			for x := range size {
				w := 1 - float64(line[3*x])
				sum, sx, sy = sum+w, sx+w*(float64(x)+0.5), sy+w*(float64(y)+0.5)
			}
		}
		if dx, dy := sx/sum-p.x, sy/sum-p.y; math.Abs(dx) > 0.1 || math.Abs(dy) > 0.1 {
			t.Errorf("side %.1f: off by %.3f, %.3f pixels", side, dx, dy)
		}
		if area, want := sum, math.Pi*60*side/136*(60*side/136); math.Abs(area/want-1) > 0.06 {
			t.Errorf("side %.1f: area %.1f, want %.1f", side, area, want)
		}
	}
}
