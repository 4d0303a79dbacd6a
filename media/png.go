package media

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kuai/format/atomicfile"
	"kuai/internal/check"
)

// pngHeader is the signature and the IHDR chunk.
const pngHeader = 8 + 12 + 13

// translucent keeps the encoder from dropping the alpha of frames that need
// none: all frames of a file are of one kind.
type translucent struct{ *image.NRGBA }

// Opaque is false.
func (translucent) Opaque() bool { return false }

// pngFrames encodes every frame.
func pngFrames(c *Clip) ([][]byte, error) {
	out := make([][]byte, len(c.Frames))
	err := c.each(func(i int) error {
		img := image.Image(c.Image(i))
		if c.Alpha != nil {
			img = translucent{c.Image(i)}
		}
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err != nil {
			return fmt.Errorf("png: %w", err)
		}
		out[i] = buf.Bytes()
		return nil
	})
	return out, err
}

// writePNG writes a single frame as a PNG, several as an animated one that
// loops: the frames' chunks in one file.
//
//	IHDR
//	acTL  frames, loops (0 is for ever)
//	fcTL  number, size, place, duration; then IDAT, or fdAT = number + IDAT; a frame each
//	IEND
//
// Source: Portable Network Graphics (Third Edition), "Animation information".
func writePNG(w io.Writer, c *Clip) error {
	frames, err := pngFrames(c)
	if err != nil {
		return err
	}
	if len(frames) == 1 {
		_, err := w.Write(frames[0])
		return err
	}
	be := binary.BigEndian
	out := append([]byte(nil), frames[0][:pngHeader]...)
	out = pngChunk(out, "acTL", be.AppendUint64(nil, uint64(len(frames))<<32))
	number := uint32(0)
	for i, f := range frames {
		control := be.AppendUint32(nil, number)
		number++
		control = be.AppendUint64(control, uint64(c.Width)<<32|uint64(c.Height))
		control = be.AppendUint64(control, 0)                   // at the corner
		control = be.AppendUint32(control, 1<<16|uint32(c.FPS)) // 1/FPS s
		out = pngChunk(out, "fcTL", append(control, 0, 0))
		for at := pngHeader; at+12 <= len(f); {
			n := int(be.Uint32(f[at:]))
			check.True(at+12+n <= len(f), "media: png chunk of %d bytes", n)
			if string(f[at+4:at+8]) == "IDAT" {
				data := f[at+8 : at+8+n]
				if i == 0 {
					out = pngChunk(out, "IDAT", data)
				} else {
					out = pngChunk(out, "fdAT", append(be.AppendUint32(nil, number), data...))
					number++
				}
			}
			at += 12 + n
		}
	}
	_, err = w.Write(pngChunk(out, "IEND", nil))
	return err
}

// pngChunk appends a chunk: length, name, data, CRC-32 of name and data.
func pngChunk(to []byte, id string, data []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(len(data)))
	from := len(to)
	to = append(append(to, id...), data...)
	return binary.BigEndian.AppendUint32(to, crc32.ChecksumIEEE(to[from:]))
}

// frameName is a frame's file name, from 1.
func frameName(i int) string { return fmt.Sprintf("frame-%04d.png", i+1) }

// writeZip writes the frames as PNGs in a zip file.
func writeZip(w io.Writer, c *Clip) error {
	frames, err := pngFrames(c)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for i, data := range frames {
		f, err := z.CreateHeader(&zip.FileHeader{Name: frameName(i), Method: zip.Store}) // packed already
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			return fmt.Errorf("zip: %w", err)
		}
	}
	return z.Close()
}

// saveFrames writes the frames as PNGs into a directory, which is made if it is
// not there. Only one that holds nothing but frames is written over, and then
// holds only the new ones.
func saveFrames(dir string, c *Clip) error {
	frames, err := pngFrames(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("%w", err)
	}
	old, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	for _, e := range old {
		if ok, _ := filepath.Match("frame-*.png", e.Name()); !ok && !strings.HasPrefix(e.Name(), ".") {
			return fmt.Errorf("%s: holds %s, which is no frame; choose an empty directory", dir, e.Name())
		}
	}
	for i, data := range frames {
		if err := atomicfile.WriteBytes(filepath.Join(dir, frameName(i)), data); err != nil {
			return fmt.Errorf("%w", err)
		}
	}
	var errs []error
	for _, e := range old {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "frame-%d.png", &n); err == nil && n > len(frames) {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
