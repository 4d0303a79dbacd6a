package card

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
)

var pngMagic = []byte("\x89PNG\r\n\x1a\n")

// Keywords of the text chunks.
const (
	keyV2 = "chara"
	keyV3 = "ccv3"
)

const maxChunks = 1 << 14

// chunk is a piece of a PNG.
type chunk struct {
	kind string
	data []byte
}

// parsePNG reads the card in a portrait: version 3 where both are there.
func parsePNG(data []byte) (*Card, error) {
	chunks, err := readChunks(data)
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{}
	var rest []chunk
	for _, ch := range chunks {
		key, value, ok := bytes.Cut(ch.data, []byte{0})
		if name := string(key); ch.kind == "tEXt" && ok && (name == keyV2 || name == keyV3) {
			texts[name] = value
			continue
		}
		rest = append(rest, ch)
	}
	for _, name := range []string{keyV3, keyV2} {
		value, ok := texts[name]
		if !ok {
			continue
		}
		if len(value) > maxJSONBytes*4/3+4 {
			return nil, fmt.Errorf("PNG: %d bytes of card, at most %d", len(value), maxJSONBytes*4/3)
		}
		raw := make([]byte, base64.StdEncoding.DecodedLen(len(value)))
		n, err := base64.StdEncoding.Decode(raw, value)
		if err != nil {
			return nil, fmt.Errorf("PNG: the card in %q: %w", name, err)
		}
		c, err := ParseJSON(raw[:n])
		if err != nil {
			return nil, err
		}
		c.chunks = rest
		c.Portrait = writeChunks(rest)
		return c, nil
	}
	return nil, ErrNoCard
}

// readChunks cuts a PNG into its chunks and checks their sums.
func readChunks(data []byte) ([]chunk, error) {
	at := len(pngMagic)
	var all []chunk
	for at < len(data) {
		if len(data)-at < 12 || len(all) == maxChunks {
			return nil, errors.New("PNG: cut off, or too many chunks")
		}
		n := int64(binary.BigEndian.Uint32(data[at:]))
		if n > int64(len(data)-at-12) {
			return nil, fmt.Errorf("PNG: a chunk of %d bytes, %d are left", n, len(data)-at-12)
		}
		body := data[at+4 : at+8+int(n)]
		if sum := binary.BigEndian.Uint32(data[at+8+int(n):]); sum != crc32.ChecksumIEEE(body) {
			return nil, fmt.Errorf("PNG: chunk %q is damaged", body[:4])
		}
		all = append(all, chunk{string(body[:4]), body[4:]})
		at += 12 + int(n)
		if string(body[:4]) == "IEND" {
			return all, nil
		}
	}
	return nil, errors.New("PNG: it has no end")
}

func writeChunks(all []chunk) []byte {
	out := bytes.Clone(pngMagic)
	for _, ch := range all {
		out = binary.BigEndian.AppendUint32(out, uint32(len(ch.data)))
		at := len(out)
		out = append(append(out, ch.kind...), ch.data...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[at:]))
	}
	return out
}

// PNG writes the card into its portrait, or into a plain one, under both
// specifications.
func (c *Card) PNG() ([]byte, error) {
	chunks := c.chunks
	if chunks == nil {
		portrait := c.Portrait
		if portrait == nil {
			portrait = blank()
		}
		var err error
		if chunks, err = readChunks(portrait); err != nil {
			return nil, fmt.Errorf("card: the portrait: %w", err)
		}
	}
	var out []chunk
	for _, ch := range chunks {
		if ch.kind == "IEND" {
			for _, as := range []struct{ key, spec string }{{keyV2, SpecV2}, {keyV3, SpecV3}} {
				data, err := c.JSON(as.spec)
				if err != nil {
					return nil, err
				}
				value := append([]byte(as.key), 0)
				out = append(out, chunk{"tEXt", base64.StdEncoding.AppendEncode(value, data)})
			}
		}
		out = append(out, ch)
	}
	return writeChunks(out), nil
}

// blank is a portrait for a card that has none.
func blank() []byte {
	m := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range m.Pix {
		m.Pix[i] = color.Gray{Y: 0xE0}.Y
	}
	var b bytes.Buffer
	_ = png.Encode(&b, m) // to memory: cannot fail
	return b.Bytes()
}
