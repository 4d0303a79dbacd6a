package eval

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"kuai/internal/report"
	"kuai/kernel/peak"
	"kuai/media"
	"kuai/par"
	"kuai/video"
)

// barSeconds is what a clip of two seconds may take on two cores; clips of
// another length have their share.
const (
	barSeconds  = 4
	clipSeconds = 2
)

// BenchVideo measures how long clips take and where the time goes, against
// what the machine can do in the same minute.
func BenchVideo(ctx context.Context, m *video.Model, pool *par.Pool, name string, runs, scale int) (*report.Report, error) {
	rep := &report.Report{Machine: report.Machine(), Model: name}
	req := video.Request{Prompt: "a fox jumps over the grass at night"}
	if _, err := m.Generate(ctx, req, nil); err != nil { // memory touched, weights packed
		return nil, err
	}
	flopsSample, flopsDecode, err := m.FLOPs(req)
	if err != nil {
		return nil, err
	}
	times := map[string][]float64{}
	var length, limit float64
	for i := range runs {
		limit = max(limit, spin(pool))
		req.Seed = uint64(i)
		begin := time.Now()
		res, err := m.Generate(ctx, req, nil)
		if err != nil {
			return nil, err
		}
		made := time.Now()
		if err := media.Encode(io.Discard, media.WebM, res.Clip, media.Options{Scale: scale}); err != nil {
			return nil, err
		}
		for k, d := range map[string]time.Duration{
			"text": res.Timing.Text, "sample": res.Timing.Sample, "decode": res.Timing.Decode,
			"file": time.Since(made), "total": time.Since(begin),
		} {
			times[k] = append(times[k], d.Seconds())
		}
		length = float64(len(res.Clip.Frames)) / float64(res.Clip.FPS)
	}
	middle := func(k string) float64 {
		slices.Sort(times[k])
		return times[k][len(times[k])/2]
	}
	for _, k := range []string{"text", "sample", "decode", "file"} {
		rep.Add("seconds_"+k, middle(k), fmt.Sprintf("s, median of %d", runs))
	}
	rep.AtMost("seconds_per_clip", middle("total"), barSeconds*length/clipSeconds, fmt.Sprintf("s for %.2f s of clip", length))
	rep.Add("times_real_time", length/middle("total"), "clip seconds a second")
	rep.Add("sample_of_peak", flopsSample/middle("sample")/limit, "of bf16 peak in the same minute")
	rep.Add("decode_of_peak", flopsDecode/middle("decode")/limit, "of bf16 peak in the same minute")
	rep.Add("decode_times_real_time", length/middle("decode"), "clip seconds a second")
	return rep, nil
}

// spin measures what the processor can do with all workers, for an instant.
func spin(pool *par.Pool) float64 {
	kind := peak.BF16
	if !peak.Has(kind) {
		kind = peak.F32
	}
	const long = 100 * time.Millisecond
	begin, done := time.Now(), 0.0
	for time.Since(begin) < long {
		done += peak.Spin(pool, kind)
	}
	return done / time.Since(begin).Seconds()
}
