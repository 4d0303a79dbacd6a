// Package media writes clips as files that browsers and phones play: WebM and
// MP4 with VP8 key frames, animated WebP, GIF and PNG, and H.264 through
// ffmpeg where that is installed.
//
// Every frame is a VP8 key frame, which the WebP library makes: a lossy WebP
// file is a VP8 key frame in a RIFF wrapper. That costs two to three times the
// bytes of a video codec with inter frames, and needs nothing but Go.
package media

import (
	"fmt"
	"image"

	"golang.org/x/image/draw"
)

// Limits of a clip.
const (
	MaxSide   = 4096
	MaxFrames = 10_000
)

// Clip is a moving picture.
type Clip struct {
	Width, Height, FPS int
	Frames             [][]byte // RGB, Width·Height·3 bytes each
}

// check says what is wrong with a clip.
func (c *Clip) check() error {
	switch {
	case c.Width < 1 || c.Height < 1 || c.Width > MaxSide || c.Height > MaxSide:
		return fmt.Errorf("media: clip of %dx%d pixels, want sides of 1 to %d", c.Width, c.Height, MaxSide)
	case len(c.Frames) < 1 || len(c.Frames) > MaxFrames:
		return fmt.Errorf("media: clip of %d frames, want 1 to %d", len(c.Frames), MaxFrames)
	case c.FPS < 1 || c.FPS > 1000:
		return fmt.Errorf("media: %d frames a second, want 1 to 1000", c.FPS)
	}
	for i, f := range c.Frames {
		if len(f) != c.Width*c.Height*3 {
			return fmt.Errorf("media: frame %d has %d bytes, want %d", i, len(f), c.Width*c.Height*3)
		}
	}
	return nil
}

// millis is when frame i begins.
func (c *Clip) millis(i int) int64 { return (int64(i)*1000 + int64(c.FPS)/2) / int64(c.FPS) }

// Image returns a frame as an image.
func (c *Clip) Image(i int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, c.Width, c.Height))
	src := c.Frames[i]
	for p := range c.Width * c.Height {
		copy(img.Pix[4*p:4*p+3], src[3*p:3*p+3])
		img.Pix[4*p+3] = 255
	}
	return img
}

// FromImages makes a clip of images of one size; what is transparent turns
// black.
func FromImages(images []image.Image, fps int) (*Clip, error) {
	if len(images) == 0 {
		return nil, fmt.Errorf("media: a clip needs a frame")
	}
	b := images[0].Bounds()
	c := &Clip{Width: b.Dx(), Height: b.Dy(), FPS: fps}
	for i, img := range images {
		if img.Bounds().Size() != b.Size() {
			return nil, fmt.Errorf("media: frame %d is %v, the first %v", i, img.Bounds().Size(), b.Size())
		}
		flat := image.NewRGBA(image.Rect(0, 0, c.Width, c.Height))
		draw.Draw(flat, flat.Bounds(), img, img.Bounds().Min, draw.Src)
		frame := make([]byte, c.Width*c.Height*3)
		for p := range c.Width * c.Height {
			copy(frame[3*p:3*p+3], flat.Pix[4*p:4*p+3])
		}
		c.Frames = append(c.Frames, frame)
	}
	return c, c.check()
}

// Upscale returns the clip at a multiple of its size, smoothly interpolated.
// Small clips look blocky in players without it.
func (c *Clip) Upscale(factor int) (*Clip, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if factor < 1 || c.Width*factor > MaxSide || c.Height*factor > MaxSide {
		return nil, fmt.Errorf("media: scale %d makes %dx%d pixels, want sides of at most %d", factor, c.Width*factor, c.Height*factor, MaxSide)
	}
	if factor == 1 {
		return c, nil
	}
	images := make([]image.Image, len(c.Frames))
	for i := range images {
		big := image.NewNRGBA(image.Rect(0, 0, c.Width*factor, c.Height*factor))
		draw.CatmullRom.Scale(big, big.Bounds(), c.Image(i), image.Rect(0, 0, c.Width, c.Height), draw.Src, nil)
		images[i] = big
	}
	return FromImages(images, c.FPS)
}
