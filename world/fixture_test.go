package world

import (
	"bytes"
	"flag"
	"fmt"
	"hash/crc32"
	"image"
	"image/draw"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/golden.png anew")

// fixture is a world of the few pictures that the repository holds, and the
// objects that it can draw.
func fixture(tb testing.TB) (*World, []uint8) {
	tb.Helper()
	w := &World{sprites: make([]*sprite, len(Objects))}
	var known []uint8
	for i, o := range Objects {
		f, err := os.Open(filepath.Join("testdata", "stickers", fmt.Sprintf("u%04x.png", o.Code)))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			tb.Fatal(err)
		}
		img, err := png.Decode(f)
		if err != nil {
			tb.Fatal(err)
		}
		if err := f.Close(); err != nil {
			tb.Fatal(err)
		}
		w.sprites[i] = newSprite(img)
		known = append(known, uint8(i))
	}
	if len(known) != 12 {
		tb.Fatalf("%d pictures in testdata, want 12", len(known))
	}
	return w, known
}

// fixtureSpecs covers every motion, scene, time, size and speed.
func fixtureSpecs(known []uint8) []Spec {
	var specs []Spec
	for i, o := range known {
		specs = append(specs, Spec{
			Object: o, Motion: uint8(i % len(Motions)), Scene: uint8(i % len(Scenes)), Time: uint8(i * 3 % 4),
			Size: uint8(i % 3), Speed: uint8(i / 2 % 3), Mirror: i%2 == 0, Seed: uint64(i),
		})
	}
	return specs
}

// TestGolden compares a sheet of clips with the one in testdata. Two levels are
// allowed, because processors with fused multiply-adds round otherwise.
func TestGolden(t *testing.T) {
	t.Parallel()
	w, known := fixture(t)
	specs := fixtureSpecs(known)
	captions := make([]string, len(specs))
	for i, s := range specs {
		captions[i] = fmt.Sprintf("%s %s %s", Objects[s.Object].En, Motions[s.Motion].En[0], Times[s.Time].En[0])
	}
	var out bytes.Buffer
	if err := w.sheet(&out, specs, captions, 48); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "golden.png")
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, want := pixels(t, out.Bytes()), pixels(t, old)
	if got.Rect != want.Rect {
		t.Fatalf("sheet of %v, want %v", got.Rect, want.Rect)
	}
	for i, v := range got.Pix {
		if d := int(v) - int(want.Pix[i]); d < -2 || d > 2 {
			t.Fatalf("pixel (%d, %d) is %d, want %d", i%got.Stride/4, i/got.Stride, v, want.Pix[i])
		}
	}
}

func pixels(t *testing.T, data []byte) *image.RGBA {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Rect, img, image.Point{}, draw.Src)
	return out
}

// TestBytes holds clips to the bytes that the built-in model was trained on.
func TestBytes(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" || fused {
		t.Skip("a compiler that fuses multiply-adds rounds otherwise; TestGolden compares with a tolerance")
	}
	w, known := fixture(t)
	for size, want := range map[int]uint32{37: 0x0cad8d9d, 64: 0xfb774bd9, 96: 0x31903f41, 128: 0xd318b432} {
		h := crc32.NewIEEE()
		clip := make([]byte, Frames*size*size*3)
		for _, s := range fixtureSpecs(known) {
			w.Render(clip, s, size)
			h.Write(clip)
		}
		if got := h.Sum32(); got != want {
			t.Errorf("clips of %d pixels have checksum %#08x, want %#08x", size, got, want)
		}
	}
}

// TestSeedMatters checks that every scene varies with the seed.
func TestSeedMatters(t *testing.T) {
	t.Parallel()
	w, known := fixture(t)
	const size = 40
	for scene := range Scenes {
		distinct := map[uint32]bool{}
		clip := make([]byte, Frames*size*size*3)
		for seed := range uint64(12) {
			w.Render(clip, Spec{Object: known[0], Scene: uint8(scene), Seed: seed}, size)
			distinct[crc32.ChecksumIEEE(clip)] = true
		}
		if want := 12; len(distinct) < want && scene != Plain || len(distinct) < 3 {
			t.Errorf("%s: %d different clips of %d seeds", Scenes[scene].En[0], len(distinct), want)
		}
	}
}

// TestFacing checks that what has a front turns around with its motion: a clip
// to the right is the mirror image of one to the left.
func TestFacing(t *testing.T) {
	t.Parallel()
	w, known := fixture(t)
	const size = 64
	left, right := make([]byte, Frames*size*size*3), make([]byte, Frames*size*size*3)
	for _, o := range known {
		s := Spec{Object: o, Scene: Plain, Time: Day}
		s.Motion = RunLeft
		w.Render(left, s, size)
		s.Motion = RunRight
		w.Render(right, s, size)
		worst := 0
		for p := range Frames * size * size {
			x := p % size
			mirror := p - x + size - 1 - x
			for k := range 3 {
				worst = max(worst, int(left[3*p+k])-int(right[3*mirror+k]))
			}
		}
		if turns := Objects[o].faces != facesNone; turns != (worst <= 1) && o != 79 { // a ball is nearly its own mirror image
			t.Errorf("%s: running left and right differ by %d levels from mirror images", Objects[o].En, worst)
		}
	}
	for name, want := range map[string]facing{"penguin": facesLeft, "shoe": facesRight, "rocket": facesRight, "car": facesLeft, "fox": facesNone} {
		for _, o := range Objects {
			if o.En == name && o.faces != want {
				t.Errorf("%s: faces %d, want %d", name, o.faces, want)
			}
		}
	}
}

// TestSubPixel checks that a sticker can stand between pixels: the
// centre of its colours follows its place to a quarter of a pixel, turned
// or not, at any size.
func TestSubPixel(t *testing.T) {
	t.Parallel()
	w, known := fixture(t)
	const size = 64
	for _, o := range known {
		for _, side := range []float64{9, 17.3, 23, 40} {
			for _, angle := range []float64{0, 0.7, 3} {
				x0, y0 := centre(w.sprites[o], size, place{x: 32, y: 32, size: side, angle: angle})
				for step := range 10 {
					dx, dy := float64(step)*0.13, float64(step)*0.07
					x, y := centre(w.sprites[o], size, place{x: 32 + dx, y: 32 + dy, size: side, angle: angle})
					if e := math.Hypot(x-x0-dx, y-y0-dy); e > 0.25 {
						t.Errorf("%s of %.1f pixels at angle %.1f, moved by %.2f, %.2f: lies %.3f off", Objects[o].En, side, angle, dx, dy, e)
					}
				}
			}
		}
	}
}

// centre draws a sprite on nothing and returns the centre of its colours.
func centre(s *sprite, size int, p place) (x, y float64) {
	d := newDraught(s, size, p)
	var sum float64
	line := make([]float32, 3*size)
	for j := range size {
		clear(line)
		d.row(line, j)
		for i, v := range line {
			sum, x, y = sum+float64(v), x+float64(v)*float64(i/3), y+float64(v)*float64(j)
		}
	}
	return x / sum, y / sum
}
