package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"testing"

	"kuai/video"
)

func pngOf(t *testing.T, w, h int, at func(x, y int) color.NRGBA) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, at(x, y))
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestPicture checks the size, the colours and the weight of what a job keeps.
func TestPicture(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(int, int) color.NRGBA {
		return color.NRGBA{uint8(rng.Uint32()), uint8(rng.Uint32()), uint8(rng.Uint32()), 255}
	}
	empty := func(int, int) color.NRGBA { return color.NRGBA{} }
	for name, tt := range map[string]struct {
		w, h         int // of the picture
		clipW, clipH int
		toW, toH     int
		at           func(x, y int) color.NRGBA
	}{
		"a wide one covers":      {400, 100, 80, 50, 200, 50, empty},
		"a square covers":        {100, 100, 80, 50, 80, 80, empty},
		"a small one stays":      {10, 20, 80, 50, 10, 20, empty},
		"noise is not too heavy": {900, 600, 750, 480, 750, 500, noise},
	} {
		got, err := Picture(pngOf(t, tt.w, tt.h, tt.at), tt.clipW, tt.clipH)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		img, err := jpeg.Decode(bytes.NewReader(got))
		if err != nil || len(got) > maxBegin || img.Bounds().Dx() != tt.toW || img.Bounds().Dy() != tt.toH {
			t.Errorf("%s: %v, %d bytes, %v", name, err, len(got), img.Bounds())
		}
		if r, _, _, _ := img.At(1, 1).RGBA(); tt.w <= 400 && r < 0xf000 {
			t.Errorf("%s: what can be seen through is %x", name, r)
		}
	}
	whole := pngOf(t, 8, 8, empty)
	huge := bytes.Clone(whole)
	copy(huge[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0}) // 65536x65536, with a checksum that no longer fits
	for name, bad := range map[string][]byte{"nothing": nil, "text": []byte("a fox"), "cut": whole[:40], "huge": huge} {
		if _, err := Picture(bad, 8, 8); !errors.Is(err, ErrPicture) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShown(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(Order{Request: video.Request{Prompt: `"picture"`}})
	if err != nil {
		t.Fatal(err)
	}
	if got := Shown(body); !bytes.Equal(got, body) {
		t.Errorf("without one: %s", got)
	}
	body, err = json.Marshal(Order{Request: video.Request{Prompt: "a fox"}, Picture: make([]byte, 1000)})
	if err != nil {
		t.Fatal(err)
	}
	if got := Shown(body); len(got) > 300 || !bytes.Contains(got, []byte(`"bytes":1000`)) || !bytes.Contains(got, []byte("a fox")) {
		t.Errorf("with one: %s", got)
	}
}
