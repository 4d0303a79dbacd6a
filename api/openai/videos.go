// Package openai speaks OpenAI's dialect: videos, chat completions, models.
package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kuai/serve"
	"kuai/video"
)

const (
	maxBody  = 1 << 20
	model    = "kuai-video"
	scale    = 4 // of delivered clips: small frames look blocky in players
	maxScale = 8

	defaultPage = 20
	maxPage     = 100
	bodyTimeout = 30 * time.Second
)

// Register adds the routes.
func Register(mux *http.ServeMux, q *serve.Queue) {
	h := &handler{q: q}
	mux.HandleFunc("POST /v1/videos", h.create)
	mux.HandleFunc("GET /v1/videos", h.list)
	mux.HandleFunc("GET /v1/videos/{id}", h.get)
	mux.HandleFunc("DELETE /v1/videos/{id}", h.remove)
	mux.HandleFunc("GET /v1/videos/{id}/content", h.content)
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		Error(w, http.StatusNotFound, "invalid_request_error", "unknown_url", "there is no "+r.Method+" "+r.URL.Path)
	})
}

type handler struct {
	q       *serve.Queue
	encoded cache
}

// Video is OpenAI's video object, with what Kuai knows besides.
type Video struct {
	ID          string       `json:"id"`
	Object      string       `json:"object"`
	Model       string       `json:"model"`
	Status      serve.Status `json:"status"`
	Progress    int          `json:"progress"` // per cent
	CreatedAt   int64        `json:"created_at"`
	CompletedAt *int64       `json:"completed_at"`
	ExpiresAt   *int64       `json:"expires_at"`
	Prompt      string       `json:"prompt"`
	Seconds     string       `json:"seconds"`
	Size        string       `json:"size"`
	Error       *failure     `json:"error"`

	Stage      string       `json:"kuai_stage,omitempty"`
	Step       int          `json:"kuai_step"` // done of kuai_steps, in this stage
	Steps      int          `json:"kuai_steps"`
	Seed       uint64       `json:"kuai_seed"`
	Understood []video.Slot `json:"kuai_understood"`
	Unknown    []string     `json:"kuai_unknown_words,omitempty"`
	Took       float64      `json:"kuai_seconds_of_work,omitempty"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// FromJob encodes a job.
func FromJob(j serve.Job) Video {
	v := Video{
		ID: j.ID, Object: "video", Model: model, Status: j.Status, Progress: int(100 * j.Progress),
		CreatedAt: j.Created.Unix(), Prompt: j.Request.Prompt, Stage: j.Stage, Step: j.Step, Steps: j.Steps, Seed: j.Request.Seed,
		Understood: j.Understood, Unknown: j.Unknown, Took: j.Seconds,
	}
	if j.FPS > 0 {
		v.Seconds = strconv.FormatFloat(float64(j.Frames)/float64(j.FPS), 'f', 2, 64)
		v.Size = fmt.Sprintf("%dx%d", j.Width*scale, j.Height*scale)
	}
	if !j.Finished.IsZero() {
		at := j.Finished.Unix()
		v.CompletedAt = &at
	}
	if j.Error != "" {
		v.Error = &failure{"generation_failed", j.Error}
	}
	return v
}

// create reads JSON or, as OpenAI's clients send it, a form.
func (h *handler) create(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // where the server can
	in, err := decode(r)
	if err != nil {
		failed(w, err)
		return
	}
	req, err := in.request()
	if err == nil {
		err = h.shape(&req, in)
	}
	if err != nil {
		failed(w, err)
		return
	}
	j, err := h.q.Submit(req)
	if err != nil {
		failed(w, err)
		return
	}
	JSON(w, http.StatusOK, FromJob(j))
}

// number takes 5 and "5".
type number string

// UnmarshalJSON accepts a number, a string with one, or null.
func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" {
		s = ""
	}
	*n = number(s)
	return nil
}

// wire is a request to make a video.
type wire struct {
	Prompt   string `json:"prompt"`
	Model    string `json:"model"`
	Seed     number `json:"seed"`
	Steps    number `json:"steps"`
	Frames   number `json:"frames"`
	Guidance number `json:"guidance"`
	Seconds  number `json:"seconds"`
	Size     string `json:"size"` // of the delivered clip: 256x256
}

// shape takes seconds and size as the model has them, or refuses them. OpenAI's
// names of video models stand for ours, since its clients have no others.
func (h *handler) shape(req *video.Request, in wire) error {
	if in.Model != "" && in.Model != model && !strings.HasPrefix(in.Model, "sora-") {
		return invalid("model", "model is %q, clips are made by %s", in.Model, model)
	}
	s, ok := h.q.Shape()
	if !ok {
		return nil
	}
	if size := fmt.Sprintf("%dx%d", s.Size()*scale, s.Size()*scale); in.Size != "" && in.Size != size {
		return invalid("size", "size is %q, want %s", in.Size, size)
	}
	if in.Seconds == "" {
		return nil
	}
	seconds, err := strconv.ParseFloat(string(in.Seconds), 64)
	longest := float64(s.Frames()) / float64(s.FPS())
	switch {
	case err != nil || !(seconds > 0):
		return invalid("seconds", "seconds is %q, want a number above 0", in.Seconds)
	case seconds > longest:
		return invalid("seconds", "seconds is %q, want at most %.2f", in.Seconds, longest)
	case in.Frames != "":
		return invalid("seconds", "both seconds and frames are given, want one")
	}
	req.Frames = 1 + int(seconds*float64(s.FPS())+0.5)/video.TimeStride*video.TimeStride
	req.Frames = min(req.Frames, s.Frames())
	return nil
}

func decode(r *http.Request) (wire, error) {
	var in wire
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && (kind == "multipart/form-data" || kind == "application/x-www-form-urlencoded") {
		if err := r.ParseMultipartForm(maxBody); err != nil && !errors.Is(err, http.ErrNotMultipart) {
			return in, invalid("", "form: %v", err)
		}
		in = wire{
			Prompt: r.FormValue("prompt"), Model: r.FormValue("model"), Seed: number(r.FormValue("seed")),
			Steps: number(r.FormValue("steps")), Frames: number(r.FormValue("frames")), Guidance: number(r.FormValue("guidance")),
			Seconds: number(r.FormValue("seconds")), Size: r.FormValue("size"),
		}
	} else if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return in, invalid("", "body: %v", err)
	}
	return in, nil
}

func (in wire) request() (video.Request, error) {
	req := video.Request{Prompt: in.Prompt}
	var err error
	if in.Seed != "" {
		if req.Seed, err = strconv.ParseUint(string(in.Seed), 10, 64); err != nil {
			return req, invalid("seed", "seed is %q, want a whole number", in.Seed)
		}
	} else {
		req.Seed = randomSeed()
	}
	for _, f := range []struct {
		name string
		in   number
		to   *int
	}{{"steps", in.Steps, &req.Steps}, {"frames", in.Frames, &req.Frames}} {
		if f.in == "" {
			continue
		}
		if *f.to, err = strconv.Atoi(string(f.in)); err != nil {
			return req, invalid(f.name, "%s is %q, want a whole number", f.name, f.in)
		}
	}
	if in.Guidance != "" {
		g, err := strconv.ParseFloat(string(in.Guidance), 32)
		if err != nil {
			return req, invalid("guidance", "guidance is %q, want a number", in.Guidance)
		}
		req.Guidance = float32(g)
	}
	return req, nil
}

func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	all := []Video{}
	for _, j := range h.q.List() {
		all = append(all, FromJob(j))
	}
	data, more, err := page(all, r)
	if err != nil {
		failed(w, err)
		return
	}
	out := map[string]any{"object": "list", "data": data, "has_more": more, "first_id": nil, "last_id": nil}
	if len(data) > 0 {
		out["first_id"], out["last_id"] = data[0].ID, data[len(data)-1].ID
	}
	JSON(w, http.StatusOK, out)
}

func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	j, _, err := h.q.Get(r.PathValue("id"))
	if err != nil {
		failed(w, err)
		return
	}
	JSON(w, http.StatusOK, FromJob(j))
}

func (h *handler) remove(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if err := h.q.Delete(id); err != nil {
		failed(w, err)
		return
	}
	JSON(w, http.StatusOK, map[string]any{"id": id, "object": "video.deleted", "deleted": true})
}
