package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // GIF is read
	"image/jpeg"
	_ "image/png" // and PNG

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // and WebP
)

// Limits of a picture that a clip begins with.
const (
	// MaxPicture is its bytes at most, as the client sends it.
	MaxPicture = 12 << 20
	maxPixels  = 40 << 20  // of it
	maxBegin   = 256 << 10 // bytes of it in a job
)

// PictureType is the MIME type of what Picture makes.
const PictureType = "image/jpeg"

// ErrPicture says that bytes are no picture that a clip can begin with.
var ErrPicture = errors.New("want a picture in JPEG, PNG, WebP or GIF")

// Picture makes of a client's picture what a job keeps: a JPEG that covers a clip
// of this size and is not larger than that needs, on white where it can be seen
// through. Nothing else of the client's bytes remains, such as where a photograph
// was taken. It wraps ErrPicture.
func Picture(data []byte, width, height int) ([]byte, error) {
	head, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("render: %w", ErrPicture)
	}
	if head.Width < 1 || head.Height < 1 || head.Width > maxPixels/head.Height {
		return nil, fmt.Errorf("render: %w of at most %d million pixels, not %dx%d", ErrPicture, maxPixels>>20, head.Width, head.Height)
	}
	src, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("render: %w", ErrPicture)
	}
	w, h := cover(head.Width, head.Height, width, height)
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(dst, dst.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.CatmullRom.Scale(dst, dst.Bounds(), src, src.Bounds(), draw.Over, nil)
	for quality := 95; quality > 0; quality -= 10 {
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, dst, &jpeg.Options{Quality: quality}); err != nil {
			return nil, fmt.Errorf("render: %w", err)
		}
		if buf.Len() <= maxBegin {
			return buf.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("render: %w that is not so long or so wide", ErrPicture)
}

// cover is the smallest size of a picture's shape that covers a clip, and at most
// the picture's own.
func cover(w, h, width, height int) (int, int) {
	scale := max(float64(width)/float64(w), float64(height)/float64(h))
	if scale >= 1 {
		return w, h
	}
	return max(1, int(float64(w)*scale+0.5)), max(1, int(float64(h)*scale+0.5))
}

// Shown is the body of a job as people see it: of a picture, only how many bytes it
// has.
func Shown(body json.RawMessage) json.RawMessage {
	var o struct {
		Picture []byte `json:"picture"`
	}
	var all map[string]json.RawMessage
	if !bytes.Contains(body, []byte(`"picture"`)) || json.Unmarshal(body, &o) != nil || len(o.Picture) == 0 || json.Unmarshal(body, &all) != nil {
		return body
	}
	all["picture"] = json.RawMessage(fmt.Sprintf(`{"type":%q,"bytes":%d}`, PictureType, len(o.Picture)))
	out, err := json.Marshal(all)
	if err != nil {
		return body
	}
	return out
}
