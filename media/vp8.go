package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/gen2brain/webp"

	"kuai/internal/check"
)

// vp8Method trades the encoder's time for bytes: 2 takes a third of the time
// of 4 for 3 % more.
const vp8Method = 2

// picture is an encoded frame: a VP8 key frame, and the chunk of its opacity
// where it has any.
type picture struct {
	vp8, alpha []byte
}

// keyFrames encodes every frame as a VP8 key frame, several at a time.
func keyFrames(c *Clip, quality int) ([]picture, error) {
	out := make([]picture, len(c.Frames))
	var encoders sync.Pool
	err := c.each(func(i int) error {
		e, ok := encoders.Get().(*encoder)
		if !ok {
			e = newEncoder()
		}
		file, err := e.encode(c.Image(i).Pix, c.Width, c.Height, quality)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		encoders.Put(e)
		out[i].alpha = riffChunk(file, "ALPH")
		if out[i].vp8 = riffChunk(file, "VP8 "); out[i].vp8 == nil {
			return fmt.Errorf("frame %d: the encoder made no VP8 frame", i)
		}
		return nil
	})
	return out, err
}

// encoder is libwebp as compiled to Go. The package's own Encode would take
// the system's library instead where it finds one, whose bytes differ from
// version to version: the same clip shall make the same file everywhere.
type encoder struct {
	m *webp.Module
}

func newEncoder() *encoder {
	m := webp.New()
	m.X_initialize()
	return &encoder{m}
}

// encode returns a lossy WebP file of a picture of RGBA.
func (e *encoder) encode(rgba []byte, width, height, quality int) ([]byte, error) {
	const sizeBytes = 8
	check.True(len(rgba) == 4*width*height, "media: %d bytes of %dx%d pixels", len(rgba), width, height)
	in := e.m.Xmalloc(int32(len(rgba)))
	size := e.m.Xmalloc(sizeBytes)
	if in == 0 || size == 0 {
		return nil, errors.New("no memory")
	}
	defer e.m.Xfree(in)
	defer e.m.Xfree(size)
	copy(e.memory(in, len(rgba)), rgba)
	clear(e.memory(size, sizeBytes))
	out := e.m.Xencode(in, int32(width), int32(height), size, 0, int32(quality), vp8Method, 0, 0)
	n := binary.LittleEndian.Uint32(e.memory(size, sizeBytes))
	if out == 0 || n == 0 {
		return nil, errors.New("the encoder failed")
	}
	defer e.m.Xfree(out)
	return append([]byte(nil), e.memory(out, int(n))...), nil
}

// memory is a piece of the encoder's memory, until its next call.
func (e *encoder) memory(at int32, n int) []byte {
	return (*e.m.Xmemory().Slice())[uint32(at):][:n]
}

// riffChunk finds a chunk of a WebP file, nil if there is none.
func riffChunk(file []byte, id string) []byte {
	for at := 12; at+8 <= len(file); {
		n := int64(binary.LittleEndian.Uint32(file[at+4:]))
		if n > int64(len(file)-at-8) {
			return nil
		}
		if string(file[at:at+4]) == id {
			return file[at+8 : at+8+int(n)]
		}
		at += 8 + int(n+n%2)
	}
	return nil
}
