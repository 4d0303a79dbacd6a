package clip

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"kuai/fault"
	"kuai/platform/render"
	"kuai/serve"
)

// Reference is a picture as a client gives it; empty is none.
type Reference struct {
	Data    []byte
	Address string // https:// or data:
}

func (r Reference) given() bool { return len(r.Data) > 0 || r.Address != "" }

// picture is the value of tagBegin.
const picture = "picture"

// Pictured says whether a clip begins with a picture.
func Pictured(j serve.Job) bool { return j.Tags[tagBegin] == picture }

// Begin gives an order, whose model is chosen, the picture that its clip begins
// with. It refuses one that the model cannot take, and none where it needs one;
// field is what the dialect calls it.
func (rm *Room) Begin(ctx context.Context, o *Order, field string, in Reference) error {
	f, far := rm.form(o)
	switch needs := far && f.Picture; {
	case !needs && !in.given():
		return nil
	case !needs:
		return &fault.Error{Code: fault.Unsupported, Param: field, Message: "the video model begins with words alone, not with a picture"}
	case !in.given():
		return fault.Param(field, "clips of the model %s begin with a picture, and there is none", f.Name)
	}
	data, err := rm.bytes(ctx, field, in)
	if err != nil {
		return err
	}
	if o.Picture, err = render.Picture(data, f.Width, f.Height); errors.Is(err, render.ErrPicture) {
		err = fault.Param(field, "%s", strings.TrimPrefix(err.Error(), "render: "))
	}
	return err
}

// bytes are those of a reference.
func (rm *Room) bytes(ctx context.Context, field string, in Reference) (data []byte, err error) {
	data = in.Data
	switch at, inline := strings.CutPrefix(in.Address, "data:"); {
	case in.Address == "":
	case inline:
		if data, err = inlined(at); err != nil {
			return nil, fault.Param(field, "%v", err)
		}
	case rm.Fetch == nil:
		return nil, &fault.Error{Code: fault.Unsupported, Param: field, Message: "this server fetches no pictures; send it as data:image/png;base64,..."}
	default:
		if data, _, err = rm.Fetch(ctx, in.Address, render.MaxPicture); err != nil {
			return nil, named(err, field)
		}
	}
	if len(data) > render.MaxPicture {
		return nil, fault.Param(field, "a picture has at most %d bytes", render.MaxPicture)
	}
	return data, nil
}

var errInline = errors.New("want data:image/png;base64, and the picture")

// inlined reads what follows data: in an address.
func inlined(s string) ([]byte, error) {
	kind, data, ok := strings.Cut(s, ",")
	switch {
	case !ok:
		return nil, errInline
	case strings.HasSuffix(kind, ";base64"):
		out, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, errInline
		}
		return out, nil
	}
	text, err := url.PathUnescape(data)
	if err != nil {
		return nil, errInline
	}
	return []byte(text), nil
}

// named is a client's error with the field that it is about.
func named(err error, field string) error {
	if f := fault.From(err); f.Code != fault.Internal && f.Param == "" {
		g := *f
		g.Param = field
		return &g
	}
	return err
}
