package media

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Format is a kind of file.
type Format string

// The formats.
const (
	WebM Format = "webm"
	MP4  Format = "mp4"  // VP8 in MP4, as Chromium, Firefox and ffmpeg play it
	H264 Format = "h264" // MP4 for everything else, through ffmpeg
	WebP Format = "webp" // animated
	GIF  Format = "gif"
	PNG  Format = "png" // the frames in a zip file; a single frame as it is
)

// Formats lists the formats by the endings of their files.
var Formats = []Format{WebM, MP4, WebP, GIF, PNG}

// DefaultQuality is used where Options have none.
const DefaultQuality = 90

// Options of an encoding. The zero value takes the defaults.
type Options struct {
	Quality int // 1 to 100, of the lossy formats
	Scale   int // factor to enlarge the frames by first
}

// FormatOf returns the format of a file by the ending of its name; a .zip
// holds PNGs.
func FormatOf(path string) (Format, error) {
	ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if ext == "zip" {
		return PNG, nil
	}
	for _, f := range Formats {
		if ext == string(f) {
			return f, nil
		}
	}
	return "", fmt.Errorf("media: %s: unknown ending %q, want .webm, .mp4, .webp, .gif, .png or .zip", path, ext)
}

// ContentType returns the MIME type.
func (f Format) ContentType() string {
	switch f {
	case WebM:
		return "video/webm"
	case MP4, H264:
		return "video/mp4"
	case WebP:
		return "image/webp"
	case GIF:
		return "image/gif"
	}
	return "application/zip"
}

// Encode writes a clip. It fails for a clip out of its limits, an unknown
// format, and with what w says.
func Encode(w io.Writer, f Format, c *Clip, o Options) error {
	if o.Quality == 0 {
		o.Quality = DefaultQuality
	}
	if o.Quality < 1 || o.Quality > 100 {
		return fmt.Errorf("media: quality %d, want 1 to 100", o.Quality)
	}
	c, err := c.Upscale(max(o.Scale, 1))
	if err != nil {
		return err
	}
	switch f {
	case WebM:
		return writeWebM(w, c, o.Quality)
	case MP4:
		return writeMP4(w, c, o.Quality)
	case H264:
		return writeH264(w, c)
	case WebP:
		return writeWebP(w, c, o.Quality)
	case GIF:
		return writeGIF(w, c)
	case PNG:
		return writePNG(w, c)
	}
	return fmt.Errorf("media: unknown format %q", f)
}

// Save writes a clip to a file, in the format of its ending, whole or not at
// all.
func Save(path string, c *Clip, o Options) error {
	f, err := FormatOf(path)
	if err != nil {
		return err
	}
	return SaveAs(path, f, c, o)
}

// SaveAs is Save in a format of its own.
func SaveAs(path string, f Format, c *Clip, o Options) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // gone once renamed
	err = Encode(tmp, f, c, o)
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("media: %s: %w", path, err)
	}
	return nil
}
