package e2e

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const (
	columns = 7
	gap     = 12 // pixels between the pictures of a sheet
)

// sheets makes one picture of all screens for each look, those of a desk at half
// their size.
func sheets(t *testing.T) {
	for _, look := range looks {
		all, err := filepath.Glob(filepath.Join(shots, fmt.Sprintf("*-%s-%s-%d.png", look.theme, look.language, look.width)))
		if err != nil || len(all) == 0 {
			t.Errorf("%v: %d pictures, %v", look, len(all), err)
			continue
		}
		slices.Sort(all)
		by := 1
		if look.width > 1000 {
			by = 2
		}
		w, h := int(look.width)/by, int(look.height)/by
		rows := (len(all) + columns - 1) / columns
		sheet := image.NewRGBA(image.Rect(0, 0, columns*(w+gap)+gap, rows*(h+gap)+gap))
		draw.Draw(sheet, sheet.Rect, image.NewUniform(color.Gray{0x80}), image.Point{}, draw.Src)
		for i, name := range all {
			at := image.Pt(gap+i%columns*(w+gap), gap+i/columns*(h+gap))
			draw.Draw(sheet, image.Rectangle{at, at.Add(image.Pt(w, h))}, smaller(t, name, by), image.Point{}, draw.Src)
		}
		f, err := os.Create(filepath.Join(shots, fmt.Sprintf("sheet-%s-%s-%d.png", look.theme, look.language, look.width)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, sheet); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// smaller reads a picture, each of whose pixels is the mean of by·by.
func smaller(t *testing.T, name string, by int) image.Image {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	whole, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	b := whole.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx()/by, b.Dy()/by))
	for y := range b.Dy() / by {
		for x := range b.Dx() / by {
			var sum [3]uint32
			for i := range by * by {
				r, g, bl, _ := whole.At(b.Min.X+x*by+i%by, b.Min.Y+y*by+i/by).RGBA()
				sum[0], sum[1], sum[2] = sum[0]+r>>8, sum[1]+g>>8, sum[2]+bl>>8
			}
			n := uint32(by * by)
			out.SetRGBA(x, y, color.RGBA{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), 255})
		}
	}
	return out
}
