package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"
)

const (
	videoTrack    = 1    // also WebM's type number of video
	clusterMillis = 1000 // a cluster, and an entry of the index, a second
)

// Colours as they are in every file: RGB of the web, as VP8 stores it.
const (
	primariesBT709 = 1
	transferSRGB   = 13
	matrixBT601    = 6
	rangeLimited   = 1
)

// webmVideo is ebml-go's Video with the colours told.
type webmVideo struct {
	Width  uint64     `ebml:"PixelWidth"`
	Height uint64     `ebml:"PixelHeight"`
	Colour webmColour `ebml:"Colour"`
}

type webmColour struct {
	Matrix    uint64 `ebml:"MatrixCoefficients"`
	Range     uint64 `ebml:"Range"`
	Transfer  uint64 `ebml:"TransferCharacteristics"`
	Primaries uint64 `ebml:"Primaries"`
}

type webmTrack struct {
	Number          uint64    `ebml:"TrackNumber"`
	UID             uint64    `ebml:"TrackUID"`
	Type            uint64    `ebml:"TrackType"`
	Codec           string    `ebml:"CodecID"`
	DefaultDuration uint64    `ebml:"DefaultDuration"`
	Video           webmVideo `ebml:"Video"`
}

type webmTracks struct {
	Entry webmTrack `ebml:"TrackEntry"`
}

// writeWebM writes a WebM file whose index comes before the frames:
//
//	EBML header
//	Segment: SeekHead, Info (duration), Tracks, Cues, Clusters of a second
func writeWebM(w io.Writer, c *Clip, quality int) error {
	frames, err := keyFrames(c.opaque(), quality)
	if err != nil {
		return err
	}
	var m ebmlWriter
	header := m.element(&struct {
		Header webm.EBMLHeader `ebml:"EBML"`
	}{*webm.DefaultEBMLHeader})
	info := m.element(&struct {
		Info webm.Info `ebml:"Info"`
	}{webm.Info{
		TimecodeScale: 1e6, MuxingApp: "kuai", WritingApp: "kuai",
		Duration: float64(len(frames)) * 1000 / float64(c.FPS),
	}})
	tracks := m.element(&struct {
		Tracks webmTracks `ebml:"Tracks"`
	}{webmTracks{webmTrack{
		Number: videoTrack, UID: videoTrack, Type: videoTrack, Codec: "V_VP8", DefaultDuration: uint64(1e9 / c.FPS),
		Video: webmVideo{uint64(c.Width), uint64(c.Height), webmColour{matrixBT601, rangeLimited, transferSRGB, primariesBT709}},
	}}})
	clusters, times := m.clusters(c, frames)
	index := m.index(len(info), len(tracks), clusters, times)
	parts := append([][]byte{index.head, info, tracks, index.cues}, clusters...)
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	segment := binary.BigEndian.AppendUint64([]byte{0x18, 0x53, 0x80, 0x67}, 1<<56|uint64(size)) // an 8-byte length
	if m.err != nil {
		return fmt.Errorf("webm: %w", m.err)
	}
	for _, p := range append([][]byte{header, segment}, parts...) {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// ebmlWriter makes elements and keeps the first error.
type ebmlWriter struct {
	err error
}

// element returns the bytes of a struct's elements.
func (m *ebmlWriter) element(v any) []byte {
	var buf bytes.Buffer
	if err := ebml.Marshal(v, &buf); err != nil && m.err == nil {
		m.err = err
	}
	return buf.Bytes()
}

// clusters returns the frames in clusters, and when each begins.
func (m *ebmlWriter) clusters(c *Clip, frames []picture) (all [][]byte, times []int64) {
	type clusterFile struct {
		Cluster webm.Cluster `ebml:"Cluster"`
	}
	for i := 0; i < len(frames); {
		from := c.millis(i)
		var cl clusterFile
		cl.Cluster.Timecode = uint64(from)
		for ; i < len(frames) && (c.millis(i)-from < clusterMillis || len(cl.Cluster.SimpleBlock) == 0); i++ {
			cl.Cluster.SimpleBlock = append(cl.Cluster.SimpleBlock, ebml.Block{
				TrackNumber: videoTrack, Timecode: int16(c.millis(i) - from), Keyframe: true, Data: [][]byte{frames[i].vp8},
			})
		}
		all, times = append(all, m.element(&cl)), append(times, from)
	}
	return all, times
}

// webmIndex tells where things are.
type webmIndex struct {
	head, cues []byte
}

// index makes the index. The places in it depend on its own length, as numbers
// take as many bytes as they need, so that it is made until that stands still.
func (m *ebmlWriter) index(infoLen, tracksLen int, clusters [][]byte, times []int64) webmIndex {
	var x webmIndex
	for {
		at := len(x.head)
		head := m.element(&struct {
			Head webm.SeekHead `ebml:"SeekHead"`
		}{webm.SeekHead{Seek: []webm.Seek{
			{SeekID: ebml.ElementInfo.Bytes(), SeekPosition: uint64(at)},
			{SeekID: ebml.ElementTracks.Bytes(), SeekPosition: uint64(at + infoLen)},
			{SeekID: ebml.ElementCues.Bytes(), SeekPosition: uint64(at + infoLen + tracksLen)},
		}}})
		at += infoLen + tracksLen + len(x.cues)
		points := make([]webm.CuePoint, len(clusters))
		for i, cl := range clusters {
			points[i] = webm.CuePoint{
				CueTime:           uint64(times[i]),
				CueTrackPositions: []webm.CueTrackPosition{{CueTrack: videoTrack, CueClusterPosition: uint64(at)}},
			}
			at += len(cl)
		}
		cues := m.element(&struct {
			Cues webm.Cues `ebml:"Cues"`
		}{webm.Cues{CuePoint: points}})
		done := len(head) == len(x.head) && len(cues) == len(x.cues)
		if x = (webmIndex{head, cues}); done || m.err != nil {
			return x
		}
	}
}
