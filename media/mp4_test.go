package media

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
)

func TestMP4(t *testing.T) {
	t.Parallel()
	c := large(t, 25)
	data := encodeClip(t, MP4, c)
	file, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	stbl := file.Moov.Trak.Mdia.Minf.Stbl
	at := int(stbl.Stco.ChunkOffset[0])
	if n := stbl.Stsz.GetNrSamples(); n != 25 {
		t.Fatalf("%d samples, want 25", n)
	}
	for i, n := range stbl.Stsz.SampleSize {
		checkVP8(t, c, i, data[at:at+int(n)])
		at += int(n)
	}
	if at != len(data) {
		t.Errorf("samples end at %d of %d bytes", at, len(data))
	}
	mdhd := file.Moov.Trak.Mdia.Mdhd
	if mdhd.Duration*12 != 25*uint64(mdhd.Timescale) {
		t.Errorf("duration %d/%d, want 25/12", mdhd.Duration, mdhd.Timescale)
	}
	if len(file.Children) != 3 || file.Children[1].Type() != "moov" || file.IsFragmented() {
		t.Error("the index is not before the frames")
	}
}

func TestNoFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := Encode(io.Discard, H264, sample(1), Options{}); !errors.Is(err, ErrNoFFmpeg) {
		t.Errorf("got %v, want ErrNoFFmpeg", err)
	}
}
