package openai

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/render"
	"kuai/serve"
	"kuai/video"
)

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
	Remixed     *string      `json:"remixed_from_video_id"`
	Error       *failure     `json:"error"`

	Stage      string       `json:"kuai_stage,omitempty"`
	Step       int          `json:"kuai_step"` // done of kuai_steps, in this stage
	Steps      int          `json:"kuai_steps"`
	Seed       uint64       `json:"kuai_seed"`
	Understood []video.Slot `json:"kuai_understood"`
	Unknown    []string     `json:"kuai_unknown_words,omitempty"`
	Took       float64      `json:"kuai_seconds_of_work,omitempty"`
	Position   int          `json:"kuai_queue_position,omitempty"` // among all that wait here; 1 is next
	Left       float64      `json:"kuai_seconds_left,omitempty"`   // an estimate
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// FromJob encodes a job.
func FromJob(j serve.Job) Video {
	v := Video{
		ID: j.ID, Object: "video", Model: j.Model, Status: j.Status, Progress: int(100 * j.Progress),
		CreatedAt: j.Created.Unix(), Prompt: j.Request.Prompt, Stage: j.Stage, Step: j.Step, Steps: j.Steps, Seed: j.Request.Seed,
		Understood: j.Understood, Unknown: j.Unknown, Took: j.Seconds,
		Position: j.Position, Left: math.Round(10*j.Left.Seconds()) / 10,
	}
	if j.FPS > 0 {
		v.Seconds = strconv.FormatFloat(float64(j.Frames)/float64(j.FPS), 'f', 2, 64)
		v.Size = fmt.Sprintf("%dx%d", j.Width, j.Height)
	}
	if !j.Finished.IsZero() {
		at := j.Finished.Unix()
		v.CompletedAt = &at
	}
	if of := clip.Remixed(j); of != "" {
		v.Remixed = &of
	}
	if j.Error != "" {
		v.Error = &failure{"generation_failed", j.Error}
	}
	return v
}

// videoRequest is a request to make a video.
type videoRequest struct {
	Prompt   string      `json:"prompt"`
	Model    string      `json:"model"`
	Seed     wire.Number `json:"seed"`
	Steps    wire.Number `json:"steps"`
	Frames   wire.Number `json:"frames"`
	Guidance wire.Number `json:"guidance"`
	Seconds  wire.Number `json:"seconds"`
	Size     string      `json:"size"` // of the delivered clip: 256x256

	Reference reference `json:"input_reference"` // what the clip begins with
}

// reference is a picture: an address, a file that was uploaded before, or in a form
// the bytes.
type reference struct {
	ImageURL string `json:"image_url"`
	FileID   string `json:"file_id"`

	data []byte
}

// decodeVideo reads JSON or, as OpenAI's clients send it, a form.
func decodeVideo(w http.ResponseWriter, r *http.Request) (videoRequest, error) {
	var in videoRequest
	if !wire.IsForm(r) {
		err := wire.ReadJSON(w, r, wire.MaxChat, &in)
		return in, err
	}
	defer wire.CloseForm(r)
	if err := wire.ReadForm(w, r, wire.MaxChat); err != nil {
		return in, err
	}
	in = videoRequest{
		Prompt: r.FormValue("prompt"), Model: r.FormValue("model"), Seed: wire.Number(r.FormValue("seed")),
		Steps: wire.Number(r.FormValue("steps")), Frames: wire.Number(r.FormValue("frames")), Guidance: wire.Number(r.FormValue("guidance")),
		Seconds: wire.Number(r.FormValue("seconds")), Size: r.FormValue("size"),
	}
	in.Reference = reference{ImageURL: r.FormValue("input_reference[image_url]"), FileID: r.FormValue("input_reference[file_id]")}
	if r.MultipartForm == nil {
		return in, nil
	}
	for name := range r.MultipartForm.File {
		if name != "input_reference" {
			return in, fault.Param(name, "a file as %.40q is not wanted, only as input_reference", name)
		}
	}
	f, _, err := r.FormFile("input_reference")
	if errors.Is(err, http.ErrMissingFile) {
		return in, nil
	}
	if err == nil {
		in.Reference.data, err = io.ReadAll(f) // as long as the form may be
		err = errors.Join(err, f.Close())
	}
	return in, err
}

// begin gives an order the picture that its clip begins with.
func (h *handler) begin(r *http.Request, o *clip.Order, in reference) error {
	const field = "input_reference"
	ref := clip.Reference{Data: in.data, Address: in.ImageURL}
	if in.FileID != "" {
		if ref.Address != "" || len(ref.Data) > 0 {
			return fault.Param(field, "a picture is given twice")
		}
		p, err := gate.Enter(h.Gate, http.Header{}, r, gate.Work{Dialect: "openai", Endpoint: wire.Route(r), Scope: gate.ScopeFiles, Within: true})
		if err != nil {
			return err
		}
		if ref.Data, err = h.uploaded(r, p.Owner(), in.FileID); err != nil {
			return err
		}
	}
	return h.Clips.Begin(r.Context(), o, field, ref)
}

