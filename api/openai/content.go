package openai

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"

	"kuai/media"
)

// rendition says what a request for content wants.
type rendition struct {
	format    media.Format
	scale     int
	thumbnail bool // one frame from the middle, where every motion is under way
}

// parseRendition reads variant (video or thumbnail), format and scale.
func parseRendition(r *http.Request) (rendition, error) {
	out := rendition{format: media.WebM, scale: scale}
	switch v := r.FormValue("variant"); v {
	case "", "video":
	case "thumbnail":
		out.thumbnail, out.format = true, media.WebP
	default:
		return out, invalid("variant", "variant is %q, want video or thumbnail", v)
	}
	if f := r.FormValue("format"); f != "" {
		var err error
		if out.format, err = media.FormatOf("clip." + f); err != nil {
			return out, invalid("format", "format is %q, want webm, mp4, webp, gif, png or zip", f)
		}
	}
	if s := r.FormValue("scale"); s != "" {
		var err error
		if out.scale, err = strconv.Atoi(s); err != nil || out.scale < 1 || out.scale > maxScale {
			return out, invalid("scale", "scale is %q, want 1 to %d", s, maxScale)
		}
	}
	return out, nil
}

// content sends a finished clip, or a range of it, in the format asked for.
func (h *handler) content(w http.ResponseWriter, r *http.Request) {
	want, err := parseRendition(r)
	if err != nil {
		failed(w, err)
		return
	}
	id := r.PathValue("id")
	j, _, err := h.q.Get(id)
	if err != nil {
		failed(w, err)
		return
	}
	tag := fmt.Sprintf("%s-%s-%d-%t", id, want.format, want.scale, want.thumbnail)
	data, err := h.encoded.get(tag, func() ([]byte, error) { return h.encode(id, want) })
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("Content-Type", want.format.ContentType())
	w.Header().Set("Cache-Control", "private, max-age=86400, immutable")
	w.Header().Set("Etag", strconv.Quote(tag))
	if r.FormValue("download") != "" {
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", id+"."+string(want.format)))
	}
	http.ServeContent(w, r, "", j.Finished, bytes.NewReader(data))
}

func (h *handler) encode(id string, want rendition) ([]byte, error) {
	_, clip, err := h.q.Clip(id)
	if err != nil {
		return nil, err
	}
	if want.thumbnail {
		mid := len(clip.Frames) / 2
		clip.Frames = clip.Frames[mid : mid+1]
	}
	var buf bytes.Buffer
	if err := media.Encode(&buf, want.format, clip, media.Options{Scale: want.scale}); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
