package media

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
)

// Flags of an animated WebP.
const (
	webpAnimated = 0x02 // of the file
	webpAlpha    = 0x10
	webpReplace  = 0x02 // of a frame: do not blend it over the one before
)

// writeWebP writes an animated WebP that loops: the same key frames in a RIFF
// file, each with a chunk for its opacity if it has any.
//
//	VP8X  flags, canvas size
//	ANIM  background, loops (0 is for ever)
//	ANMF  place, size, duration, flags; then ALPH and VP8 chunks; a frame each
//
// Source: Google's WebP Container Specification.
func writeWebP(w io.Writer, c *Clip, quality int) error {
	frames, err := keyFrames(c, quality)
	if err != nil {
		return err
	}
	flags := byte(webpAnimated)
	if c.Alpha != nil {
		flags |= webpAlpha
	}
	body := []byte("WEBP")
	body = chunk(body, "VP8X", slices.Concat([]byte{flags, 0, 0, 0}, u24(c.Width-1), u24(c.Height-1)))
	body = chunk(body, "ANIM", make([]byte, 6))
	for i, f := range frames {
		data := slices.Concat(u24(0), u24(0), u24(c.Width-1), u24(c.Height-1), u24(int(c.millis(i+1)-c.millis(i))), []byte{webpReplace})
		if f.alpha != nil {
			data = chunk(data, "ALPH", f.alpha)
		}
		body = chunk(body, "ANMF", chunk(data, "VP8 ", f.vp8))
	}
	if len(body) > math.MaxUint32-1 {
		return fmt.Errorf("webp: %d bytes, at most %d; choose a lower quality", len(body), uint32(math.MaxUint32-1))
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body)))); err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

// chunk appends a RIFF chunk, padded to an even length.
func chunk(to []byte, id string, data []byte) []byte {
	to = binary.LittleEndian.AppendUint32(append(to, id...), uint32(len(data)))
	to = append(to, data...)
	if len(data)%2 == 1 {
		to = append(to, 0)
	}
	return to
}

func u24(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }
