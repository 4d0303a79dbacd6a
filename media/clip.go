// Package media writes clips as files that browsers and phones play: WebM and
// MP4 with VP8 key frames, animated WebP, GIF and PNG, and H.264 through
// ffmpeg where that is installed.
//
// Every frame of the first three is a VP8 key frame, which the WebP library
// makes: a lossy WebP file is a VP8 key frame in a RIFF wrapper. That costs two
// to three times the bytes of a video codec with inter frames, and needs
// nothing but Go.
package media

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
	"runtime"
	"sync"
	"sync/atomic"
)

// Limits of a clip.
const (
	MaxSide   = 4096
	MaxFrames = 10_000
	MaxBytes  = 4 << 30 // of all frames, also after they were enlarged
)

// Clip is a moving picture.
type Clip struct {
	Width, Height, FPS int
	Frames             [][]byte // RGB, Width·Height·3 bytes each

	// Alpha is the opacity of every pixel, Width·Height bytes a frame, for
	// clips that are shown on something else, such as stickers; nil is opaque.
	// Formats without transparency show such a clip on white.
	Alpha [][]byte
}

// check says what is wrong with a clip.
func (c *Clip) check() error {
	switch {
	case c.Width < 1 || c.Height < 1 || c.Width > MaxSide || c.Height > MaxSide:
		return fmt.Errorf("media: clip of %dx%d pixels, want sides of 1 to %d", c.Width, c.Height, MaxSide)
	case len(c.Frames) < 1 || len(c.Frames) > MaxFrames:
		return fmt.Errorf("media: clip of %d frames, want 1 to %d", len(c.Frames), MaxFrames)
	case c.bytes(1) > MaxBytes:
		return fmt.Errorf("media: clip of %d bytes, at most %d", c.bytes(1), MaxBytes)
	case c.FPS < 1 || c.FPS > 1000:
		return fmt.Errorf("media: %d frames a second, want 1 to 1000", c.FPS)
	case c.Alpha != nil && len(c.Alpha) != len(c.Frames):
		return fmt.Errorf("media: %d frames of alpha for %d of colour", len(c.Alpha), len(c.Frames))
	}
	for i, f := range c.Frames {
		if len(f) != c.Width*c.Height*3 {
			return fmt.Errorf("media: frame %d has %d bytes, want %d", i, len(f), c.Width*c.Height*3)
		}
		if c.Alpha != nil && len(c.Alpha[i]) != c.Width*c.Height {
			return fmt.Errorf("media: frame %d has %d bytes of alpha, want %d", i, len(c.Alpha[i]), c.Width*c.Height)
		}
	}
	return nil
}

// bytes is the size of the clip's colours, enlarged by a factor.
func (c *Clip) bytes(factor int) int64 {
	return int64(c.Width) * int64(c.Height) * 3 * int64(len(c.Frames)) * int64(factor) * int64(factor)
}

// millis is when frame i begins.
func (c *Clip) millis(i int) int64 { return (int64(i)*1000 + int64(c.FPS)/2) / int64(c.FPS) }

// Image returns a frame as an image.
func (c *Clip) Image(i int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, c.Width, c.Height))
	src, dst := c.Frames[i], img.Pix
	for p := 0; p < len(dst); p += 4 {
		q := p / 4 * 3
		dst[p], dst[p+1], dst[p+2], dst[p+3] = src[q], src[q+1], src[q+2], 255
	}
	if c.Alpha != nil {
		for p, a := range c.Alpha[i] {
			dst[4*p+3] = a
		}
	}
	return img
}

// opaque returns the clip as it looks on white.
func (c *Clip) opaque() *Clip {
	if c.Alpha == nil {
		return c
	}
	flat := &Clip{Width: c.Width, Height: c.Height, FPS: c.FPS, Frames: make([][]byte, len(c.Frames))}
	for i, src := range c.Frames {
		dst := make([]byte, len(src))
		for p, a := range c.Alpha[i] {
			for k := 3 * p; k < 3*p+3; k++ {
				dst[k] = byte((int(src[k])*int(a) + 255*(255-int(a)) + 127) / 255)
			}
		}
		flat.Frames[i] = dst
	}
	return flat
}

// FromImages makes a clip of images of one size.
func FromImages(images []image.Image, fps int) (*Clip, error) {
	if len(images) == 0 {
		return nil, errors.New("media: a clip needs a frame")
	}
	b := images[0].Bounds()
	c := &Clip{Width: b.Dx(), Height: b.Dy(), FPS: fps}
	seeThrough := false
	for i, img := range images {
		if img.Bounds().Size() != b.Size() {
			return nil, fmt.Errorf("media: frame %d is %v, the first %v", i, img.Bounds().Size(), b.Size())
		}
		flat, ok := img.(*image.NRGBA)
		if !ok || flat.Stride != 4*c.Width {
			flat = image.NewNRGBA(image.Rect(0, 0, c.Width, c.Height))
			draw.Draw(flat, flat.Bounds(), img, img.Bounds().Min, draw.Src)
		}
		n := c.Width * c.Height
		frame, alpha := make([]byte, 3*n), make([]byte, n)
		for p := range n {
			copy(frame[3*p:3*p+3], flat.Pix[4*p:4*p+3])
			alpha[p] = flat.Pix[4*p+3]
			seeThrough = seeThrough || alpha[p] < 255
		}
		c.Frames, c.Alpha = append(c.Frames, frame), append(c.Alpha, alpha)
	}
	if !seeThrough {
		c.Alpha = nil
	}
	return c, c.check()
}

// each calls f for every frame, several at a time, and returns the first error
// by frame.
func (c *Clip) each(f func(i int) error) error {
	errs := make([]error, len(c.Frames))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(c.Frames)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(errs); i = int(next.Add(1)) - 1 {
				errs[i] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