// uploaded reads a picture among an owner's files.
func (h *handler) uploaded(r *http.Request, owner, name string) ([]byte, error) {
	id, err := file.ParseID(name)
	if err != nil {
		return nil, err
	}
	_, f, err := h.Files.Open(r.Context(), owner, id)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, render.MaxPicture+1)) // one too many is refused later
	return data, errors.Join(err, f.Close())
}

// order reads what is wanted. OpenAI's names of video models stand for ours,
// since its clients have no others.
func (h *handler) order(in videoRequest, key string) (clip.Order, error) {
	o := clip.Order{Request: video.Request{Prompt: in.Prompt, Seed: clip.RandomSeed(key)}}
	name := in.Model
	if strings.HasPrefix(name, "sora-") {
		name = ""
	}
	if err := h.Clips.Choose(&o, name); err != nil {
		return o, err
	}
	var err error
	if in.Seed != "" {
		if o.Seed, err = in.Seed.Uint("seed"); err != nil {
			return o, err
		}
	}
	if o.Steps, err = in.Steps.Int("steps", 0); err != nil {
		return o, err
	}
	if o.Frames, err = in.Frames.Int("frames", 0); err != nil {
		return o, err
	}
	g, err := in.Guidance.Float("guidance", 0)
	if err != nil {
		return o, err
	}
	o.Guidance = float32(g)
	if in.Seconds != "" && in.Frames != "" {
		return o, fault.Param("seconds", "both seconds and frames are given, want one")
	}
	if err := h.Clips.Size(&o, "size", in.Size); err != nil {
		return o, err
	}
	return o, h.Clips.Length(&o, "seconds", string(in.Seconds))
}

func (h *handler) createVideo(w http.ResponseWriter, r *http.Request) {
	in, err := decodeVideo(w, r)
	if err != nil {
		Failed(w, r, err)
		return
	}
	o, err := h.order(in, r.Header.Get("Idempotency-Key"))
	if err == nil {
		err = h.begin(r, &o, in.Reference)
	}
	if err != nil {
		Failed(w, r, err)
		return
	}
	h.submit(w, r, o)
}

func (h *handler) submit(w http.ResponseWriter, r *http.Request, o clip.Order) {
	work := gate.Work{Dialect: "openai", Endpoint: wire.Route(r), IdempotencyKey: r.Header.Get("Idempotency-Key")}
	j, err := h.Clips.Create(r, w.Header(), work, o)
	if err != nil {
		Failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, FromJob(j))
}

// remix makes a clip from other words and the seed of one that is finished.
func (h *handler) remix(w http.ResponseWriter, r *http.Request) {
	in, err := decodeVideo(w, r)
	if err != nil {
		Failed(w, r, err)
		return
	}
	owner, ok := h.enter(w, r, gate.ScopeVideos)
	if !ok {
		return
	}
	j, err := h.Clips.Videos.Get(r.Context(), owner, chi.URLParam(r, "id"))
	if err == nil && j.Status != serve.Completed {
		err = serve.ErrNotReady
	}
	if err != nil {
		Failed(w, r, clip.Translate(err))
		return
	}
	o := clip.Order{Request: j.Request, Model: j.Model, Remix: j.ID}
	o.Prompt = in.Prompt
	if err := h.begin(r, &o, in.Reference); err != nil {
		Failed(w, r, err)
		return
	}
	h.submit(w, r, o)
}

func (h *handler) listVideos(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeVideos)
	if !ok {
		return
	}
	jobs, err := h.Clips.Videos.List(r.Context(), owner)
	if err != nil {
		Failed(w, r, err)
		return
	}
	all := []Video{}
	for _, j := range jobs {
		all = append(all, FromJob(j))
	}
	out, err := page(all, func(v Video) string { return v.ID }, r, defaultPage)
	if err != nil {
		Failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, out)
}

func (h *handler) getVideo(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeVideos)
	if !ok {
		return
	}
	j, err := h.Clips.Videos.Get(r.Context(), owner, chi.URLParam(r, "id"))
	if err != nil {
		Failed(w, r, clip.Translate(err))
		return
	}
	wire.JSON(w, http.StatusOK, FromJob(j))
}

func (h *handler) deleteVideo(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeVideos)
	if !ok {
		return
	}
	id := chi.URLParam(r, "id")
	if err := h.Clips.Videos.Delete(r.Context(), owner, id); err != nil {
		Failed(w, r, clip.Translate(err))
		return
	}
	wire.JSON(w, http.StatusOK, map[string]any{"id": id, "object": "video.deleted", "deleted": true})
}

// content sends a finished clip, or a range of it, in the format asked for.
func (h *handler) content(w http.ResponseWriter, r *http.Request) {
	want, err := clip.ParseRendition(r)
	if err != nil {
		Failed(w, r, err)
		return
	}
	owner, ok := h.enter(w, r, gate.ScopeVideos)
	if !ok {
		return
	}
	if err := h.Clips.Serve(w, r, owner, chi.URLParam(r, "id"), want); err != nil {
		Failed(w, r, err)
	}
}
