package emoji

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/png"
	"testing"
)

// font builds a font with one picture, of U+1F98A.
func font(t testing.TB) []byte {
	t.Helper()
	var pic bytes.Buffer
	if err := png.Encode(&pic, image.NewNRGBA(image.Rect(0, 0, 5, 4))); err != nil {
		t.Fatal(err)
	}
	be := binary.BigEndian
	cmap := be.AppendUint16(nil, 0)
	cmap = be.AppendUint16(cmap, 1)
	cmap = be.AppendUint32(cmap, 3<<16|10)
	cmap = be.AppendUint32(cmap, 12)
	cmap = be.AppendUint16(cmap, 12)
	cmap = append(cmap, make([]byte, 10)...)
	for _, v := range []uint32{1, 0x1F98A, 0x1F98A, 7} {
		cmap = be.AppendUint32(cmap, v)
	}
	cblc := be.AppendUint32(nil, 3<<16)
	cblc = be.AppendUint32(cblc, 1)
	size := make([]byte, 48)
	be.PutUint32(size, 56)
	be.PutUint32(size[8:], 1)
	cblc = append(cblc, size...)
	cblc = be.AppendUint16(cblc, 7)
	cblc = be.AppendUint16(cblc, 7)
	cblc = be.AppendUint32(cblc, 8)
	cblc = be.AppendUint16(cblc, 1)
	cblc = be.AppendUint16(cblc, 17)
	for _, v := range []uint32{4, 0, uint32(9 + pic.Len())} {
		cblc = be.AppendUint32(cblc, v)
	}
	cbdt := be.AppendUint32(nil, 3<<16)
	cbdt = append(cbdt, make([]byte, 5)...)
	cbdt = be.AppendUint32(cbdt, uint32(pic.Len()))
	cbdt = append(cbdt, pic.Bytes()...)

	out := make([]byte, 12+3*16)
	be.PutUint16(out[4:], 3)
	for i, table := range []struct {
		tag  string
		data []byte
	}{{"cmap", cmap}, {"CBLC", cblc}, {"CBDT", cbdt}} {
		copy(out[12+16*i:], table.tag)
		be.PutUint32(out[12+16*i+8:], uint32(len(out)))
		be.PutUint32(out[12+16*i+12:], uint32(len(table.data)))
		out = append(out, table.data...)
	}
	return out
}

func TestPicture(t *testing.T) {
	t.Parallel()
	f, err := Parse(font(t))
	if err != nil {
		t.Fatal(err)
	}
	img, err := f.Picture(0x1F98A)
	if err != nil {
		t.Fatal(err)
	}
	if got := img.Bounds().Size(); got != image.Pt(5, 4) {
		t.Errorf("picture of %v, want 5x4", got)
	}
	if _, err := f.Picture('x'); !errors.Is(err, ErrNoGlyph) {
		t.Errorf("got %v, want ErrNoGlyph", err)
	}
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	good := font(t)
	for name, data := range map[string][]byte{
		"empty": {}, "text": []byte("this is no font"), "half": good[:40],
		"cut": good[:len(good)-10],
	} {
		f, err := Parse(data)
		if err == nil {
			_, err = f.Picture(0x1F98A)
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want ErrDamaged", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(font(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		font, err := Parse(data)
		if err == nil {
			_, err = font.Picture(0x1F98A)
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNoGlyph) {
			t.Fatalf("got %v", err)
		}
	})
}
