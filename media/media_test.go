package media

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/draw"
	"image/gif"
	"image/png"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"
	"golang.org/x/image/vp8"
	"golang.org/x/image/webp"
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

// limited converts a picture as players do: VP8's luma is 16 to 235, which
// Go's own conversion does not know.
func limited(img *image.YCbCr) image.Image {
	out := image.NewNRGBA(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			l := 255. / 219 * float64(int(img.Y[img.YOffset(x, y)])-16)
			b, r := float64(int(img.Cb[img.COffset(x, y)])-128)/224*255, float64(int(img.Cr[img.COffset(x, y)])-128)/224*255
			for k, v := range [4]float64{l + 1.402*r, l - 0.344136*b - 0.714136*r, l + 1.772*b, 255} {
				out.Pix[out.PixOffset(x, y)+k] = byte(min(max(v+0.5, 0), 255))
			}
		}
	}
	return out
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
	if p := psnr(c, i, limited(img)); p < 38 {
		t.Errorf("frame %d: PSNR %.1f dB, want at least 38", i, p)
	}
}

func TestWebM(t *testing.T) {
	t.Parallel()
	c := large(t, 25)
	data := encodeClip(t, WebM, c)
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
	if d := file.Segment.Info.Duration; math.Abs(d-25000/12.) > 1e-9 {
		t.Errorf("duration %v ms, want %v", d, 25000/12.)
	}
	if d := file.Segment.Tracks.TrackEntry[0].DefaultDuration; d != 83_333_333 {
		t.Errorf("default duration %d ns", d)
	}
	// The index must point at what it says.
	segment := bytes.Index(data, []byte{0x18, 0x53, 0x80, 0x67}) + 12
	if segment+int(binary.BigEndian.Uint64(data[segment-8:])&(1<<56-1)) != len(data) {
		t.Error("the segment does not end with the file")
	}
	for _, s := range file.Segment.SeekHead.Seek {
		if !bytes.HasPrefix(data[segment+int(s.SeekPosition):], s.SeekID) {
			t.Errorf("no element %x at %d", s.SeekID, s.SeekPosition)
		}
	}
	cues := file.Segment.Cues.CuePoint
	if len(cues) != 3 || len(file.Segment.Cluster) != 3 {
		t.Fatalf("%d cues of %d clusters, want 3", len(cues), len(file.Segment.Cluster))
	}
	for i, cue := range cues {
		at := segment + int(cue.CueTrackPositions[0].CueClusterPosition)
		if cue.CueTime != uint64(1000*i) || !bytes.HasPrefix(data[at:], ebml.ElementCluster.Bytes()) {
			t.Errorf("cue %d: %d ms, no cluster at %d", i, cue.CueTime, at)
		}
	}
}

func TestMP4(t *testing.T) {
	t.Parallel()
	c := large(t, 25)
	data := encodeClip(t, MP4, c)
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
	mdhd := file.Moov.Trak.Mdia.Mdhd
	if mdhd.Duration*12 != 25*uint64(mdhd.Timescale) {
		t.Errorf("duration %d/%d, want 25/12", mdhd.Duration, mdhd.Timescale)
	}
	if len(file.Children) != 3 || file.Children[1].Type() != "moov" || file.IsFragmented() {
		t.Error("the index is not before the frames")
	}
}

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

func TestPNG(t *testing.T) {
	t.Parallel()
	c := sticker(4)
	for p, a := range c.Alpha[2] {
		if a < 255 {
			c.Alpha[2][p] = 255 // an opaque frame among others
		}
	}
	data := encodeClip(t, PNG, c)
	img, err := png.Decode(bytes.NewReader(data)) // sees the first frame
	if err != nil {
		t.Fatal(err)
	}
	checkAlpha(t, c, 0, img, 0)
	// Every other frame, made a PNG again, must be what went in.
	be := binary.BigEndian
	head := data[:pngHeader]
	frame, number, n := []byte(nil), uint32(0), 0
	check := func() {
		if frame == nil {
			return
		}
		img, err := png.Decode(bytes.NewReader(pngChunk(frame, "IEND", nil)))
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		checkAlpha(t, c, n, img, 0)
		n++
	}
	for at := pngHeader; at < len(data); {
		size, id, body := int(be.Uint32(data[at:])), string(data[at+4:at+8]), data[at+8:]
		switch id {
		case "fcTL":
			check()
			frame = bytes.Clone(head)
			fallthrough
		case "fdAT":
			if got := be.Uint32(body); got != number {
				t.Errorf("%s has number %d, want %d", id, got, number)
			}
			number++
			if id == "fdAT" {
				frame = pngChunk(frame, "IDAT", body[4:size])
			}
		case "IDAT":
			frame = pngChunk(frame, "IDAT", body[:size])
		case "acTL":
			if got := be.Uint32(body); got != 4 {
				t.Errorf("%d frames declared, want 4", got)
			}
		}
		at += 12 + size
	}
	check()
	if n != 4 {
		t.Errorf("%d frames, want 4", n)
	}
}

func TestZip(t *testing.T) {
	t.Parallel()
	c := sample(4)
	data := encodeClip(t, Zip, c)
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 4 || z.File[3].Name != "frame-0004.png" {
		t.Fatalf("%d files, the last %s", len(z.File), z.File[len(z.File)-1].Name)
	}
	for i, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		if p := psnr(c, i, img); !math.IsInf(p, 1) {
			t.Errorf("frame %d: PSNR %.1f dB, want the very frame", i, p)
		}
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "fox")
	for _, n := range []int{5, 3} { // the second has to remove two
		if err := Save(dir+"/", sample(n), Options{}); err != nil {
			t.Fatal(err)
		}
		if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) != n {
			t.Errorf("%d files, %v; want %d", len(files), err, n)
		}
	}
	if f, err := FormatOf(dir); f != Frames || err != nil {
		t.Errorf("a directory is of format %q, %v", f, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Save(dir, sample(1), Options{}); err == nil || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("got %v, want a refusal to mix with notes.txt", err)
	}
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

func TestUpscale(t *testing.T) {
	t.Parallel()
	for factor := range 7 {
		big, err := sticker(2).Upscale(factor)
		if factor == 0 {
			if err == nil {
				t.Error("scale 0 accepted")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := big.check(); err != nil {
			t.Fatal(err)
		}
		// The mean over the pixels that came of one is near that one.
		src := sticker(2)
		for y := 1; y < 47; y++ {
			for x := 1; x < 63; x++ {
				sum := 0
				for dy := range factor {
					for dx := range factor {
						sum += int(big.Alpha[1][(y*factor+dy)*big.Width+x*factor+dx])
					}
				}
				got, want := float64(sum)/float64(factor*factor), float64(src.Alpha[1][y*64+x])
				if math.Abs(got-want) > 40 {
					t.Fatalf("scale %d: alpha %.1f at %d, %d, want about %.0f", factor, got, x, y, want)
				}
			}
		}
	}
	grey := &Clip{Width: 3, Height: 2, FPS: 1, Frames: [][]byte{bytes.Repeat([]byte{77}, 18)}}
	big, err := grey.Upscale(5)
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.Repeat([]byte{77}, 18*25); !bytes.Equal(big.Frames[0], want) {
		t.Error("one colour does not stay one colour")
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

func TestNoFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := Encode(io.Discard, H264, sample(1), Options{}); !errors.Is(err, ErrNoFFmpeg) {
		t.Errorf("got %v, want ErrNoFFmpeg", err)
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
