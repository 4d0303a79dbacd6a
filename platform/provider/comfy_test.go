package provider

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/job"
	"kuai/platform/provider/comfytest"
	"kuai/platform/render"
	"kuai/video"
)

// report is where a run tells of itself.
type report struct {
	dir string

	mu       *sync.Mutex
	progress *[]job.Progress
	previews *[]job.Preview
}

func newReport(t *testing.T) report {
	t.Helper()
	return report{t.TempDir(), &sync.Mutex{}, &[]job.Progress{}, &[]job.Preview{}}
}

func (r report) Progress(p job.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.progress = append(*r.progress, p)
}

func (r report) Preview(p job.Preview) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.previews = append(*r.previews, p)
}
func (r report) Dir() string { return r.dir }

func ordered(t *testing.T, prompt string) job.Job {
	t.Helper()
	body, err := json.Marshal(render.Order{Request: video.Request{Prompt: prompt, Seed: 18446744073709551615, Frames: 33, Guidance: 3}})
	if err != nil {
		t.Fatal(err)
	}
	return job.Job{ID: "job_1", Body: body}
}

// farm is a model of some servers, which is asked so often.
func farm(t *testing.T, poll time.Duration, servers ...*comfytest.Server) *Comfy {
	t.Helper()
	var addresses []string
	for _, s := range servers {
		addresses = append(addresses, s.URL)
	}
	c, err := NewComfy("wan", addresses, []byte(comfytest.Workflow), "")
	if err != nil {
		t.Fatal(err)
	}
	c.poll = poll
	return c
}

// TestComfy makes a clip, whose end and progress the server tells over its web
// socket, or where it has none is asked for.
func TestComfy(t *testing.T) {
	t.Parallel()
	for name, mute := range map[string]bool{"told": false, "asked": true} {
		poll := time.Hour // the end is told, not asked for
		if mute {
			poll = time.Millisecond
		}
		ui := comfytest.New(t)
		ui.Mute = mute
		c, r := farm(t, poll, ui), newReport(t)
		made, err := c.Run(t.Context(), ordered(t, `a "fox" ${seed}`), r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := map[string]any{
			"3":  map[string]any{"class_type": "KSampler", "inputs": map[string]any{"seed": 18446744073709551615.0, "steps": float64(video.DefaultSteps), "cfg": 3.0, "model": []any{"4", 0.0}}},
			"6":  map[string]any{"class_type": "CLIPTextEncode", "inputs": map[string]any{"text": `best quality, a "fox" ${seed}`}},
			"7":  map[string]any{"class_type": "EmptyHunyuanLatentVideo", "inputs": map[string]any{"length": 33.0, "width": 832.0, "height": 480.0}},
			"10": map[string]any{"class_type": "SaveVideo", "inputs": map[string]any{"fps": 16.0}},
		}
		if diff := cmp.Diff(want, ui.Nodes()); diff != "" {
			t.Errorf("%s: the workflow (-want +got):\n%s", name, diff)
		}
		if len(made.Files) != 1 || made.Files[0].Name != "clip0.mp4" || made.Files[0].Type != "video/mp4" || made.Usage[render.VideoMilliseconds] != 33*1000/16 {
			t.Fatalf("%s: %+v", name, made)
		}
		if data, err := os.ReadFile(made.Files[0].Path); err != nil || string(data) != comfytest.Clip {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		var info render.Info
		if err := json.Unmarshal(made.Data, &info); err != nil || info.Width != 832 || info.Frames != 33 || info.FPS != 16 {
			t.Errorf("%s: %s, %v", name, made.Data, err)
		}
		last := job.Progress{Stage: "sample", Fraction: 1, Step: comfytest.Steps, Steps: comfytest.Steps}
		if told := slices.Contains(*r.progress, last) && len(*r.previews) == 1; told == mute {
			t.Errorf("%s: progress %+v, %d previews", name, *r.progress, len(*r.previews))
		}
	}
}

// TestComfyFails has a server refuse a workflow, fail at it, and be away.
func TestComfyFails(t *testing.T) {
	t.Parallel()
	ui := comfytest.New(t)
	c := farm(t, time.Millisecond, ui)
	if _, err := c.Run(t.Context(), ordered(t, "refuse"), newReport(t)); fault.From(err).Code != fault.Invalid || c.Pool().Healthy() != 1 {
		t.Errorf("a refused workflow: %v", err)
	}
	if _, err := c.Run(t.Context(), ordered(t, "break"), newReport(t)); err == nil || fault.From(err).Code != fault.Internal || c.Pool().Healthy() != 0 {
		t.Errorf("a failed workflow: %v", err)
	}
	away, well := comfytest.New(t), comfytest.New(t)
	away.Down = true
	c = farm(t, time.Millisecond, away, well)
	for range 2 {
		if _, err := c.Run(t.Context(), ordered(t, "a fox"), newReport(t)); err != nil {
			t.Errorf("one of two is away: %v", err)
		}
	}
	if c.Pool().Healthy() != 1 || len(well.State()) != 2 {
		t.Errorf("%d are well, prompts %v", c.Pool().Healthy(), well.State())
	}
	c = farm(t, time.Millisecond, away)
	if _, err := c.Run(t.Context(), ordered(t, "a fox"), newReport(t)); !errors.Is(err, ErrNone) {
		t.Errorf("all are away: %v", err)
	}
	c.Pool().Check(t.Context())
	if c.Pool().Healthy() != 0 {
		t.Error("a server that is down is well")
	}
}

// TestComfyStops cancels one of two clips of a server: it is interrupted, the
// other one is not.
func TestComfyStops(t *testing.T) {
	t.Parallel()
	ui := comfytest.New(t)
	c := farm(t, time.Millisecond, ui)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	others, end := context.WithCancelCause(t.Context())
	done, other := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := c.Run(ctx, ordered(t, "wait"), newReport(t))
		done <- err
	}()
	<-ui.Began()
	go func() {
		_, err := c.Run(others, ordered(t, "wait too"), newReport(t))
		other <- err
	}()
	<-ui.Began()
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("a cancelled job: %v", err)
	}
	if got := strings.Join(ui.State(), " "); got != "interrupted running" {
		t.Errorf("after the first was cancelled: %s", got)
	}
	end(stop)
	if err := <-other; !errors.Is(err, stop) {
		t.Errorf("the other job: %v", err)
	}
	if got := strings.Join(ui.State(), "+"); got != "interrupted+interrupted" {
		t.Errorf("after both were cancelled: %s", got)
	}
}

