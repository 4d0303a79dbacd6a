package minimax

import (
	"context"
	"errors"
	"iter"
	"testing"

	"kuai/api/clip"
	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/media"
	"kuai/platform/job"
	"kuai/platform/render"
	"kuai/serve"
)

// square says of its clips what the built-in model does, and makes none.
type square struct{}

func (square) Size() int                     { return 64 }
func (square) Frames() int                   { return 25 }
func (square) FPS() int                      { return 12 }
func (s square) Shape() (serve.Shaped, bool) { return s, true }

func (square) Submit(context.Context, gate.Ticket, clip.Order) (serve.Job, error) {
	return serve.Job{}, serve.ErrNotReady
}

func (square) Get(context.Context, string, string) (serve.Job, error) {
	return serve.Job{}, serve.ErrNotFound
}

func (square) Follow(context.Context, string, string) iter.Seq2[clip.Seen, error] {
	return func(yield func(clip.Seen, error) bool) { yield(clip.Seen{}, serve.ErrNotFound) }
}
func (square) List(context.Context, string) ([]serve.Job, error) { return nil, nil }
func (square) Cancel(context.Context, string, string) (serve.Job, error) {
	return serve.Job{}, serve.ErrNotFound
}
func (square) Delete(context.Context, string, string) error { return serve.ErrNotFound }
func (square) Clip(context.Context, string, string) (serve.Job, *media.Clip, error) {
	return serve.Job{}, nil, serve.ErrNotFound
}

func (square) Forms() []render.Form { return nil }
func (square) Output(context.Context, string, string, clip.Rendition) (clip.Output, bool, error) {
	return clip.Output{}, false, serve.ErrNotFound
}

func (square) Preview(context.Context, string, string) (job.Preview, bool, error) {
	return job.Preview{}, false, nil
}

func FuzzRequests(f *testing.F) {
	for _, s := range []string{
		`{"model":"MiniMax-Hailuo-02","prompt":"a fox","duration":2,"resolution":"256P","prompt_optimizer":true}`, `{"prompt":"x","first_frame_image":"data:,"}`,
		`{"prompt":"x","subject_reference":[{"type":"character","image":["u"]}],"duration":"6"}`, `{"callback_url":"http://x"}`, `{"seed":"x","aigc_watermark":true}`,
		`{"model":"MiniMax-H3","content":[{"type":"text","text":"a fox"}],"duration":5,"ratio":"16:9","resolution":"768P"}`, `{"content":[{"type":"image_url","image_url":{"url":"u"},"role":"first_frame"}]}`,
		`{"model":"image-01","prompt":"x","aspect_ratio":"1:1","n":2,"response_format":"base64"}`, `{"width":512,"height":"512"}`, ``, `[]`, `{"content":{}}`, `{"n":true}`,
	} {
		f.Add([]byte(s))
	}
	h := &handler{Rooms{Clips: &clip.Room{Videos: square{}, Gate: gate.Open{}}, Gate: gate.Open{}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		var one videoRequest
		err := wire.Unmarshal(data, &one)
		if err == nil {
			_, err = h.order(one, "")
		}
		refusal(t, err)
		var two videoRequest2
		if err = wire.Unmarshal(data, &two); err == nil {
			_, err = h.order2(two, "")
		}
		refusal(t, err)
		var three imageRequest
		if err = wire.Unmarshal(data, &three); err == nil {
			_, _, _, err = three.order()
		}
		refusal(t, err)
	})
}

func refusal(t *testing.T, err error) {
	t.Helper()
	if f, ok := errors.AsType[*fault.Error](err); err != nil && (!ok || f.Code == fault.Internal || f.Message == "") {
		t.Errorf("not an error for a client: %v", err)
	}
}

// TestKinds checks that each code has a row, in v1 and in v2.
func TestKinds(t *testing.T) {
	t.Parallel()
	for _, code := range fault.Codes {
		if k, ok := kinds[code]; !ok || k.code == 0 || k.status < 200 || k.status2 < 400 || k.word == "" {
			t.Errorf("%s: %+v", code, k)
		}
	}
}

func TestAmount(t *testing.T) {
	t.Parallel()
	for micros, want := range map[int64]string{0: "0.00", 12_345_678: "12.34", -50_000: "-0.05", 1_000_000: "1.00"} {
		if got := amount(micros); got != want {
			t.Errorf("%d: got %s, want %s", micros, got, want)
		}
	}
}
