package media

import (
	"bytes"
	"image"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sample is a clip of a disc that moves over a gradient.
func sample(frames int) *Clip {
	c := &Clip{Width: 64, Height: 48, FPS: 12}
	for f := range frames {
		frame := make([]byte, 64*48*3)
		for y := range 48 {
			for x := range 64 {
				p := frame[(y*64+x)*3:][:3]
				p[0], p[1], p[2] = byte(2*x), byte(4*y), 128
				if d := math.Hypot(float64(x-10-f), float64(y-24)); d < 8 {
					p[0], p[1], p[2] = 230, 60, 40
				}
			}
		}
		c.Frames = append(c.Frames, frame)
	}
	return c
}

// large is the sample as it is usually written: at its own size the colours,
// which VP8 stores at half of it, would suffer at the disc's edge.
func large(t *testing.T, frames int) *Clip {
	t.Helper()
	c, err := sample(frames).Upscale(4)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// psnr compares an image with a frame.
func psnr(c *Clip, i int, img image.Image) float64 {
	var sum float64
	for y := range c.Height {
		for x := range c.Width {
			r, g, b, _ := img.At(img.Bounds().Min.X+x, img.Bounds().Min.Y+y).RGBA()
			for k, v := range [3]uint32{r, g, b} {
				d := float64(v>>8) - float64(c.Frames[i][(y*c.Width+x)*3+k])
				sum += d * d
			}
		}
	}
	return 10 * math.Log10(255*255*float64(c.Width*c.Height*3)/sum)
}

func encodeClip(t *testing.T, f Format, c *Clip) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := Encode(&buf, f, c, Options{}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestSame checks that a clip makes the same bytes each time.
func TestSame(t *testing.T) {
	t.Parallel()
	for _, f := range Formats {
		if !bytes.Equal(encodeClip(t, f, sticker(6)), encodeClip(t, f, sticker(6))) {
			t.Errorf("%s differs between two runs", f)
		}
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cut, alpha := sample(2), sample(2)
	cut.Frames[1] = cut.Frames[1][:5]
	alpha.Alpha = [][]byte{make([]byte, 64*48), nil}
	save := func(name string, c *Clip, o Options) func() error {
		return func() error { return Save(filepath.Join(dir, name), c, o) }
	}
	tests := []struct {
		name string
		run  func() error
		want string
	}{
		{"no frames", save("a.webm", &Clip{Width: 1, Height: 1, FPS: 1}, Options{}), "0 frames"},
		{"short frame", save("a.gif", cut, Options{}), "frame 1"},
		{"short alpha", save("a.webp", alpha, Options{}), "of alpha"},
		{"scale", save("a.gif", sample(1), Options{Scale: 1000}), "scale 1000"},
		{"overflowing scale", save("a.gif", sample(1), Options{Scale: math.MaxInt}), "scale"},
		{"negative scale", save("a.gif", sample(1), Options{Scale: -2}), "scale -2"},
		{"quality", save("a.webm", sample(1), Options{Quality: 101}), "quality 101"},
		{"ending", save("a.avi", sample(1), Options{}), `ending "avi"`},
		{"no ending", save("avi", sample(1), Options{}), `ending ""`},
		{"no directory", save("no/a.gif", sample(1), Options{}), "no such file"},
		{"a directory", func() error { return SaveAs(dir, WebM, sample(1), Options{}) }, "is a directory"},
		{"full disk", func() error { return SaveAs("/dev/full", WebM, sample(1), Options{}) }, "disk is full"},
		{"frames to a writer", func() error { return Encode(io.Discard, Frames, sample(1), Options{}) }, "directory"},
		{"format", func() error { return Encode(io.Discard, "tape", sample(1), Options{}) }, "unknown format"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.run(); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "media:") != 1 {
				t.Errorf("got %v, want media: ... %s ...", err, tt.want)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestFFprobe has ffprobe count the frames.
func TestFFprobe(t *testing.T) {
	t.Parallel()
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("ffprobe is not installed")
	}
	for _, f := range []Format{WebM, MP4, H264, GIF, PNG} {
		path := filepath.Join(t.TempDir(), "clip."+string(f)) // read by its contents
		if err := SaveAs(path, f, sample(25), Options{}); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(ffprobe, "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", path).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != "25" {
			t.Errorf("%s: %q, %v; want 25 frames", f, got, err)
		}
	}
}
