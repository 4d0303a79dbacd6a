package world

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"math/rand/v2"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"kuai/media"
)

// PreviewOptions choose the clips of a contact sheet.
type PreviewOptions struct {
	Split Split
	Seed  uint64
	Size  int // pixels on a side of a frame, 16 to MaxSize
	Clips int // at most 100
}

const (
	previewFrames = 9 // of a clip, every third
	captionHeight = 16
	glyphWidth    = 7 // of the sheet's type
	gap           = 2 // between frames
	minPreview    = 16
	maxPreview    = 100
	maxWall       = 2048 // pixels on a side: 315 MB of frames
)

// specs draws the clips of a sheet and writes their captions, in both
// languages.
func (o PreviewOptions) specs() (specs []Spec, captions []string, err error) {
	if o.Size < minPreview || o.Size > MaxSize || o.Clips < 1 || o.Clips > maxPreview {
		return nil, nil, fmt.Errorf("world: sheet of %d clips of %d pixels, want 1 to %d of %d to %d", o.Clips, o.Size, maxPreview, minPreview, MaxSize)
	}
	for i := range o.Clips {
		s := Sample(o.Split, o.Seed, uint64(i))
		r := rand.New(rand.NewPCG(o.Seed, uint64(i)))
		specs = append(specs, s)
		captions = append(captions, s.FullCaption(English, r)+" / "+s.FullCaption(Chinese, r))
	}
	return specs, captions, nil
}

// Preview writes a contact sheet as PNG: a row for each clip with its English
// caption below. It returns the captions, in both languages.
func (w *World) Preview(out io.Writer, o PreviewOptions) ([]string, error) {
	specs, captions, err := o.specs()
	if err != nil {
		return nil, err
	}
	return captions, w.sheet(out, specs, captions, o.Size)
}

// sheet draws a row for each clip, with as much of its caption as the built-in
// type has letters and the sheet has room for.
func (w *World) sheet(out io.Writer, specs []Spec, captions []string, size int) error {
	row, step := size+captionHeight, size+gap
	width := previewFrames*step - gap
	sheet := image.NewRGBA(image.Rect(0, 0, width, len(specs)*row))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	clip := make([]byte, Frames*size*size*3)
	for i, s := range specs {
		w.Render(clip, s, size)
		for f := range previewFrames {
			frame := clip[f*(Frames-1)/(previewFrames-1)*size*size*3:]
			for p := range size * size {
				sheet.SetRGBA(f*step+p%size, i*row+p/size, color.RGBA{frame[3*p], frame[3*p+1], frame[3*p+2], 255})
			}
		}
		text := ascii(captions[i])
		d := font.Drawer{
			Dst: sheet, Src: image.Black, Face: basicfont.Face7x13,
			Dot: fixed.P(3, i*row+size+captionHeight-4),
		}
		d.DrawString(text[:min(len(text), (width-3)/glyphWidth)])
	}
	if err := png.Encode(out, sheet); err != nil {
		return fmt.Errorf("world: %w", err)
	}
	return nil
}

// ascii is the beginning of a text that the built-in type can show.
func ascii(text string) string {
	for i, c := range text {
		if c >= 0x7f || c == '/' {
			return text[:i]
		}
	}
	return text
}

// Wall plays the clips of a sheet side by side, as one clip. It returns the
// captions row by row, in both languages.
func (w *World) Wall(o PreviewOptions) (*media.Clip, []string, error) {
	specs, captions, err := o.specs()
	if err != nil {
		return nil, nil, err
	}
	columns := int(math.Ceil(math.Sqrt(float64(len(specs)))))
	rows := (len(specs) + columns - 1) / columns
	width, height := columns*(o.Size+gap)-gap, rows*(o.Size+gap)-gap
	width, height = width+width%2, height+height%2 // as video wants it
	if max(width, height) > maxWall {
		return nil, nil, fmt.Errorf("world: wall of %dx%d pixels, at most %d on a side: fewer or smaller clips", width, height, maxWall)
	}
	c := &media.Clip{Width: width, Height: height, FPS: FPS}
	for range Frames {
		frame := make([]byte, width*height*3)
		for i := range frame {
			frame[i] = 255
		}
		c.Frames = append(c.Frames, frame)
	}
	line := o.Size * 3
	clip := make([]byte, Frames*o.Size*line)
	for i, s := range specs {
		w.Render(clip, s, o.Size)
		x, y := i%columns*(o.Size+gap), i/columns*(o.Size+gap)
		for f, frame := range c.Frames {
			for j := range o.Size {
				copy(frame[((y+j)*width+x)*3:], clip[(f*o.Size+j)*line:][:line])
			}
		}
	}
	return c, captions, nil
}
