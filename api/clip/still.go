package clip

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/media"
	"kuai/serve"
)

// Still is a picture.
type Still struct {
	Owner string
	PNG   []byte
	Seed  uint64
}

// Stills makes n pictures of a side's length, 0 for what clips have, and waits
// for them. They are made with the order's seed and those after it. If the
// client goes, the work stops. Where some fail and others do not, the error
// comes with those that there are.
func (rm *Room) Stills(r *http.Request, h http.Header, w gate.Work, o Order, n, side int) ([]Still, error) {
	scale := Scale
	if s, ok := rm.Videos.Shape(); ok && side != 0 {
		if scale = side / s.Size(); side%s.Size() != 0 || scale < 1 || scale > maxScale {
			return nil, fault.Param("size", "a side of %d is no multiple of %d up to %d", side, s.Size(), s.Size()*maxScale)
		}
	}
	if n < 1 || n > maxStills {
		return nil, fault.Param("n", "n is %d, want 1 to %d", n, maxStills)
	}
	var out []Still
	o.Still = true
	key := w.IdempotencyKey
	for i := range n {
		if key != "" && i > 0 {
			w.IdempotencyKey = key + "/" + strconv.Itoa(i) // each is paid
		}
		s, err := rm.still(r, h, w, o, scale)
		if err != nil {
			return out, err
		}
		out = append(out, s)
		o.Seed++
	}
	return out, nil
}

func (rm *Room) still(r *http.Request, h http.Header, w gate.Work, o Order, scale int) (Still, error) {
	j, err := rm.Create(r, h, w, o)
	if err != nil {
		return Still{}, err
	}
	owner := j.Tags[tagOwner]
	defer func() { // a still is the answer's alone
		_ = rm.Videos.Delete(context.WithoutCancel(r.Context()), owner, j.ID)
	}()
	for now, err := range rm.Videos.Follow(r.Context(), owner, j.ID) {
		if err != nil {
			return Still{}, Translate(err)
		}
		switch now.Status {
		case serve.Completed:
			_, c, err := rm.Videos.Clip(r.Context(), owner, j.ID)
			if err != nil {
				return Still{}, Translate(err)
			}
			var buf bytes.Buffer
			if err := media.Encode(&buf, media.PNG, c, media.Options{Scale: scale}); err != nil {
				return Still{}, err
			}
			return Still{owner, buf.Bytes(), now.Request.Seed}, nil
		case serve.Failed:
			return Still{}, errors.New(now.Error)
		case serve.Cancelled:
			return Still{}, fault.New(fault.Cancelled, "the picture was cancelled")
		}
	}
	return Still{}, errors.New("clip: a picture without an end")
}

// SquareSide reads a size such as 256x256; "" and auto are 0, the usual one.
// The model's pictures are square.
func SquareSide(field, size string) (int, error) {
	if size == "" || size == "auto" {
		return 0, nil
	}
	for i, c := range size {
		if c != 'x' {
			continue
		}
		side, err := strconv.Atoi(size[:i])
		if err != nil || side < 1 || size[i+1:] != size[:i] {
			break
		}
		return side, nil
	}
	return 0, fault.Param(field, "%s is %.40q, want auto or a square such as 256x256: pictures are square here", field, size)
}
