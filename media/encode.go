package media

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kuai/format/atomicfile"
)

// Format is a kind of file.
type Format string

// The formats.
const (
	WebM   Format = "webm"
	MP4    Format = "mp4"  // VP8 in MP4, as Chromium, Firefox and ffmpeg play it
	H264   Format = "h264" // MP4 for everything else, through ffmpeg
	WebP   Format = "webp" // animated
	GIF    Format = "gif"
	PNG    Format = "png"    // animated, unless it is one frame
	Zip    Format = "zip"    // the frames as PNGs
	Frames Format = "frames" // the same, in a directory: only for Save
)

// Formats lists the formats by the endings of their files.
var Formats = []Format{WebM, MP4, WebP, GIF, PNG, Zip}

// DefaultQuality is used where Options have none.
const DefaultQuality = 90

// Options of an encoding. The zero value takes the defaults.
type Options struct {
	Quality int // 1 to 100, of the lossy formats: WebM, MP4, H264 and WebP
	Scale   int // factor to enlarge the frames by first
}

// FormatOf returns the format of a file by the ending of its name. A name that
// ends in a slash, or is a directory, is one of frames.
func FormatOf(path string) (Format, error) {
	if n := len(path); n > 0 && os.IsPathSeparator(path[n-1]) {
		return Frames, nil
	}
	ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	for _, f := range Formats {
		if ext == string(f) {
			return f, nil
		}
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return Frames, nil
	}
	return "", fmt.Errorf("media: %s: unknown ending %q, want .webm, .mp4, .webp, .gif, .png or .zip, or a directory's name and a slash", path, ext)
}

// ContentType returns the MIME type.
func (f Format) ContentType() string {
	switch f {
	case WebM:
		return "video/webm"
	case MP4, H264:
		return "video/mp4"
	case WebP, GIF, PNG:
		return "image/" + string(f)
	case Zip:
		return "application/zip"
	}
	return "application/octet-stream"
}

// prepare checks options and clip and enlarges it.
func prepare(c *Clip, o *Options) (*Clip, error) {
	if o.Quality == 0 {
		o.Quality = DefaultQuality
	}
	if o.Quality < 1 || o.Quality > 100 {
		return nil, fmt.Errorf("media: quality %d, want 1 to 100", o.Quality)
	}
	if o.Scale == 0 {
		o.Scale = 1
	}
	return c.Upscale(o.Scale)
}

// Encode writes a clip. It fails for a clip out of its limits, an unknown
// format, and with what w says.
func Encode(w io.Writer, f Format, c *Clip, o Options) error {
	c, err := prepare(c, &o)
	if err != nil {
		return err
	}
	if err := encode(w, f, c, o.Quality); err != nil {
		return fmt.Errorf("media: %w", err)
	}
	return nil
}

// encode writes a prepared clip.
func encode(w io.Writer, f Format, c *Clip, quality int) error {
	switch f {
	case WebM:
		return writeWebM(w, c, quality)
	case MP4:
		return writeMP4(w, c, quality)
	case H264:
		return writeH264(w, c, quality)
	case WebP:
		return writeWebP(w, c, quality)
	case GIF:
		return writeGIF(w, c)
	case PNG:
		return writePNG(w, c)
	case Zip:
		return writeZip(w, c)
	case Frames:
		return errors.New("frames go into a directory, or a .zip")
	}
	return fmt.Errorf("unknown format %q", f)
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
	c, err := prepare(c, &o)
	if err != nil {
		return err
	}
	if f == Frames {
		err = saveFrames(path, c)
	} else {
		err = atomicfile.Write(path, func(w io.Writer) error { return encode(w, f, c, o.Quality) })
	}
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	return nil
}
