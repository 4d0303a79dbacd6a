package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"math"
	"os"
	"testing"

	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"
	"golang.org/x/image/vp8"
)

// limited converts a picture as players do: VP8's luma is 16 to 235, which
// Go's own conversion does not know.
func limited(img *image.YCbCr) image.Image {
	out := image.NewNRGBA(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			l := 255. / 219 * float64(int(img.Y[img.YOffset(x, y)])-16)
			b, r := float64(int(img.Cb[img.COffset(x, y)])-128)/224*255, float64(int(img.Cr[img.COffset(x, y)])-128)/224*255
			for k, v := range [4]float64{l + 1.402*r, l - 0.344136*b - 0.714136*r, l + 1.772*b, 255} {
				out.Pix[out.PixOffset(x, y)+k] = byte(min(max(v+0.5, 0), 255))
			}
		}
	}
	return out
}

// checkVP8 decodes a key frame and compares it.
func checkVP8(t *testing.T, c *Clip, i int, data []byte) {
	t.Helper()
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(data), len(data))
	if _, err := d.DecodeFrameHeader(); err != nil {
		t.Fatalf("frame %d: %v", i, err)
	}
	img, err := d.DecodeFrame()
	if err != nil {
		t.Fatalf("frame %d: %v", i, err)
	}
	if p := psnr(c, i, limited(img)); p < 38 {
		t.Errorf("frame %d: PSNR %.1f dB, want at least 38", i, p)
	}
}

func TestWebM(t *testing.T) {
	t.Parallel()
	c := large(t, 25)
	data := encodeClip(t, WebM, c)
	var file struct {
		Header  webm.EBMLHeader `ebml:"EBML"`
		Segment webm.Segment    `ebml:"Segment"`
	}
	if err := ebml.Unmarshal(bytes.NewReader(data), &file); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	n := 0
	for _, cl := range file.Segment.Cluster {
		for _, b := range cl.SimpleBlock {
			at := int64(cl.Timecode) + int64(b.Timecode)
			if at != c.millis(n) || !b.Keyframe {
				t.Errorf("frame %d at %d ms, key %v; want %d ms", n, at, b.Keyframe, c.millis(n))
			}
			checkVP8(t, c, n, b.Data[0])
			n++
		}
	}
	if n != 25 {
		t.Errorf("%d frames, want 25", n)
	}
	if d := file.Segment.Info.Duration; math.Abs(d-25000/12.) > 1e-9 {
		t.Errorf("duration %v ms, want %v", d, 25000/12.)
	}
	if d := file.Segment.Tracks.TrackEntry[0].DefaultDuration; d != 83_333_333 {
		t.Errorf("default duration %d ns", d)
	}
	// The index must point at what it says.
	segment := bytes.Index(data, []byte{0x18, 0x53, 0x80, 0x67}) + 12
	if segment+int(binary.BigEndian.Uint64(data[segment-8:])&(1<<56-1)) != len(data) {
		t.Error("the segment does not end with the file")
	}
	for _, s := range file.Segment.SeekHead.Seek {
		if !bytes.HasPrefix(data[segment+int(s.SeekPosition):], s.SeekID) {
			t.Errorf("no element %x at %d", s.SeekID, s.SeekPosition)
		}
	}
	cues := file.Segment.Cues.CuePoint
	if len(cues) != 3 || len(file.Segment.Cluster) != 3 {
		t.Fatalf("%d cues of %d clusters, want 3", len(cues), len(file.Segment.Cluster))
	}
	for i, cue := range cues {
		at := segment + int(cue.CueTrackPositions[0].CueClusterPosition)
		if cue.CueTime != uint64(1000*i) || !bytes.HasPrefix(data[at:], ebml.ElementCluster.Bytes()) {
			t.Errorf("cue %d: %d ms, no cluster at %d", i, cue.CueTime, at)
		}
	}
}
