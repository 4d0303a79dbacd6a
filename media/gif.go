package media

import (
	"fmt"
	"image"
	"image/gif"
	"io"
)

const (
	// maxGIFRate is the fastest that browsers play: they take delays under 2
	// hundredths of a second for 10.
	maxGIFRate = 50

	// still is by how much a colour may change without being drawn again. The
	// flicker of a generated background would cost most of the file.
	still = 6

	// half is the opacity from which a pixel is drawn: GIF has no others.
	half = 128
)

// writeGIF writes a GIF that loops, with a palette made for the clip. A pixel
// that hardly changes is left as the frame before has it, as ordered dithering
// gives the same colour at the same place the same look.
func writeGIF(w io.Writer, c *Clip) error {
	if c.FPS > maxGIFRate {
		return fmt.Errorf("gif: %d frames a second, at most %d", c.FPS, maxGIFRate)
	}
	p := newPalette(c)
	out := &gif.GIF{Config: image.Config{ColorModel: p.colours, Width: c.Width, Height: c.Height}}
	shown := make([]byte, len(c.Frames[0])) // the colours the screen stands for
	for i := range c.Frames {
		img := image.NewPaletted(image.Rect(0, 0, c.Width, c.Height), p.colours)
		disposal := byte(gif.DisposalNone)
		if c.Alpha != nil {
			disposal = gif.DisposalBackground
		}
		p.draw(img.Pix, c, i, shown)
		out.Image = append(out.Image, crop(img, i == 0))
		out.Disposal = append(out.Disposal, disposal)
		out.Delay = append(out.Delay, int(c.millis(i+1)/10-c.millis(i)/10))
	}
	if err := gif.EncodeAll(w, out); err != nil {
		return fmt.Errorf("gif: %w", err)
	}
	return nil
}

// draw writes a frame in colours of the palette, clear where the screen can
// stay as it is.
func (p *palette) draw(dst []byte, c *Clip, i int, shown []byte) {
	src := c.Frames[i]
	for at := range dst {
		px := src[3*at:][:3]
		if c.Alpha != nil {
			if c.Alpha[i][at] < half {
				continue // clear is 0
			}
		} else if was := shown[3*at:][:3]; i > 0 && near(px, was) {
			continue
		} else {
			copy(was, px)
		}
		dst[at] = p.dithered(px, at%c.Width, at/c.Width)
	}
}

// near says whether two colours look alike.
func near(a, b []byte) bool {
	for k := range 3 {
		if d := int(a[k]) - int(b[k]); d > still || d < -still {
			return false
		}
	}
	return true
}

// crop returns the part of a picture that is not clear, at least a pixel.
func crop(img *image.Paletted, whole bool) *image.Paletted {
	if whole {
		return img
	}
	r := image.Rectangle{}
	for y := range img.Rect.Dy() {
		row := img.Pix[y*img.Stride:][:img.Rect.Dx()]
		first, last := -1, -1
		for x, v := range row {
			if v != clearIndex {
				if first < 0 {
					first = x
				}
				last = x
			}
		}
		if first >= 0 {
			r = r.Union(image.Rect(first, y, last+1, y+1))
		}
	}
	if r.Empty() {
		r = image.Rect(0, 0, 1, 1)
	}
	part, _ := img.SubImage(r).(*image.Paletted) // it is nothing else
	return part
}
