package minimax

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"kuai/api/clip"
	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/media"
	"kuai/serve"
	"kuai/video"
)

// videoModel is the name of a video model, "" for those that MiniMax's clients know,
// since some of them send no other.
func videoModel(name string) string {
	for _, prefix := range []string{"MiniMax-Hailuo-", "MiniMax-H", "T2V-01", "I2V-01", "S2V-01", "video-01"} {
		if strings.HasPrefix(name, prefix) {
			return ""
		}
	}
	return name
}

// videoRequest is one of v1. prompt_optimizer and fast_pretreatment allow what
// is not done here: the words go to the model as they are.
type videoRequest struct {
	Model      string          `json:"model"`
	Prompt     string          `json:"prompt"`
	First      string          `json:"first_frame_image"`
	Last       json.RawMessage `json:"last_frame_image"`
	Subject    json.RawMessage `json:"subject_reference"`
	Duration   wire.Number     `json:"duration"`
	Resolution string          `json:"resolution"`
	Callback   string          `json:"callback_url"`
	Watermark  bool            `json:"aigc_watermark"`
	Seed       wire.Number     `json:"seed"` // ours
}

// given says whether a field has a value.
func given(raw json.RawMessage) bool {
	switch strings.TrimSpace(string(raw)) {
	case "", "null", `""`, "[]":
		return false
	}
	return true
}

func unsupported(param, why string) error {
	return &fault.Error{Code: fault.Unsupported, Param: param, Message: why}
}

func checkPrompt(prompt string, most int) error {
	if n := utf8.RuneCountInString(prompt); n > most {
		return fault.Param("prompt", "the prompt has %d characters, at most %d", n, most)
	}
	return nil
}

func (h *handler) order(q videoRequest, key string) (clip.Order, error) {
	o := clip.Order{Request: video.Request{Prompt: q.Prompt, Seed: clip.RandomSeed(key)}}
	if err := h.Clips.Choose(&o, videoModel(q.Model)); err != nil {
		return o, err
	}
	for name, raw := range map[string]json.RawMessage{"last_frame_image": q.Last, "subject_reference": q.Subject} {
		if given(raw) {
			return o, unsupported(name, "clips may begin with a picture, and take no other")
		}
	}
	if err := checkPrompt(q.Prompt, maxPrompt); err != nil {
		return o, err
	}
	if q.Watermark {
		return o, unsupported("aigc_watermark", "clips get no watermark")
	}
	if err := h.resolution(&o, "resolution", q.Resolution); err != nil {
		return o, err
	}
	if q.Seed != "" {
		var err error
		if o.Seed, err = q.Seed.Uint("seed"); err != nil {
			return o, err
		}
	}
	return o, h.Clips.Length(&o, "duration", string(q.Duration))
}

// resolution refuses one that the clips do not have.
func (h *handler) resolution(o *clip.Order, field, s string) error {
	if _, n := h.Clips.Sides(o); s != "" && n > 0 && !strings.EqualFold(s, fmt.Sprintf("%dP", n)) {
		return fault.Param(field, "%s is %.40q, want %dP", field, s, n)
	}
	return nil
}

func (h *handler) createVideo(w http.ResponseWriter, r *http.Request) {
	var q videoRequest
	err := wire.ReadJSON(w, r, wire.MaxChat, &q)
	var o clip.Order
	if err == nil {
		o, err = h.order(q, r.Header.Get("Idempotency-Key"))
	}
	if err == nil {
		err = h.Clips.Begin(r.Context(), &o, "first_frame_image", clip.Reference{Address: q.First})
	}
	if err == nil {
		err = h.Clips.Call(r.Context(), &o, q.Callback)
	}
	var j serve.Job
	if err == nil {
		j, err = h.Clips.Create(r, w.Header(), h.work(r), o)
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	write(w, object{"task_id": j.ID})
}

func (h *handler) work(r *http.Request) gate.Work {
	return gate.Work{Dialect: "minimax", Endpoint: wire.Route(r), IdempotencyKey: r.Header.Get("Idempotency-Key")}
}

// states are MiniMax's words for where a job stands.
var states = map[serve.Status]string{
	serve.Queued: "Queueing", serve.Running: "Processing", serve.Completed: "Success", serve.Failed: "Fail", serve.Cancelled: "Fail",
}

// queryVideo tells where a task stands. One that failed has a base_resp that
// says so as well: clients look for different words and all for that number.
func (h *handler) queryVideo(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeVideos)
	if !ok {
		return
	}
	id := r.URL.Query().Get("task_id")
	j, err := h.Clips.Videos.Get(r.Context(), owner, id)
	if err != nil {
		f := fault.From(clip.Translate(err))
		if f.Code == fault.NotFound {
			f = fault.Param("task_id", "there is no task %.60q", id)
		}
		failed(w, r, f)
		return
	}
	out := object{"task_id": j.ID, "status": states[j.Status], "file_id": ""}
	switch j.Status {
	case serve.Completed:
		out["file_id"], out["video_width"], out["video_height"] = j.ID, j.Width, j.Height
	case serve.Failed:
		out["base_resp"] = base(fault.New(fault.Internal, "the clip could not be made: %s", j.Error))
		wire.JSON(w, http.StatusOK, out)
		return
	case serve.Cancelled:
		out["base_resp"] = base(fault.New(fault.Cancelled, "the task was cancelled"))
		wire.JSON(w, http.StatusOK, out)
		return
	}
	write(w, out)
}

// mp4 is the form of a clip that MiniMax's clients save.
var mp4 = clip.Rendition{Format: media.MP4, Scale: clip.Scale, Any: true}

// videoURL is where a clip can be fetched without a key.
func (h *handler) videoURL(r *http.Request, owner, id string) string {
	return h.Links.URL(wire.Base(r), owner, "video", id, "output.mp4", time.Now().Add(linkTime)) + "&format=mp4&any=true"
}
