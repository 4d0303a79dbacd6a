// Package render makes clips for platform/job: a job's body is an Order, its
// result an Info, its files the clip for players and the bare frames, from
// which every other format is encoded when someone asks.
package render

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kuai/fault"
	"kuai/media"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/serve"
	"kuai/video"
)

const (
	// Kind is what jobs that make clips are.
	Kind = "video"

	// FramesName is the file of bare frames: RGB, one after the other.
	FramesName = "frames.rgb"
	// ClipName is the file for players.
	ClipName = "clip.webm"

	framesType = "application/octet-stream"
	scale      = 4 // of the clip for players: small frames look blocky
)

// Usage of a job that made a clip.
const (
	VideoMilliseconds = "video_milliseconds"
	Images            = "images" // for a clip of one frame
)

// Order is the body of a job.
type Order struct {
	Request video.Request `json:"request"`
	Picture []byte        `json:"picture,omitempty"` // that the clip begins with, see Picture
}

// Info is the data of a job's result.
type Info struct {
	Width      int          `json:"width"`
	Height     int          `json:"height"`
	FPS        int          `json:"fps"`
	Frames     int          `json:"frames"`
	Seed       uint64       `json:"seed"`
	Steps      int          `json:"steps"`
	Understood []video.Slot `json:"understood,omitempty"`
	Unknown    []string     `json:"unknown,omitempty"`
	Seconds    float64      `json:"seconds"` // of work
}

// Video returns the run that makes clips with a model.
func Video(gen serve.Generator) job.Run {
	return func(ctx context.Context, j job.Job, r job.Report) (job.Made, error) {
		var o Order
		if err := json.Unmarshal(j.Body, &o); err != nil {
			return job.Made{}, fault.Wrap(err, fault.Invalid, "the job is not an order of a clip")
		}
		if err := gen.Check(o.Request); err != nil {
			return job.Made{}, refused(err)
		}
		begin := time.Now()
		var shown previews
		res, err := gen.Generate(ctx, o.Request, func(p video.Progress) {
			r.Progress(job.Progress{Fraction: overall(p), Stage: p.Stage, Step: p.Step, Steps: p.Steps})
			if at := time.Now(); p.Picture != nil && shown.due(p.Step, at.Sub(begin)) {
				preview(r, p.Picture())
				shown.took(time.Since(at))
			}
		})
		if err != nil {
			return job.Made{}, err
		}
		return made(r.Dir(), res, time.Since(begin))
	}
}

// refused is what a client is told of a request that the model cannot do.
func refused(err error) error {
	if limit, ok := errors.AsType[*video.LimitError](err); ok {
		return fault.Param(limit.Field, "%s", strings.TrimPrefix(err.Error(), "video: "))
	}
	return fault.Param("prompt", "%s", strings.TrimPrefix(err.Error(), "video: "))
}

// overall is how far all stages together are: sampling is most of it.
func overall(p video.Progress) float64 {
	part := float64(p.Step) / float64(max(p.Steps, 1))
	switch p.Stage {
	case "sample":
		return 0.02 + 0.78*part
	case "decode":
		return 0.80 + 0.15*part
	}
	return 0.02 * part
}

// made writes the files of a clip.
func made(dir string, res *video.Result, took time.Duration) (job.Made, error) {
	c := res.Clip
	info := Info{
		Width: c.Width, Height: c.Height, FPS: c.FPS, Frames: len(c.Frames), Seed: res.Seed, Steps: res.Steps,
		Understood: res.Understood, Unknown: res.Unknown, Seconds: took.Seconds(),
	}
	data, err := json.Marshal(info)
	if err != nil {
		return job.Made{}, fmt.Errorf("render: %w", err)
	}
	frames, clip := filepath.Join(dir, FramesName), filepath.Join(dir, ClipName)
	if err := writeFrames(frames, c); err != nil {
		return job.Made{}, fmt.Errorf("render: %w", err)
	}
	if err := media.SaveAs(clip, media.WebM, c, media.Options{Quality: media.DefaultQuality, Scale: scale}); err != nil {
		return job.Made{}, fmt.Errorf("render: %w", err)
	}
	usage := map[string]int64{VideoMilliseconds: int64(info.Frames) * 1000 / int64(max(info.FPS, 1))}
	if info.Frames == 1 {
		usage = map[string]int64{Images: 1}
	}
	return job.Made{Data: data, Usage: usage, Files: []job.File{
		{Name: FramesName, Type: framesType, Path: frames},
		{Name: ClipName, Type: media.WebM.ContentType(), Path: clip},
	}}, nil
}

func writeFrames(path string, c *media.Clip) error {
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	for _, frame := range c.Frames {
		if _, err := f.Write(frame); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// Of reads what a job's result says.
func Of(j job.Job) (Order, Info, error) {
	var o Order
	var i Info
	if err := json.Unmarshal(j.Body, &o); err != nil {
		return o, i, fmt.Errorf("render: %s: %w", j.ID, err)
	}
	if j.State == job.Done {
		if err := json.Unmarshal(j.Result.Data, &i); err != nil {
			return o, i, fmt.Errorf("render: %s: %w", j.ID, err)
		}
	}
	return o, i, nil
}

// Frames reads the clip that a job made.
func Frames(ctx context.Context, files *file.Store, j job.Job) (*media.Clip, Info, error) {
	_, info, err := Of(j)
	if err != nil {
		return nil, info, err
	}
	size, ok := frameBytes(info)
	if !ok {
		return nil, info, fmt.Errorf("render: %s: %d frames of %dx%d are none", j.ID, info.Frames, info.Width, info.Height)
	}
	for _, o := range j.Result.Outputs {
		if o.Name != FramesName {
			continue
		}
		if o.Bytes != int64(size)*int64(info.Frames) {
			return nil, info, fmt.Errorf("render: %s: %d bytes, want %d frames of %dx%d", j.ID, o.Bytes, info.Frames, info.Width, info.Height)
		}
		data, err := read(ctx, files, j.Org, o)
		if err != nil {
			return nil, info, err
		}
		c := &media.Clip{Width: info.Width, Height: info.Height, FPS: info.FPS}
		for i := range info.Frames {
			c.Frames = append(c.Frames, data[i*size:(i+1)*size])
		}
		return c, info, nil
	}
	return nil, info, fmt.Errorf("render: %s has no %s", j.ID, FramesName)
}

// frameBytes is the size of a frame; false for what can be none.
func frameBytes(i Info) (int, bool) {
	if i.Width <= 0 || i.Height <= 0 || i.Width > media.MaxSide || i.Height > media.MaxSide || i.Frames <= 0 || i.Frames > media.MaxFrames {
		return 0, false
	}
	return i.Width * i.Height * 3, true
}

// read reads a whole output, as long as its file is there.
func read(ctx context.Context, files *file.Store, org string, o job.Output) ([]byte, error) {
	id, err := file.ParseID(o.File)
	if err != nil {
		return nil, err
	}
	f, err := files.Get(ctx, org, id)
	if err != nil {
		return nil, err
	}
	r, err := files.Open(ctx, f)
	if err != nil {
		return nil, err
	}
	data := make([]byte, o.Bytes)
	_, err = io.ReadFull(r, data)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("render: %s: %w", o.File, err)
	}
	return data, nil
}
