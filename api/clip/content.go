package clip

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"kuai/fault"
	"kuai/media"
)

// Rendition says in which form a clip is wanted.
type Rendition struct {
	Format    media.Format
	Scale     int
	Thumbnail bool // one frame from the middle, where every motion is under way
	Any       bool // or in whatever form the clip is there
}

// ParseRendition reads variant (video or thumbnail), format and scale.
func ParseRendition(r *http.Request) (Rendition, error) {
	q := r.URL.Query()
	out := Rendition{Format: media.WebM, Scale: Scale, Any: q.Get("format") == "" || q.Get("any") == "true"}
	switch v := q.Get("variant"); v {
	case "", "video":
	case "thumbnail":
		out.Thumbnail, out.Format = true, media.WebP
	default:
		return out, fault.Param("variant", "variant is %.40q, want video or thumbnail", v)
	}
	if f := q.Get("format"); f != "" {
		var err error
		if out.Format, err = media.FormatOf("clip." + f); err != nil {
			return out, fault.Param("format", "format is %.40q, want webm, mp4, webp, gif, png or zip", f)
		}
	}
	if s := q.Get("scale"); s != "" {
		var err error
		if out.Scale, err = strconv.Atoi(s); err != nil || out.Scale < 1 || out.Scale > maxScale {
			return out, fault.Param("scale", "scale is %.40q, want 1 to %d", s, maxScale)
		}
	}
	return out, nil
}

// Serve sends a finished clip of an owner, or a range of it.
func (rm *Room) Serve(w http.ResponseWriter, r *http.Request, owner, id string, want Rendition) error {
	j, err := rm.Videos.Get(r.Context(), owner, id)
	if err != nil {
		return Translate(err)
	}
	if o, far, err := rm.Videos.Output(r.Context(), owner, id, want); far || err != nil {
		return o.serve(w, r, j, err)
	}
	data, err := rm.Bytes(r.Context(), owner, id, want)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", want.Format.ContentType())
	if w.Header().Get("Cache-Control") == "" { // else the caller knows how long it may be seen
		w.Header().Set("Cache-Control", "private, max-age=86400, immutable")
	}
	w.Header().Set("Etag", strconv.Quote(want.tag(id)))
	if r.URL.Query().Get("download") != "" {
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", id+"."+string(want.Format)))
	}
	http.ServeContent(w, r, "", j.Finished, bytes.NewReader(data))
	return nil
}

func (want Rendition) tag(id string) string {
	return fmt.Sprintf("%s-%s-%d-%t", id, want.Format, want.Scale, want.Thumbnail)
}

// Bytes encodes a finished clip of an owner, of the built-in model.
func (rm *Room) Bytes(ctx context.Context, owner, id string, want Rendition) ([]byte, error) {
	data, err := rm.encoded.get(owner+" "+want.tag(id), func() ([]byte, error) {
		_, c, err := rm.Videos.Clip(ctx, owner, id)
		if err != nil {
			return nil, err
		}
		if want.Thumbnail {
			mid := len(c.Frames) / 2
			c.Frames = c.Frames[mid : mid+1]
		}
		var buf bytes.Buffer
		if err := media.Encode(&buf, want.Format, c, media.Options{Scale: want.Scale}); err != nil {
			return nil, err
		}
		return buf.Bytes(), nil
	})
	if err != nil {
		return nil, Translate(err)
	}
	return data, nil
}
