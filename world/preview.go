package world

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math/rand/v2"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// PreviewOptions choose the clips of a contact sheet.
type PreviewOptions struct {
	Split Split
	Seed  uint64
	Size  int // pixels on a side of a frame
	Clips int // rows, at most 100
}

const (
	previewFrames = 9 // of a clip, every third
	captionHeight = 16
	maxPreview    = 100
)

// Preview writes a contact sheet as PNG: a row for each clip with its English
// caption below. It returns the captions, in both languages.
func (w *World) Preview(out io.Writer, o PreviewOptions) ([]string, error) {
	if o.Size < 16 || o.Size > MaxSize || o.Clips < 1 || o.Clips > maxPreview {
		return nil, fmt.Errorf("world: sheet of %d clips of %d pixels, want 1 to %d of 16 to %d", o.Clips, o.Size, maxPreview, MaxSize)
	}
	row := o.Size + captionHeight
	sheet := image.NewRGBA(image.Rect(0, 0, previewFrames*o.Size, o.Clips*row))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	clip := make([]byte, Frames*o.Size*o.Size*3)
	var captions []string
	for i := range o.Clips {
		s := Sample(o.Split, o.Seed, uint64(i))
		w.Render(clip, s, o.Size)
		for f := range previewFrames {
			frame := clip[f*(Frames-1)/(previewFrames-1)*o.Size*o.Size*3:]
			for p := range o.Size * o.Size {
				sheet.SetRGBA(f*o.Size+p%o.Size, i*row+p/o.Size, color.RGBA{frame[3*p], frame[3*p+1], frame[3*p+2], 255})
			}
		}
		r := rand.New(rand.NewPCG(o.Seed, uint64(i)))
		english := s.FullCaption(English, r)
		captions = append(captions, english+" / "+s.FullCaption(Chinese, r))
		d := font.Drawer{
			Dst: sheet, Src: image.Black, Face: basicfont.Face7x13,
			Dot: fixed.P(4, i*row+o.Size+captionHeight-4),
		}
		d.DrawString(english)
	}
	if err := png.Encode(out, sheet); err != nil {
		return nil, fmt.Errorf("world: %w", err)
	}
	return captions, nil
}
