package clip

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"kuai/fault"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/serve"
)

// Output is a file that a model of other servers made. It is delivered as it is.
type Output struct {
	Type    string // MIME
	Name    string
	Size    int64
	Content io.ReadSeekCloser
}

// serve sends it, or a range of it, and closes it.
func (o Output) serve(w http.ResponseWriter, r *http.Request, j serve.Job, err error) error {
	if err != nil {
		return Translate(err)
	}
	w.Header().Set("Content-Type", o.Type)
	w.Header().Set("Cache-Control", "private, max-age=86400, immutable")
	w.Header().Set("Etag", fmt.Sprintf("%q", j.ID+"-"+o.Name))
	if r.URL.Query().Get("download") != "" {
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", j.ID+path.Ext(o.Name)))
	}
	http.ServeContent(w, r, "", j.Finished, o.Content)
	return o.Content.Close()
}

// ContentLength is how many bytes a finished clip of an owner has.
func (rm *Room) ContentLength(ctx context.Context, owner, id string, want Rendition) (int64, error) {
	o, far, err := rm.Videos.Output(ctx, owner, id, want)
	if err != nil {
		return 0, Translate(err)
	}
	if far {
		return o.Size, o.Content.Close()
	}
	data, err := rm.Bytes(ctx, owner, id, want)
	return int64(len(data)), err
}

// fits says how well an output is what is wanted; 0 is not.
func fits(o job.Output, want Rendition) int {
	switch picture := strings.HasPrefix(o.Type, "image/"); {
	case want.Thumbnail && picture:
		return 1
	case want.Thumbnail:
		return 0
	case o.Type == want.Format.ContentType():
		return 3
	case want.Any && strings.HasPrefix(o.Type, "video/"):
		return 2
	case want.Any && picture: // that moves, in most workflows that save no video
		return 1
	}
	return 0
}

// Output finds what a model of other servers made; ok is false for the built-in one.
func (v *Jobs) Output(ctx context.Context, owner, id string, want Rendition) (out Output, ok bool, err error) {
	j, err := v.owned(ctx, owner, id)
	switch {
	case err != nil || !far(j):
		return out, false, err
	case j.State != job.Done:
		return out, true, serve.ErrNotReady
	}
	var found job.Output
	best := 0
	for _, o := range j.Result.Outputs {
		if n := fits(o, want); n > best {
			best, found = n, o
		}
	}
	if best == 0 {
		return out, true, &fault.Error{Code: fault.Unsupported, Param: "format", Message: "the clips of " + j.Model + " are not there in this form; leave the format out for the one that they have"}
	}
	fid, err := file.ParseID(found.File)
	if err != nil {
		return out, true, err
	}
	f, err := v.o.Files.Get(ctx, j.Org, fid)
	if err != nil {
		return out, true, err
	}
	content, err := v.o.Files.Open(ctx, f)
	if err != nil {
		return out, true, err
	}
	return Output{Type: found.Type, Name: found.Name, Size: found.Bytes, Content: content}, true, nil
}