func TestNewComfy(t *testing.T) {
	t.Parallel()
	const form = `"kuai":{"width":8,"height":8,"fps":8,"frames":8}`
	for name, bad := range map[string]string{
		"empty": "", "cut": "[", "a list": "[]", "nothing": "{}", "no nodes": "{" + form + "}", "the page's format": "{" + form + `,"nodes":[],"links":[]}`,
		"no form": `{"3":{"class_type":"x"}}`, "no sides": `{"kuai":{"fps":8,"frames":8},"3":{}}`, "too long": strings.Repeat(" ", MaxWorkflow+1),
	} {
		if _, err := NewComfy("wan", []string{"http://x"}, []byte(bad), ""); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := NewComfy("a name", []string{"http://x"}, []byte(comfytest.Workflow), ""); err == nil {
		t.Error("a name with a space was taken")
	}
}

func FuzzComfy(f *testing.F) {
	f.Add(comfytest.Workflow, `{"videos":[{"filename":"a"}]}`)
	f.Add(`{"1":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+"}", "{}")
	f.Fuzz(func(_ *testing.T, w, outputs string) {
		var h history
		if json.Unmarshal([]byte(`{"outputs":{"1":`+outputs+`}}`), &h) == nil {
			_ = filesOf(h)
		}
		if c, err := NewComfy("wan", []string{"http://x"}, []byte(w), ""); err == nil {
			_, _ = c.prompt(video.Request{Prompt: "a fox", Seed: 1}, "a.jpg")
		}
	})
}

// TestComfyPicture checks that the picture that a clip begins with is on the server
// before the workflow that loads it, also on the next one where the first is away.
func TestComfyPicture(t *testing.T) {
	t.Parallel()
	down, ui := comfytest.New(t), comfytest.New(t)
	down.Down = true
	c, err := NewComfy("wan-i2v", []string{down.URL, ui.URL}, []byte(comfytest.ImageWorkflow), "")
	if err != nil || !c.Form().Picture {
		t.Fatalf("%+v, %v", c, err)
	}
	c.poll = time.Millisecond
	order := func(prompt, picture string) job.Job {
		body, err := json.Marshal(render.Order{Request: video.Request{Prompt: prompt}, Picture: []byte(picture)})
		if err != nil {
			t.Fatal(err)
		}
		return job.Job{ID: "job_1", Body: body}
	}
	for _, picture := range []string{"a picture", "another"} {
		if _, err := c.Run(t.Context(), order("a fox ${image}", picture), newReport(t)); err != nil || string(ui.Image()) != picture {
			t.Errorf("%v: loaded %q, want %q", err, ui.Image(), picture)
		}
	}
	if text := ui.Nodes()["6"].(map[string]any)["inputs"].(map[string]any)["text"]; text != "a fox ${image}" {
		t.Errorf("the prompt became %q", text)
	}
	if _, err := c.Run(t.Context(), order("a fox", ""), newReport(t)); fault.From(err).Code != fault.Invalid {
		t.Errorf("without a picture: %v", err)
	}
	if _, err := farm(t, time.Millisecond, ui).Run(t.Context(), order("a fox", "a picture"), newReport(t)); fault.From(err).Code != fault.Invalid {
		t.Errorf("a picture for a workflow of words: %v", err)
	}
}
