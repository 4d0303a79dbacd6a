package media

import (
	"bytes"
	"math"
	"testing"
)

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
