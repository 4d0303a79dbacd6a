package openai

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/video"
)

const (
	maxPictures = 9
	linkTime    = time.Hour // that the address of a picture is good
)

// imageRequest is a request for pictures. Background, style and user say
// nothing that changes a picture here.
type imageRequest struct {
	Prompt  string      `json:"prompt"`
	Model   string      `json:"model"`
	N       wire.Number `json:"n"`
	Size    string      `json:"size"`
	Format  string      `json:"response_format"`
	Output  string      `json:"output_format"`
	Quality string      `json:"quality"`
	Seed    wire.Number `json:"seed"` // ours
	Stream  bool        `json:"stream"`
}

func (q *imageRequest) order() (o clip.Order, n, side int, err error) {
	o = clip.Order{Request: video.Request{Prompt: q.Prompt, Seed: clip.RandomSeed("")}}
	if n, err = q.N.Int("n", 1); err == nil && (n < 1 || n > maxPictures) {
		err = fault.Param("n", "n is %d, want 1 to %d", n, maxPictures)
	}
	if err == nil {
		side, err = clip.SquareSide("size", q.Size)
	}
	if err == nil && q.Seed != "" {
		o.Seed, err = q.Seed.Uint("seed")
	}
	switch {
	case err != nil:
	case q.Model != "" && q.Model != clip.Model && !strings.HasPrefix(q.Model, "gpt-image-") && !strings.HasPrefix(q.Model, "dall-e-"):
		err = fault.Param("model", "model is %.40q, pictures are made by %s", q.Model, clip.Model)
	case q.Format != "" && q.Format != "url" && q.Format != "b64_json":
		err = fault.Param("response_format", "response_format is %.40q, want url or b64_json", q.Format)
	case q.Output != "" && q.Output != "png":
		err = &fault.Error{Code: fault.Unsupported, Param: "output_format", Message: "pictures are PNGs here"}
	case q.Stream:
		err = &fault.Error{Code: fault.Unsupported, Param: "stream", Message: "pictures are not streamed; leave stream out"}
	}
	return o, n, side, err
}

type picture struct {
	Base64  []byte `json:"b64_json,omitempty"`
	URL     string `json:"url,omitempty"`
	Revised string `json:"revised_prompt"`
	Seed    uint64 `json:"kuai_seed"`
}

// images makes pictures and waits for them.
func (h *handler) images(w http.ResponseWriter, r *http.Request) {
	var q imageRequest
	if err := wire.ReadJSON(w, r, wire.MaxSmall, &q); err != nil {
		Failed(w, r, err)
		return
	}
	o, n, side, err := q.order()
	if err != nil {
		Failed(w, r, err)
		return
	}
	work := gate.Work{Dialect: "openai", Endpoint: wire.Route(r), IdempotencyKey: r.Header.Get("Idempotency-Key")}
	stills, err := h.Clips.Stills(r, w.Header(), work, o, n, side)
	if err != nil {
		Failed(w, r, err)
		return
	}
	out := []picture{}
	for _, s := range stills {
		p := picture{Revised: q.Prompt, Seed: s.Seed, Base64: s.PNG}
		if q.Format == "url" || q.Format == "" && strings.HasPrefix(q.Model, "dall-e-") { // as OpenAI's models have it
			if p.URL, err = h.keep(r, s); err != nil {
				Failed(w, r, err)
				return
			}
			p.Base64 = nil
		}
		out = append(out, p)
	}
	wire.JSON(w, http.StatusOK, map[string]any{"created": time.Now().Unix(), "data": out, "output_format": "png"})
}

// keep stores a picture and returns an address for it.
func (h *handler) keep(r *http.Request, s clip.Still) (string, error) {
	return KeepStill(r, h.Files, h.Links, s, linkTime)
}

// KeepStill stores a picture for its owner and returns an address that is good
// for a time.
func KeepStill(r *http.Request, store file.Store, links *file.Links, s clip.Still, good time.Duration) (string, error) {
	f := file.File{Owner: s.Owner, Name: "image.png", Purpose: "image_generation", Type: "image/png"}
	f, err := store.Put(r.Context(), f, bytes.NewReader(s.PNG))
	if err != nil {
		return "", err
	}
	return links.URL(wire.Base(r), f.Owner, "file", file.Name(f.ID), f.Name, time.Now().Add(good)), nil
}
