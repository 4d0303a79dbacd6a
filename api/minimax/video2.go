package minimax

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/clip"
	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/serve"
	"kuai/video"
)

const (
	maxPrompt2  = 7000 // characters
	defaultPage = 10
	maxPage     = 100
)

// videoRequest2 is one of v2.
type videoRequest2 struct {
	Model      string      `json:"model"`
	Content    []piece2    `json:"content"`
	Resolution string      `json:"resolution"`
	Duration   wire.Number `json:"duration"`
	Ratio      string      `json:"ratio"`
	Callback   string      `json:"callback_url"`
	Watermark  bool        `json:"aigc_watermark"`
}

// piece2 is a text or a picture.
type piece2 struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Role  string `json:"role"` // of a picture
	Image struct {
		URL string `json:"url"`
	} `json:"image_url"`
}

func (h *handler) order2(q videoRequest2, key string) (clip.Order, error) {
	o := clip.Order{Request: video.Request{Seed: clip.RandomSeed(key)}}
	if err := h.Clips.Choose(&o, videoModel(q.Model)); err != nil {
		return o, err
	}
	texts := 0
	for i, c := range q.Content {
		if c.first() {
			continue // see begin
		}
		if c.Type != "text" {
			return o, unsupported("content", "clips may begin with one picture (image_url of the role first_frame), and take no other "+strings.TrimSuffix(c.Type, "_url"))
		}
		if texts++; texts > 1 || strings.TrimSpace(c.Text) == "" {
			return o, fault.Param("content", "piece %d: exactly one text that is not empty is wanted", i)
		}
		o.Prompt = c.Text
	}
	switch {
	case texts == 0:
		return o, fault.Param("content", "there is no text")
	case q.Watermark:
		return o, unsupported("aigc_watermark", "clips get no watermark")
	}
	if err := h.ratio(&o, q.Ratio); err != nil {
		return o, err
	}
	if err := checkPrompt(o.Prompt, maxPrompt2); err != nil {
		return o, err
	}
	if err := h.resolution(&o, "resolution", q.Resolution); err != nil {
		return o, err
	}
	return o, h.Clips.Length(&o, "duration", string(q.Duration))
}

// first says whether a piece is the picture that the clip begins with.
func (p piece2) first() bool {
	return p.Type == "image_url" && (p.Role == "" || p.Role == "first_frame")
}

// begin is that picture.
func (q videoRequest2) begin() (ref clip.Reference, err error) {
	for i, c := range q.Content {
		if !c.first() {
			continue
		}
		if ref.Address != "" || c.Image.URL == "" {
			return ref, fault.Param("content", "piece %d: one picture with an address is wanted", i)
		}
		ref.Address = c.Image.URL
	}
	return ref, nil
}

// ratios are those that v2 has.
var ratios = []string{"1:1", "16:9", "4:3", "3:4", "9:16", "21:9"}

// ratioOf is the ratio of v2 that is nearest to a clip's; 1:1 where its sides are
// not known yet.
func ratioOf(width, height int) string {
	best, off := ratios[0], math.Inf(1)
	for _, r := range ratios {
		var w, h float64
		if _, err := fmt.Sscanf(r, "%f:%f", &w, &h); err != nil || width == 0 {
			continue
		}
		if d := math.Abs(math.Log(float64(width) / float64(height) * h / w)); d < off {
			best, off = r, d
		}
	}
	return best
}

// ratio refuses one that the model's clips do not have.
func (h *handler) ratio(o *clip.Order, ratio string) error {
	want := ratioOf(h.Clips.Sides(o))
	if ratio != "" && ratio != "adaptive" && ratio != want {
		return fault.Param("ratio", "ratio is %.40q, want %s: the model's clips have no other", ratio, want)
	}
	return nil
}

