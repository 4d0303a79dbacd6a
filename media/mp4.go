package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/Eyevinn/mp4ff/mp4"
)

// unspecified colours are as VP8 has them: BT.601, limited range.
const (
	bt601     = 6
	vp8Level  = 10
	trackFlag = 7 // enabled, in the movie, in the preview
)

// writeMP4 writes a plain MP4 file whose index comes before the frames, so
// that it plays while it loads.
func writeMP4(w io.Writer, c *Clip, quality int) error {
	frames, err := keyFrames(c, quality)
	if err != nil {
		return err
	}
	trak := mp4.CreateEmptyTrak(1, uint32(c.FPS), "video", "und")
	n := uint32(len(frames))
	trak.Tkhd.Flags = trackFlag
	trak.Tkhd.Width, trak.Tkhd.Height = mp4.Fixed32(c.Width<<16), mp4.Fixed32(c.Height<<16)
	trak.Tkhd.Duration, trak.Mdia.Mdhd.Duration = uint64(n), uint64(n)
	stbl := trak.Mdia.Minf.Stbl
	stbl.Stsd.AddChild(mp4.CreateVisualSampleEntryBox("vp08", uint16(c.Width), uint16(c.Height), &mp4.VppCBox{
		Version: 1, Level: vp8Level, BitDepth: 8, ChromaSubsampling: 1,
		ColourPrimaries: bt601, TransferCharacteristics: bt601, MatrixCoefficients: bt601,
	}))
	stbl.Stts.SampleCount, stbl.Stts.SampleTimeDelta = []uint32{n}, []uint32{1}
	if err := stbl.Stsc.AddEntry(1, n, 1); err != nil {
		return fmt.Errorf("media: mp4: %w", err)
	}
	var data []byte
	for _, f := range frames {
		stbl.Stsz.SampleSize = append(stbl.Stsz.SampleSize, uint32(len(f)))
		data = append(data, f...)
	}
	stbl.Stsz.SampleNumber = n
	stbl.Stco.ChunkOffset = []uint32{0}

	mvhd := mp4.CreateMvhd()
	mvhd.Timescale, mvhd.Duration, mvhd.NextTrackID = uint32(c.FPS), uint64(n), 2
	moov := mp4.NewMoovBox()
	moov.AddChild(mvhd)
	moov.AddChild(trak)
	ftyp := mp4.NewFtyp("isom", 0x200, []string{"isom", "iso2", "mp41"})
	mdat := &mp4.MdatBox{Data: data}
	stbl.Stco.ChunkOffset[0] = uint32(ftyp.Size() + moov.Size() + 8)

	var out bytes.Buffer
	for _, box := range []mp4.Box{ftyp, moov, mdat} {
		if err := box.Encode(&out); err != nil {
			return fmt.Errorf("media: mp4: %w", err)
		}
	}
	_, err = w.Write(out.Bytes())
	return err
}

// ErrNoFFmpeg says that H.264 was asked for and there is no ffmpeg.
var ErrNoFFmpeg = errors.New("media: H.264 needs the program ffmpeg, which is not installed")

// writeH264 has ffmpeg make an MP4 with H.264.
func writeH264(w io.Writer, c *Clip) error {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		return ErrNoFFmpeg
	}
	if c.Width%2+c.Height%2 > 0 {
		return fmt.Errorf("media: H.264 wants even sides, not %dx%d", c.Width, c.Height)
	}
	dir, err := os.MkdirTemp("", "kuai-h264-")
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	path := dir + "/clip.mp4"
	cmd := exec.Command(ffmpeg, "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", //nolint:noctx // seconds at most
		"-s", fmt.Sprintf("%dx%d", c.Width, c.Height), "-r", fmt.Sprint(c.FPS), "-i", "-",
		"-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18", "-movflags", "+faststart", path)
	cmd.Stdin = bytes.NewReader(bytes.Join(c.Frames, nil))
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("media: ffmpeg: %w: %s", err, bytes.TrimSpace(msg))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("media: %w", err)
	}
	_, err = w.Write(data)
	return err
}
