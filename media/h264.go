package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"kuai/format/atomicfile"
)

// ErrNoFFmpeg says that H.264 was asked for and there is no ffmpeg.
var ErrNoFFmpeg = errors.New("H.264 needs the program ffmpeg, which is not installed")

// writeH264 has ffmpeg make an MP4 with H.264, which players beside browsers
// and chat programs want.
func writeH264(w io.Writer, c *Clip, quality int) error {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		return ErrNoFFmpeg
	}
	if c.Width%2+c.Height%2 > 0 {
		return fmt.Errorf("H.264 wants even sides, not %dx%d; a scale of 2 makes them so", c.Width, c.Height)
	}
	dir, err := os.MkdirTemp("", "kuai-h264-")
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	path := filepath.Join(dir, "clip.mp4")
	cmd := exec.Command(ffmpeg, "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", //nolint:noctx // it reads to the end of its input
		"-s", fmt.Sprintf("%dx%d", c.Width, c.Height), "-r", strconv.Itoa(c.FPS), "-i", "-",
		"-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
		"-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", strconv.Itoa(crf(quality)), "-movflags", "+faststart", path)
	cmd.Stdin = &frameReader{frames: c.opaque().Frames}
	if msg, err := cmd.CombinedOutput(); err != nil {
		if bytes.Contains(msg, []byte("No space left")) {
			err = atomicfile.ErrFull
		}
		return fmt.Errorf("ffmpeg: %w: %s", err, bytes.TrimSpace(msg))
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	_, err = io.Copy(w, f)
	return err
}

// crf turns a quality of 1 to 100 into x264's measure, where less is better:
// 90 is 18, which hardly differs from the source.
func crf(quality int) int { return min(18+(90-quality)*2/5, 45) }

// frameReader reads frames one after another.
type frameReader struct {
	frames [][]byte
	at     int
}

// Read reads from the present frame.
func (r *frameReader) Read(p []byte) (int, error) {
	for len(r.frames) > 0 && r.at == len(r.frames[0]) {
		r.frames, r.at = r.frames[1:], 0
	}
	if len(r.frames) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.frames[0][r.at:])
	r.at += n
	return n, nil
}