func (h *handler) createVideo2(w http.ResponseWriter, r *http.Request) {
	var q videoRequest2
	err := wire.ReadJSON(w, r, wire.MaxChat, &q)
	var o clip.Order
	if err == nil {
		o, err = h.order2(q, r.Header.Get("Idempotency-Key"))
	}
	var ref clip.Reference
	if err == nil {
		ref, err = q.begin()
	}
	if err == nil {
		err = h.Clips.Begin(r.Context(), &o, "content", ref)
	}
	if err == nil {
		err = h.Clips.Call(r.Context(), &o, q.Callback)
	}
	var j serve.Job
	if err == nil {
		j, err = h.Clips.Create(r, w.Header(), h.work(r), o)
	}
	if err != nil {
		failed2(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, object{"task_id": j.ID})
}

// states2 are the words of v2.
var states2 = map[serve.Status]string{
	serve.Queued: "queued", serve.Running: "running", serve.Completed: "succeeded", serve.Failed: "failed", serve.Cancelled: "cancelled",
}

// task is a job in v2's shape; its address is made anew each time.
func (h *handler) task(r *http.Request, owner string, j serve.Job) object {
	updated := j.Created
	if !j.Finished.IsZero() {
		updated = j.Finished
	}
	kind := "text_to_video"
	if clip.Pictured(j) {
		kind = "image_to_video"
	}
	out := object{
		"id": j.ID, "model": j.Model, "status": states2[j.Status], "task_type": kind, "ratio": ratioOf(j.Width, j.Height),
		"created_at": j.Created.Unix(), "updated_at": updated.Unix(), "error": nil, "content": nil,
	}
	switch j.Status {
	case serve.Completed:
		seconds := float64(j.Frames) / float64(max(j.FPS, 1))
		out["content"] = object{"url": h.videoURL(r, owner, j.ID)}
		out["duration"] = seconds
		out["usage"] = object{"total_seconds": seconds, "input_seconds": 0, "output_seconds": seconds, "input_image_count": 0}
	case serve.Failed:
		out["error"] = object{"code": "generation_failed", "message": j.Error}
	}
	return out
}

func (h *handler) enter2(w http.ResponseWriter, r *http.Request, scope string) (string, bool) {
	owner, err := h.admit(w, r, scope)
	if err != nil {
		failed2(w, r, err)
	}
	return owner, err == nil
}

func (h *handler) queryVideo2(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter2(w, r, gate.ScopeVideos)
	if !ok {
		return
	}
	j, err := h.Clips.Videos.Get(r.Context(), owner, chi.URLParam(r, "id"))
	if err != nil {
		failed2(w, r, clip.Translate(err))
		return
	}
	wire.JSON(w, http.StatusOK, object{"task": h.task(r, owner, j)})
}

func (h *handler) listVideo2(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter2(w, r, gate.ScopeVideos)
	if !ok {
		return
	}
	q := r.URL.Query()
	at, err := wire.Number(q.Get("page_num")).Int("page_num", 1)
	if err == nil && (at < 1 || at > 1<<20) {
		err = fault.Param("page_num", "page_num is %d, want at least 1", at)
	}
	size := 0
	if err == nil {
		size, err = wire.Number(q.Get("page_size")).Int("page_size", defaultPage)
	}
	if err == nil && (size < 1 || size > maxPage) {
		err = fault.Param("page_size", "page_size is %d, want 1 to %d", size, maxPage)
	}
	var jobs []serve.Job
	if err == nil {
		jobs, err = h.Clips.Videos.List(r.Context(), owner)
	}
	if err != nil {
		failed2(w, r, err)
		return
	}
	tasks := []object{}
	for _, j := range jobs[min((at-1)*size, len(jobs)):min(at*size, len(jobs))] {
		tasks = append(tasks, h.task(r, owner, j))
	}
	wire.JSON(w, http.StatusOK, object{"tasks": tasks, "total": len(jobs), "page_num": at, "page_size": size, "now": time.Now().Unix()})
}

func (h *handler) cannot2(why string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := h.enter2(w, r, ""); ok {
			failed2(w, r, fault.New(fault.Unsupported, "%s", why))
		}
	}
}
