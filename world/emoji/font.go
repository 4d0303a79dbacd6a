// Package emoji reads the pictures of a colour emoji font with bitmap tables,
// such as Noto Color Emoji.
//
//	cmap (format 12)  code point -> glyph
//	CBLC              glyph -> place of its picture
//	CBDT (format 17)  5 bytes of metrics, a length, a PNG
//
// Source: Microsoft's OpenType specification, "cmap", "CBLC" and "CBDT".
package emoji

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
)

// Limits of what is read.
const (
	MaxFontBytes = 64 << 20
	maxTables    = 256
	maxSubtables = 1 << 16 // of CBLC's sizes together, and groups of cmap
	maxPNGBytes  = 1 << 20
	maxSide      = 1024
)

// ErrDamaged is wrapped by every error that a font's contents cause.
var ErrDamaged = errors.New("damaged font")

// ErrNoGlyph says that the font has no picture of a code point.
var ErrNoGlyph = errors.New("emoji: the font has no such picture")

// Font is an opened font. It is safe for concurrent use.
type Font struct {
	cmap, cblc, cbdt []byte
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("emoji: %w: %w", fmt.Errorf(format, args...), ErrDamaged)
}

// Open reads a font file of at most MaxFontBytes.
func Open(path string) (*Font, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("emoji: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(file, MaxFontBytes+1))
	if err != nil {
		return nil, fmt.Errorf("emoji: %w", err)
	}
	return Parse(data)
}

// Parse opens a font in memory. It fails with ErrDamaged.
func Parse(data []byte) (*Font, error) {
	if len(data) > MaxFontBytes {
		return nil, damaged("more than %d bytes", MaxFontBytes)
	}
	r := reader{data}
	n := int(r.u16(4))
	if n > maxTables {
		return nil, damaged("%d tables", n)
	}
	f := &Font{}
	for i := range n {
		at := 12 + 16*i
		tag := string(r.bytes(at, 4))
		body := r.bytes(int(r.u32(at+8)), int(r.u32(at+12)))
		switch tag {
		case "cmap":
			f.cmap = body
		case "CBLC":
			f.cblc = body
		case "CBDT":
			f.cbdt = body
		}
	}
	if f.cmap == nil || f.cblc == nil || f.cbdt == nil {
		return nil, damaged("tables cmap, CBLC and CBDT: not all there (is it a bitmap emoji font?)")
	}
	return f, nil
}

// Picture decodes the picture of a code point. It fails with ErrNoGlyph or
// ErrDamaged.
func (f *Font) Picture(code rune) (image.Image, error) {
	glyph, ok := f.glyph(code)
	if !ok {
		return nil, fmt.Errorf("%w: U+%04X", ErrNoGlyph, code)
	}
	data, err := f.bitmap(glyph)
	if err != nil {
		return nil, fmt.Errorf("%w (U+%04X)", err, code)
	}
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil || c.Width > maxSide || c.Height > maxSide {
		return nil, damaged("picture of U+%04X: %dx%d, %v", code, c.Width, c.Height, err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, damaged("picture of U+%04X: %w", code, err)
	}
	return img, nil
}

// glyph looks a code point up in the cmap's format 12 subtables.
func (f *Font) glyph(code rune) (int, bool) {
	r := reader{f.cmap}
	budget := maxSubtables
	for i := range min(int(r.u16(2)), maxTables) {
		at := int(r.u32(4 + 8*i + 4))
		if r.u16(at) != 12 {
			continue
		}
		groups := min(int(r.u32(at+12)), budget)
		budget -= groups
		for g := range groups {
			e := at + 16 + 12*g
			if first, last := r.u32(e), r.u32(e+4); uint32(code) >= first && uint32(code) <= last {
				return int(r.u32(e+8) + uint32(code) - first), true
			}
		}
	}
	return 0, false
}

// bitmap finds a glyph's PNG by way of CBLC.
func (f *Font) bitmap(glyph int) ([]byte, error) {
	r := reader{f.cblc}
	budget := maxSubtables
	for i := range min(int(r.u32(4)), maxTables) {
		size := 8 + 48*i
		array := int(r.u32(size))
		subtables := min(int(r.u32(size+8)), budget)
		budget -= subtables
		for s := range subtables {
			e := array + 8*s
			first, last := int(r.u16(e)), int(r.u16(e+2))
			if glyph >= first && glyph <= last {
				return f.image(array+int(r.u32(e+4)), glyph-first)
			}
		}
	}
	return nil, fmt.Errorf("%w: glyph %d", ErrNoGlyph, glyph)
}

// image reads the k-th picture of the index subtable at the offset.
func (f *Font) image(at, k int) ([]byte, error) {
	r, d := reader{f.cblc}, reader{f.cbdt}
	if index, format := r.u16(at), r.u16(at+2); index != 1 || format != 17 {
		return nil, damaged("index format %d with image format %d, want 1 with 17", index, format)
	}
	from := int(r.u32(at+4)) + int(r.u32(at+8+4*k))
	n := int(d.u32(from + 5))
	if n > maxPNGBytes {
		return nil, damaged("picture of %d bytes", n)
	}
	data := d.bytes(from+9, n)
	if data == nil {
		return nil, damaged("picture at %d of %d bytes lies outside", from, n)
	}
	return data, nil
}

// reader reads big-endian numbers; outside the data everything is zero.
type reader struct{ data []byte }

func (r reader) bytes(at, n int) []byte {
	if at < 0 || n < 0 || at > len(r.data) || n > len(r.data)-at {
		return nil
	}
	return r.data[at : at+n]
}

func (r reader) u16(at int) uint16 {
	if b := r.bytes(at, 2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r reader) u32(at int) uint32 {
	if b := r.bytes(at, 4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}
