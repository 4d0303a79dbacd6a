package media

import (
	"bytes"
	"encoding/binary"
	"image"
	"math"
	"slices"
	"testing"

	"golang.org/x/image/webp"
)

// sticker is the sample with a disc on nothing.
func sticker(frames int) *Clip {
	c := sample(frames)
	for f := range frames {
		alpha := make([]byte, 64*48)
		for p := range alpha {
			d := math.Hypot(float64(p%64-10-f), float64(p/64-24))
			alpha[p] = byte(255 * min(max(9-d, 0), 1))
		}
		c.Alpha = append(c.Alpha, alpha)
	}
	return c
}

// checkAlpha compares the opacity of a frame.
func checkAlpha(t *testing.T, c *Clip, i int, img image.Image, tolerance int) {
	t.Helper()
	for p, want := range c.Alpha[i] {
		_, _, _, a := img.At(p%c.Width, p/c.Width).RGBA()
		if d := int(a>>8) - int(want); d > tolerance || d < -tolerance {
			t.Errorf("frame %d: alpha %d at %d, %d, want %d", i, a>>8, p%c.Width, p/c.Width, want)
			return
		}
	}
}

// webpFrame makes a still picture of a frame of an animation.
func webpFrame(c *Clip, frame []byte) []byte {
	body := chunk([]byte("WEBP"), "VP8X", slices.Concat([]byte{webpAlpha, 0, 0, 0}, u24(c.Width-1), u24(c.Height-1)))
	body = append(body, frame...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func TestWebP(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*Clip{"opaque": large(t, 12), "sticker": sticker(12)} {
		data := encodeClip(t, WebP, c)
		if int(binary.LittleEndian.Uint32(data[4:])) != len(data)-8 {
			t.Errorf("%s: wrong length", name)
		}
		if got := data[20]&webpAlpha != 0; got != (c.Alpha != nil) {
			t.Errorf("%s: alpha flag %v", name, got)
		}
		n, millis := 0, 0
		for at := 12; at+8 <= len(data); {
			size := int(binary.LittleEndian.Uint32(data[at+4:]))
			if string(data[at:at+4]) == "ANMF" {
				frame := data[at+8 : at+8+size]
				millis += int(frame[12]) | int(frame[13])<<8
				if c.Alpha == nil {
					checkVP8(t, c, n, riffChunk(append(make([]byte, 12), frame[16:]...), "VP8 "))
				} else if img, err := webp.Decode(bytes.NewReader(webpFrame(c, frame[16:]))); err != nil {
					t.Errorf("%s: frame %d: %v", name, n, err)
				} else {
					checkAlpha(t, c, n, img, 0)
				}
				n++
			}
			at += 8 + size + size%2
		}
		if n != 12 || millis != 1000 {
			t.Errorf("%s: %d frames in %d ms, want 12 in 1000", name, n, millis)
		}
	}
}
