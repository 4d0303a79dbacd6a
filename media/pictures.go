package media

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/png"
	"io"
	"slices"
)

// writeWebP writes an animated WebP that loops: the same key frames in a RIFF
// file.
//
//	VP8X  flags, canvas size
//	ANIM  background, loops (0 is for ever)
//	ANMF  place, size, duration and a VP8 chunk, a frame each
//
// Source: Google's WebP Container Specification.
func writeWebP(w io.Writer, c *Clip, quality int) error {
	frames, err := keyFrames(c, quality)
	if err != nil {
		return err
	}
	const animated = 2
	body := []byte("WEBP")
	body = chunk(body, "VP8X", slices.Concat([]byte{animated, 0, 0, 0}, u24(c.Width-1), u24(c.Height-1)))
	body = chunk(body, "ANIM", make([]byte, 6))
	for i, f := range frames {
		head := slices.Concat(u24(0), u24(0), u24(c.Width-1), u24(c.Height-1), u24(int(c.millis(i+1)-c.millis(i))), []byte{0})
		body = chunk(body, "ANMF", chunk(head, "VP8 ", f))
	}
	file := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body)))
	_, err = w.Write(append(file, body...))
	return err
}

// chunk appends a RIFF chunk, padded to an even length.
func chunk(to []byte, id string, data []byte) []byte {
	to = binary.LittleEndian.AppendUint32(append(to, id...), uint32(len(data)))
	to = append(to, data...)
	if len(data)%2 == 1 {
		to = append(to, 0)
	}
	return to
}

func u24(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }

// writeGIF writes a GIF that loops, with a palette made for the clip.
func writeGIF(w io.Writer, c *Clip) error {
	colours := clipPalette(c)
	out := &gif.GIF{}
	for i := range c.Frames {
		img := c.Image(i)
		p := image.NewPaletted(img.Bounds(), colours)
		draw.FloydSteinberg.Draw(p, img.Bounds(), img, image.Point{})
		out.Image = append(out.Image, p)
		out.Delay = append(out.Delay, int(c.millis(i+1)/10-c.millis(i)/10))
	}
	if err := gif.EncodeAll(w, out); err != nil {
		return fmt.Errorf("media: gif: %w", err)
	}
	return nil
}

// clipPalette chooses 256 colours by median cut over samples of all frames.
func clipPalette(c *Clip) color.Palette {
	const samples = 20_000
	var all [][3]byte
	total := len(c.Frames) * c.Width * c.Height
	step := max(total/samples, 1)
	for i := 0; i < total; i += step {
		f, p := i/(c.Width*c.Height), i%(c.Width*c.Height)
		all = append(all, [3]byte(c.Frames[f][3*p:3*p+3]))
	}
	boxes := [][][3]byte{all}
	for len(boxes) < 256 {
		best, axis, spread := -1, 0, 0
		for i, b := range boxes {
			if a, s := widest(b); s*len(b) > spread {
				best, axis, spread = i, a, s*len(b)
			}
		}
		if best < 0 {
			break
		}
		b := boxes[best]
		slices.SortFunc(b, func(x, y [3]byte) int { return int(x[axis]) - int(y[axis]) })
		boxes[best] = b[:len(b)/2]
		boxes = append(boxes, b[len(b)/2:])
	}
	var out color.Palette
	for _, b := range boxes {
		var sum [3]int
		for _, v := range b {
			for k := range sum {
				sum[k] += int(v[k])
			}
		}
		n := max(len(b), 1)
		out = append(out, color.RGBA{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), 255})
	}
	if len(out) < 2 {
		return palette.Plan9
	}
	return out
}

// widest returns the axis along which a box of colours is widest, and how
// wide.
func widest(b [][3]byte) (axis, spread int) {
	for k := range 3 {
		lo, hi := 255, 0
		for _, v := range b {
			lo, hi = min(lo, int(v[k])), max(hi, int(v[k]))
		}
		if hi-lo > spread {
			axis, spread = k, hi-lo
		}
	}
	return axis, spread
}

// writePNG writes a single frame as a PNG, several as a zip of PNGs.
func writePNG(w io.Writer, c *Clip) error {
	if len(c.Frames) == 1 {
		return png.Encode(w, c.Image(0))
	}
	z := zip.NewWriter(w)
	for i := range c.Frames {
		var buf bytes.Buffer
		if err := png.Encode(&buf, c.Image(i)); err != nil {
			return fmt.Errorf("media: png: %w", err)
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("frame-%04d.png", i+1), Method: zip.Store})
		if err != nil {
			return fmt.Errorf("media: zip: %w", err)
		}
		if _, err := f.Write(buf.Bytes()); err != nil {
			return fmt.Errorf("media: zip: %w", err)
		}
	}
	return z.Close()
}
