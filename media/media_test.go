package media

import (
	"archive/zip"
	"bytes"
	"errors"
	"image"
	"image/gif"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"
	"golang.org/x/image/vp8"
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

func encode(t *testing.T, f Format, c *Clip) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := Encode(&buf, f, c, Options{}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// checkVP8 decodes a key frame and compares it.
func checkVP8(t *testing.T, c *Clip, i int, data []byte) {
	t.Helper()
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(data), len(data))
	if _, err := d.DecodeFrameHeader(); err != nil {
		t.Fatalf("frame %d: %v", i, err)
	}
	img, err := d.DecodeFrame()
	if err != nil {
		t.Fatalf("frame %d: %v", i, err)
	}
	if p := psnr(c, i, img); p < 24 { // chroma at half size costs most at the disc's edge
		t.Errorf("frame %d: PSNR %.1f dB, want at least 24", i, p)
	}
}

func TestWebM(t *testing.T) {
	t.Parallel()
	c := sample(25)
	data := encode(t, WebM, c)
	var file struct {
		Header  webm.EBMLHeader `ebml:"EBML"`
		Segment webm.Segment    `ebml:"Segment"`
	}
	if err := ebml.Unmarshal(bytes.NewReader(data), &file); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	n := 0
	for _, cl := range file.Segment.Cluster {
		for _, b := range cl.SimpleBlock {
			at := int64(cl.Timecode) + int64(b.Timecode)
			if at != c.millis(n) || !b.Keyframe {
				t.Errorf("frame %d at %d ms, key %v; want %d ms", n, at, b.Keyframe, c.millis(n))
			}
			checkVP8(t, c, n, b.Data[0])
			n++
		}
	}
	if n != 25 {
		t.Errorf("%d frames, want 25", n)
	}
	if file.Segment.Cues == nil || file.Segment.Info.Duration < 1900 {
		t.Errorf("cues %v, duration %v ms", file.Segment.Cues, file.Segment.Info.Duration)
	}
}

func TestMP4(t *testing.T) {
	t.Parallel()
	c := sample(25)
	data := encode(t, MP4, c)
	file, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	stbl := file.Moov.Trak.Mdia.Minf.Stbl
	at := int(stbl.Stco.ChunkOffset[0])
	if n := stbl.Stsz.GetNrSamples(); n != 25 {
		t.Fatalf("%d samples, want 25", n)
	}
	for i, n := range stbl.Stsz.SampleSize {
		checkVP8(t, c, i, data[at:at+int(n)])
		at += int(n)
	}
	if at != len(data) {
		t.Errorf("samples end at %d of %d bytes", at, len(data))
	}
}

func TestGIF(t *testing.T) {
	t.Parallel()
	c := sample(5)
	g, err := gif.DecodeAll(bytes.NewReader(encode(t, GIF, c)))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for i, img := range g.Image {
		total += g.Delay[i]
		if p := psnr(c, i, img); p < 28 {
			t.Errorf("frame %d: PSNR %.1f dB, want at least 28", i, p)
		}
	}
	if len(g.Image) != 5 || total < 41 || total > 42 {
		t.Errorf("%d frames over %d hundredths, want 5 over 41", len(g.Image), total)
	}
}

func TestWebP(t *testing.T) {
	t.Parallel()
	c := sample(3)
	data := encode(t, WebP, c)
	n := 0
	for at := 12; at+8 <= len(data); {
		size := int(data[at+4]) | int(data[at+5])<<8 | int(data[at+6])<<16
		if string(data[at:at+4]) == "ANMF" {
			frame, err := riffChunk(append(make([]byte, 12), data[at+8+16:at+8+size]...), "VP8 ")
			if err != nil {
				t.Fatal(err)
			}
			checkVP8(t, c, n, frame)
			n++
		}
		at += 8 + size + size%2
	}
	if n != 3 {
		t.Errorf("%d frames, want 3", n)
	}
}

func TestPNG(t *testing.T) {
	t.Parallel()
	data := encode(t, PNG, sample(4))
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 4 {
		t.Fatalf("%d files, want 4", len(z.File))
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if p := psnr(sample(1), 0, img); !math.IsInf(p, 1) {
		t.Errorf("PSNR %.1f dB, want the very frame", p)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cut := sample(2)
	cut.Frames[1] = cut.Frames[1][:5]
	tests := []struct {
		name string
		run  func() error
		want string
	}{
		{"no frames", func() error { return Save(filepath.Join(dir, "a.webm"), &Clip{Width: 1, Height: 1, FPS: 1}, Options{}) }, "0 frames"},
		{"short frame", func() error { return Save(filepath.Join(dir, "a.gif"), cut, Options{}) }, "frame 1"},
		{"scale", func() error { return Save(filepath.Join(dir, "a.gif"), sample(1), Options{Scale: 1000}) }, "scale 1000"},
		{"quality", func() error { return Save(filepath.Join(dir, "a.webm"), sample(1), Options{Quality: 101}) }, "quality 101"},
		{"ending", func() error { return Save(filepath.Join(dir, "a.avi"), sample(1), Options{}) }, `ending "avi"`},
		{"no directory", func() error { return Save(filepath.Join(dir, "no", "a.gif"), sample(1), Options{}) }, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := tt.run(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ... %s ...", err, tt.want)
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
	for _, f := range []Format{WebM, MP4, H264, GIF} {
		path := filepath.Join(t.TempDir(), "clip."+string(f))
		if err := SaveAs(path, f, sample(25), Options{}); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(ffprobe, "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", path).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != "25" {
			t.Errorf("%s: %q, %v; want 25 frames", f, got, err)
		}
	}
}
