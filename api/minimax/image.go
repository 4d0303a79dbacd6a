package minimax

import (
	"encoding/json"
	"net/http"
	"strconv"

	"kuai/api/clip"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/video"
)

const (
	imageSide      = 1024 // of a square picture, as MiniMax has it
	maxImagePrompt = 1500 // characters
	maxImages      = 9
)

// imageRequest is a request for pictures.
type imageRequest struct {
	Model     string          `json:"model"`
	Prompt    string          `json:"prompt"`
	Aspect    string          `json:"aspect_ratio"`
	Width     wire.Number     `json:"width"`
	Height    wire.Number     `json:"height"`
	N         wire.Number     `json:"n"`
	Seed      wire.Number     `json:"seed"`
	Format    string          `json:"response_format"`
	Watermark bool            `json:"aigc_watermark"`
	Subject   json.RawMessage `json:"subject_reference"` // a list, an object, or a text
	Style     json.RawMessage `json:"style"`
}

func (q *imageRequest) order() (o clip.Order, n, side int, err error) {
	o = clip.Order{Request: video.Request{Prompt: q.Prompt, Seed: clip.RandomSeed("")}}
	switch {
	case q.Model != "" && q.Model != clip.Model && q.Model != "image-01" && q.Model != "image-01-live":
		err = fault.Param("model", "model is %.40q, pictures are made by %s", q.Model, clip.Model)
	case given(q.Subject):
		err = unsupported("subject_reference", "the image model begins with words alone, not with a picture")
	case given(q.Style):
		err = unsupported("style", "the image model has no styles")
	case q.Watermark:
		err = unsupported("aigc_watermark", "pictures get no watermark")
	case q.Format != "" && q.Format != "url" && q.Format != "base64":
		err = fault.Param("response_format", "response_format is %.40q, want url or base64", q.Format)
	default:
		err = checkPrompt(q.Prompt, maxImagePrompt)
	}
	if err == nil {
		n, err = q.N.Int("n", 1)
	}
	if err == nil && (n < 1 || n > maxImages) {
		err = fault.Param("n", "n is %d, want 1 to %d", n, maxImages)
	}
	if err == nil && q.Seed != "" {
		o.Seed, err = q.Seed.Uint("seed")
	}
	if err == nil {
		side, err = q.side()
	}
	return o, n, side, err
}

// side is the length that aspect_ratio, or width and height, ask for.
func (q *imageRequest) side() (int, error) {
	width, err := q.Width.Int("width", 0)
	if err != nil {
		return 0, err
	}
	height, err := q.Height.Int("height", 0)
	switch {
	case err != nil:
		return 0, err
	case width != 0 && width == height:
		return width, nil
	case width != 0 && height != 0:
		return 0, fault.Param("width", "%dx%d: pictures are square here", width, height)
	case q.Aspect != "" && q.Aspect != "1:1":
		return 0, fault.Param("aspect_ratio", "aspect_ratio is %.40q, want 1:1: pictures are square here", q.Aspect)
	}
	return imageSide, nil
}

// images makes pictures and waits for them.
func (h *handler) images(w http.ResponseWriter, r *http.Request) {
	var q imageRequest
	if err := wire.ReadJSON(w, r, wire.MaxChat, &q); err != nil {
		failed(w, r, err)
		return
	}
	o, n, side, err := q.order()
	if err != nil {
		failed(w, r, err)
		return
	}
	stills, err := h.Clips.Stills(r, w.Header(), h.work(r), o, n, side)
	if err != nil && len(stills) == 0 {
		failed(w, r, err)
		return
	}
	id := wire.ID(r.Context())
	data := object{"task_id": id, "success_count": len(stills), "failed_count": n - len(stills)} // mmx prints these
	var urls []string
	var base64 [][]byte
	for _, s := range stills {
		if q.Format == "base64" {
			base64 = append(base64, s.PNG)
			continue
		}
		url, err := openai.KeepStill(r, h.Files, h.Links, s, linkTime)
		if err != nil {
			failed(w, r, err)
			return
		}
		urls = append(urls, url)
	}
	if q.Format == "base64" {
		data["image_base64"] = base64
	} else {
		data["image_urls"] = urls
	}
	write(w, object{
		"id": id, "data": data,
		"metadata": object{"success_count": strconv.Itoa(len(stills)), "failed_count": strconv.Itoa(n - len(stills))},
	})
}
