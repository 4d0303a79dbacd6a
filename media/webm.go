package media

import (
	"errors"
	"fmt"
	"io"

	"github.com/at-wat/ebml-go/mkvcore"
	"github.com/at-wat/ebml-go/webm"
)

const (
	videoTrack = 1    // also WebM's type number of video
	cueBytes   = 4096 // kept free for the index: clusters of at most 32 s each take some 20
)

// writeWebM writes a WebM file with an index, so that players can seek.
func writeWebM(w io.Writer, c *Clip, quality int) error {
	frames, err := keyFrames(c, quality)
	if err != nil {
		return err
	}
	file := &memory{}
	info := *webm.DefaultSegmentInfo
	info.MuxingApp, info.WritingApp = "kuai", "kuai"
	blocks, err := webm.NewSimpleBlockWriter(file, []webm.TrackEntry{{
		TrackNumber:     videoTrack,
		TrackUID:        videoTrack,
		CodecID:         "V_VP8",
		TrackType:       videoTrack,
		DefaultDuration: uint64(1e9 / c.FPS),
		Video:           &webm.Video{PixelWidth: uint64(c.Width), PixelHeight: uint64(c.Height)},
	}}, mkvcore.WithSegmentInfo(&info), mkvcore.WithSeekHead(true), mkvcore.WithCues(cueBytes))
	if err != nil {
		return fmt.Errorf("media: webm: %w", err)
	}
	for i, f := range frames {
		if _, err := blocks[0].Write(true, c.millis(i), f); err != nil {
			return fmt.Errorf("media: webm: %w", err)
		}
	}
	if err := blocks[0].Close(); err != nil {
		return fmt.Errorf("media: webm: %w", err)
	}
	_, err = w.Write(file.data)
	return err
}

// memory is a file in memory, which the muxer goes back in to fill in sizes.
type memory struct {
	data []byte
	at   int
}

// Write overwrites or appends at the present place.
func (m *memory) Write(p []byte) (int, error) {
	if need := m.at + len(p); need > len(m.data) {
		m.data = append(m.data, make([]byte, need-len(m.data))...)
	}
	m.at += copy(m.data[m.at:], p)
	return len(p), nil
}

// Seek moves within the file.
func (m *memory) Seek(offset int64, whence int) (int64, error) {
	at := offset
	switch whence {
	case io.SeekCurrent:
		at += int64(m.at)
	case io.SeekEnd:
		at += int64(len(m.data))
	}
	if at < 0 || at > int64(len(m.data)) {
		return 0, errors.New("media: seek outside the file")
	}
	m.at = int(at)
	return at, nil
}

// Close does nothing: the bytes stay.
func (m *memory) Close() error { return nil }
