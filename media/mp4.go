package media

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/Eyevinn/mp4ff/mp4"
)

const (
	vp8Level  = 10
	trackFlag = 7 // enabled, in the movie, in the preview

	// frameTicks divides a frame's time. Players round the time they seek
	// to into ticks: with a tick a frame, half of all times would show the next.
	frameTicks = 1024
)

// writeMP4 writes a plain MP4 file whose index comes before the frames, so
// that it plays while it loads:
//
//	ftyp
//	moov  sizes, times and places of the frames; every frame is a key frame
//	mdat  the frames
func writeMP4(w io.Writer, c *Clip, quality int) error {
	frames, err := keyFrames(c.opaque(), quality)
	if err != nil {
		return err
	}
	size := int64(0)
	for _, f := range frames {
		size += int64(len(f.vp8))
	}
	if size > math.MaxUint32/2 {
		return fmt.Errorf("mp4: %d bytes of frames, at most %d; choose a lower quality, or WebM", size, math.MaxUint32/2)
	}
	moov, stbl, err := vp8Movie(c, frames)
	if err != nil {
		return fmt.Errorf("mp4: %w", err)
	}
	ftyp := mp4.NewFtyp("isom", 0x200, []string{"isom", "iso2", "mp41"})
	mdat := &mp4.MdatBox{Data: make([]byte, 0, size)}
	for _, f := range frames {
		mdat.Data = append(mdat.Data, f.vp8...)
	}
	stbl.Stco.ChunkOffset[0] = uint32(ftyp.Size() + moov.Size() + mdat.HeaderSize())
	for _, box := range []mp4.Box{ftyp, moov, mdat} {
		if err := box.Encode(w); err != nil {
			return fmt.Errorf("mp4: %w", err)
		}
	}
	return nil
}

// vp8Movie describes the frames as one chunk whose place is yet to be filled
// in.
func vp8Movie(c *Clip, frames []picture) (*mp4.MoovBox, *mp4.StblBox, error) {
	n := uint32(len(frames))
	rate, length := uint32(c.FPS)*frameTicks, uint64(n)*frameTicks
	trak := mp4.CreateEmptyTrak(1, rate, "video", "und")
	trak.Tkhd.Flags = trackFlag
	trak.Tkhd.Width, trak.Tkhd.Height = mp4.Fixed32(c.Width<<16), mp4.Fixed32(c.Height<<16)
	trak.Tkhd.Duration, trak.Mdia.Mdhd.Duration = length, length
	stbl := trak.Mdia.Minf.Stbl
	stbl.Stsd.AddChild(mp4.CreateVisualSampleEntryBox("vp08", uint16(c.Width), uint16(c.Height), &mp4.VppCBox{
		Version: 1, Level: vp8Level, BitDepth: 8, ChromaSubsampling: 1,
		ColourPrimaries: primariesBT709, TransferCharacteristics: transferSRGB, MatrixCoefficients: matrixBT601,
	}))
	stbl.Stts.SampleCount, stbl.Stts.SampleTimeDelta = []uint32{n}, []uint32{frameTicks}
	if err := stbl.Stsc.AddEntry(1, n, 1); err != nil {
		return nil, nil, err
	}
	for _, f := range frames {
		stbl.Stsz.SampleSize = append(stbl.Stsz.SampleSize, uint32(len(f.vp8)))
	}
	stbl.Stsz.SampleNumber = n
	stbl.Stco.ChunkOffset = []uint32{0}
	if trak.Mdia.Minf.Vmhd == nil {
		return nil, nil, errors.New("the muxer made no video track")
	}
	mvhd := mp4.CreateMvhd()
	mvhd.Timescale, mvhd.Duration, mvhd.NextTrackID = rate, length, 2
	moov := mp4.NewMoovBox()
	moov.AddChild(mvhd)
	moov.AddChild(trak)
	return moov, stbl, nil
}
