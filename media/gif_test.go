package media

import (
	"bytes"
	"image"
	"image/draw"
	"image/gif"
	"io"
	"testing"
)

// gifFrames shows a GIF as a player does.
func gifFrames(t *testing.T, data []byte) ([]*image.NRGBA, *gif.GIF) {
	t.Helper()
	g, err := gif.DecodeAll(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	screen := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	var out []*image.NRGBA
	for i, img := range g.Image {
		draw.Draw(screen, img.Rect, img, img.Rect.Min, draw.Over)
		out = append(out, &image.NRGBA{Pix: bytes.Clone(screen.Pix), Stride: screen.Stride, Rect: screen.Rect})
		if g.Disposal[i] == gif.DisposalBackground {
			draw.Draw(screen, img.Rect, image.Transparent, image.Point{}, draw.Src)
		}
	}
	return out, g
}

func TestGIF(t *testing.T) {
	t.Parallel()
	c := sample(25)
	frames, g := gifFrames(t, encodeClip(t, GIF, c))
	total := 0
	for i, img := range frames {
		total += g.Delay[i]
		if p := psnr(c, i, img); p < 33 {
			t.Errorf("frame %d: PSNR %.1f dB, want at least 33", i, p)
		}
	}
	if len(frames) != 25 || total != 208 || g.LoopCount != 0 {
		t.Errorf("%d frames over %d hundredths, %d loops; want 25 over 208, for ever", len(frames), total, g.LoopCount)
	}
	if n := g.Image[5].Rect.Dx(); n > 24 {
		t.Errorf("frame 5 is %d pixels wide, want no more than what moves", n)
	}
	c.FPS = 60
	if err := Encode(io.Discard, GIF, c, Options{}); err == nil {
		t.Error("60 frames a second accepted")
	}
}
