package media

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
