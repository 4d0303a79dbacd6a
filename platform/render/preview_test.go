package render

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"kuai/media"
	"kuai/models"
	"kuai/par"
	"kuai/platform/job"
	"kuai/video"
)

// TestPreviewsDue checks that previews keep to their share, whatever one costs.
func TestPreviewsDue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		step, cost time.Duration
		want       int
	}{
		{"the built-in model", 440 * time.Millisecond, 35 * time.Millisecond, 5},
		{"dear pictures", 440 * time.Millisecond, time.Second, 1},
		{"a large model", time.Minute, 2 * time.Second, 13},
	} {
		var p previews
		n := 0
		for step := 1; step < 24; step++ {
			if p.due(step, time.Duration(step)*tt.step) {
				p.took(tt.cost)
				n++
			}
		}
		if n != tt.want {
			t.Errorf("%s: %d previews, want %d", tt.name, n, tt.want)
		}
	}
}

// report keeps what a run tells.
type report struct {
	dir      string
	previews []job.Preview
}

func (r *report) Progress(job.Progress) {}
func (r *report) Preview(p job.Preview) { r.previews = append(r.previews, p) }
func (r *report) Dir() string           { return r.dir }

// foreseer is a model of frames as grey as the step.
type foreseer struct{}

func (foreseer) Check(video.Request) error { return nil }

func (foreseer) Generate(_ context.Context, _ video.Request, progress func(video.Progress)) (*video.Result, error) {
	grey := func(v int) *media.Clip {
		return &media.Clip{Width: 8, Height: 8, FPS: 12, Frames: [][]byte{bytes.Repeat([]byte{byte(v)}, 8*8*3)}}
	}
	for i := 1; i < 5; i++ {
		progress(video.Progress{Stage: "sample", Step: i, Steps: 5, Picture: func() *media.Clip { return grey(i) }})
	}
	return &video.Result{Clip: grey(5)}, nil
}

// TestPreview checks that a run shows pictures that an image reader takes.
func TestPreview(t *testing.T) {
	t.Parallel()
	r := &report{dir: t.TempDir()}
	if _, err := Video(foreseer{})(t.Context(), job.Job{Body: json.RawMessage("{}")}, r); err != nil {
		t.Fatal(err)
	}
	if len(r.previews) == 0 || r.previews[0].Type != "image/png" || !bytes.HasPrefix(r.previews[0].Data, []byte("\x89PNG")) {
		t.Errorf("previews: %+v", r.previews)
	}
}

// BenchmarkPreviews is the share of a clip's time that its previews take.
func BenchmarkPreviews(b *testing.B) {
	m, err := video.Open(models.Video(), par.New(0))
	if err != nil {
		b.Fatal(err)
	}
	var spent, total time.Duration
	for b.Loop() {
		var shown previews
		begin := time.Now()
		r := &report{}
		_, err := m.Generate(b.Context(), video.Request{Prompt: "a fox jumps", Seed: 1}, func(p video.Progress) {
			if at := time.Now(); p.Picture != nil && shown.due(p.Step, at.Sub(begin)) {
				preview(r, p.Picture())
				shown.took(time.Since(at))
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		spent, total = spent+shown.spent, total+time.Since(begin)
		b.ReportMetric(float64(len(r.previews)), "previews")
	}
	b.ReportMetric(100*float64(spent)/float64(total), "%")
}
