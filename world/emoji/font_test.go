package emoji

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// font builds a font with one picture, of U+1F98A.
func font(tb testing.TB) []byte {
	tb.Helper()
	var pic bytes.Buffer
	if err := png.Encode(&pic, image.NewNRGBA(image.Rect(0, 0, 5, 4))); err != nil {
		tb.Fatal(err)
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
	good := font(f)
	for _, n := range []int{len(good), len(good) - 10, 100, 60, 40, 12, 0} {
		f.Add(good[:n])
	}
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

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good.ttf")
	if err := os.WriteFile(good, font(t), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Picture(0x1F98A); err != nil {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(dir, "none.ttf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file gave %v, want fs.ErrNotExist", err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a directory was read as a font")
	}
	huge := filepath.Join(dir, "huge.ttf")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, MaxFontBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(huge); !errors.Is(err, ErrDamaged) {
		t.Errorf("a huge file gave %v, want ErrDamaged", err)
	}
}

// TestHostile takes lookups through tables that claim to be endless, lie
// outside or point at themselves: they must end soon, with an error.
func TestHostile(t *testing.T) {
	t.Parallel()
	be := binary.BigEndian
	good := font(t)
	at := func(table int) int { return int(be.Uint32(good[12+16*table+8:])) }
	const cmap, cblc, cbdt = 0, 1, 2
	for name, damage := range map[string]func(b []byte){
		"endless cmap":      func(b []byte) { be.PutUint16(b[at(cmap)+2:], 0xffff) },
		"endless groups":    func(b []byte) { be.PutUint32(b[at(cmap)+12+12:], 0xffffffff); b[at(cmap)+12+16] = 9 },
		"cmap outside":      func(b []byte) { be.PutUint32(b[at(cmap)+8:], 0xfffffff0) },
		"endless sizes":     func(b []byte) { be.PutUint32(b[at(cblc)+4:], 0xffffffff); be.PutUint32(b[at(cblc)+8:], 0xfffff000) },
		"endless subtables": func(b []byte) { be.PutUint32(b[at(cblc)+16:], 0xffffffff); b[at(cblc)+56] = 9 },
		"other format":      func(b []byte) { be.PutUint16(b[at(cblc)+64:], 5) },
		"picture outside":   func(b []byte) { be.PutUint32(b[at(cblc)+68:], 0x7fffffff) },
		"huge picture":      func(b []byte) { be.PutUint32(b[at(cbdt)+9:], 0xffffffff) },
		"no picture":        func(b []byte) { b[at(cbdt)+13] = 0 },
		"table outside":     func(b []byte) { be.PutUint32(b[12+8:], 0xffffffff) },
		"many tables":       func(b []byte) { be.PutUint16(b[4:], 0xffff) },
		"huge sides":        func(b []byte) { be.PutUint32(b[at(cbdt)+13+16:], 1<<30) },
	} {
		b := bytes.Clone(good)
		damage(b)
		f, err := Parse(b)
		if err == nil {
			_, err = f.Picture(0x1F98A)
		}
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNoGlyph) && name != "endless cmap" && name != "endless sizes" {
			t.Errorf("%s: got %v, want ErrDamaged or ErrNoGlyph", name, err)
		}
	}
}

// TestNoto reads the real font, where it is installed.
func TestNoto(t *testing.T) {
	t.Parallel()
	const path = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
	f, err := Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("fonts-noto-color-emoji is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []rune{0x1F98A, 0x2708, 0x26BD, 0x1F3C6} {
		img, err := f.Picture(code)
		if err != nil {
			t.Fatal(err)
		}
		if got := img.Bounds().Size(); got != image.Pt(136, 128) {
			t.Errorf("U+%04X: picture of %v, want 136x128", code, got)
		}
	}
	if _, err := f.Picture(0x4E00); !errors.Is(err, ErrNoGlyph) {
		t.Errorf("a Chinese character gave %v, want ErrNoGlyph", err)
	}
}
