// Package clip is what all dialects make of a request for a moving or still
// picture: an order, a job, its content in the format that is asked for. A
// still is a clip of one frame.
//
//	Room.Create: the order -> the gate -> Videos.Submit -> a job to be polled
//	Room.Stills: the same, waited for
package clip

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/media"
	"kuai/platform/job"
	"kuai/platform/render"
	"kuai/serve"
	"kuai/video"
)

const (
	// Model is the name of the model that makes clips and stills.
	Model = "kuai-video"
	// Scale is how much larger a clip is delivered than the model makes it: small
	// frames look blocky in players.
	Scale = 4

	maxScale      = 16
	maxStills     = 9
	seedBits      = 53 // of seeds that JavaScript holds exactly
	settleTimeout = 10 * time.Second
)

// Tags of a job.
const (
	tagOwner = "owner"
	tagRemix = "remix_of"
	tagKind  = "kind"
	tagBegin = "begins_with"
	still    = "still"
)

// Order is a clip that is wanted.
type Order struct {
	video.Request
	Model string // see Room.Choose; "" is the built-in one
	Remix string // the clip whose seed it shares
	Still bool   // one frame, not listed among the clips
	// Picture is what the clip begins with, as Room.Begin makes it; nil is none.
	Picture []byte
	// Callback is the address that is told what becomes of the job, in MiniMax's
	// form; "" is none. Room.Challenge has to have agreed to it.
	Callback string
	// IdempotencyKey names the request: the job of one that was accepted under it
	// is that of all; "" is none.
	IdempotencyKey string

	urgency gate.Urgency
}

// Videos makes clips and keeps them. What belongs to another owner is not
// found. Errors are *fault.Error or Kuai's own.
type Videos interface {
	// Shape says which clips are made; false where nobody knows.
	Shape() (serve.Shaped, bool)
	// Forms say which clips models of other servers make.
	Forms() []render.Form
	// Submit begins a job, and ends the ticket when the job has ended: charged
	// for what was made, released if nothing was. If it fails, the ticket is the
	// caller's.
	Submit(ctx context.Context, t gate.Ticket, o Order) (serve.Job, error)
	Get(ctx context.Context, owner, id string) (serve.Job, error)
	// Follow tells how a job is, at once and whenever that has changed, until it
	// has ended. The error, if any, comes last.
	Follow(ctx context.Context, owner, id string) iter.Seq2[Seen, error]
	List(ctx context.Context, owner string) ([]serve.Job, error) // the newest first, without stills
	Cancel(ctx context.Context, owner, id string) (serve.Job, error)
	Delete(ctx context.Context, owner, id string) error
	Clip(ctx context.Context, owner, id string) (serve.Job, *media.Clip, error)
	// Output finds, of what a model of other servers made, the file that is wanted,
	// and opens it; ok is false for a clip of the built-in model.
	Output(ctx context.Context, owner, id string, want Rendition) (out Output, ok bool, err error)
	// Preview shows what a job is going to be while it is made; false where there
	// is nothing to show at the moment.
	Preview(ctx context.Context, owner, id string) (job.Preview, bool, error)
}

// Seen is a job as one who follows it sees it.
type Seen struct {
	serve.Job
	Preview *job.Preview // what it is going to be; nil: as before
}

// Remixed returns the clip that a job is a remix of; "" is none.
func Remixed(j serve.Job) string { return j.Tags[tagRemix] }

// RandomSeed is drawn where a request has none, and told in the answer. Asked
// again under its idempotency key, the request is the same: so is its seed.
func RandomSeed(idempotencyKey string) uint64 {
	if idempotencyKey == "" {
		return rand.Uint64() >> (64 - seedBits)
	}
	sum := sha256.Sum256([]byte(idempotencyKey))
	return binary.BigEndian.Uint64(sum[:]) >> (64 - seedBits)
}

// Room is where dialects order.
type Room struct {
	Videos Videos
	Gate   gate.Gate
	// Challenge asks an address whether it wants to be called back; its errors
	// are the client's. nil: nobody is called back.
	Challenge func(ctx context.Context, address string) error
	// Fetch gets a picture that a client has somewhere, at most limit bytes; its
	// errors are the client's. nil: pictures come with the request.
	Fetch func(ctx context.Context, address string, limit int64) (data []byte, kind string, err error)

	encoded cache
}

// Create admits an order and begins its job.
func (rm *Room) Create(r *http.Request, h http.Header, w gate.Work, o Order) (serve.Job, error) {
	w.Scope, w.Model, w.Estimate = gate.ScopeVideos, cmp.Or(o.Model, Model), rm.estimate(&o)
	if o.Still {
		w.Scope = gate.ScopeImages
	} else { // a still is its answer's alone
		w.Durable, o.IdempotencyKey = true, w.IdempotencyKey
	}
	t, err := rm.Gate.Admit(r.Context(), r, w)
	if err != nil {
		return serve.Job{}, err
	}
	t.Header(h)
	var j serve.Job
	if o.urgency, err = gate.ReadUrgency(r, t.Principal(), gate.Normal); err == nil {
		j, err = rm.Videos.Submit(r.Context(), t, o)
	}
	if err != nil {
		ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), settleTimeout)
		defer stop()
		if d, ok := t.(Detacher); ok && fault.From(err).Code == fault.Overloaded {
			d.Detach() // nobody knows whether it was accepted: its money waits for its job, or for its time to be over
		}
		return j, errors.Join(Translate(err), t.Release(ctx, "the order was refused"))
	}
	return j, nil
}

// Call has an order's end told to an address of the client's, "" for none.
func (rm *Room) Call(ctx context.Context, o *Order, address string) error {
	if address == "" {
		return nil
	}
	if rm.Challenge == nil {
		return &fault.Error{Code: fault.Unsupported, Param: "callback_url", Message: "this server calls nobody back; poll instead"}
	}
	o.Callback = address
	return rm.Challenge(ctx, address)
}

func (rm *Room) estimate(o *Order) gate.Usage {
	if o.Still {
		return gate.Usage{gate.Images: 1, gate.Requests: 1}
	}
	frames, fps := o.Frames, 1
	if most, rate, ok := rm.pace(o); ok {
		frames, fps = cmp.Or(frames, most), rate
	}
	return gate.Usage{gate.VideoMilliseconds: int64(frames) * 1000 / int64(fps), gate.Requests: 1}
}

// Used is what a job that has ended used; false if it made nothing.
func Used(j serve.Job) (gate.Usage, bool) {
	switch {
	case j.Status != serve.Completed:
		return nil, false
	case j.Tags[tagKind] == still:
		return gate.Usage{gate.Images: 1, gate.Requests: 1}, true
	}
	return gate.Usage{gate.VideoMilliseconds: int64(j.Frames) * 1000 / int64(max(j.FPS, 1)), gate.Requests: 1}, true
}

// Length takes a number of seconds as the model has it.
func (rm *Room) Length(o *Order, field, seconds string) error {
	most, fps, ok := rm.pace(o)
	if seconds == "" || !ok {
		return nil
	}
	n, err := strconv.ParseFloat(seconds, 64)
	longest := float64(most) / float64(fps)
	switch {
	case err != nil || !(n > 0):
		return fault.Param(field, "%s is %.40q, want a number above 0", field, seconds)
	case n > longest:
		return fault.Param(field, "%s is %.40q, want at most %.2f", field, seconds, longest)
	}
	if f, far := rm.form(o); far {
		if o.Frames = f.FramesOf(n); o.Frames != f.Frames && !slices.Contains(f.Takes, "frames") {
			return fault.Param(field, "%s is %.40q, but clips of this model have always %.2f", field, seconds, longest)
		}
		return nil
	}
	o.Frames = min(1+int(n*float64(fps)+0.5)/video.TimeStride*video.TimeStride, most)
	return nil
}

// Translate makes the jobs' and the model's errors the client's.
func Translate(err error) error {
	var limit *video.LimitError
	switch {
	case errors.Is(err, serve.ErrNotFound):
		return fault.New(fault.NotFound, "there is no video with this id")
	case errors.Is(err, serve.ErrNotReady):
		return fault.New(fault.Conflict, "the video is not finished; poll until its status is completed")
	case errors.Is(err, video.ErrEmptyPrompt), errors.Is(err, video.ErrLongPrompt), errors.Is(err, video.ErrUnknown):
		return fault.Param("prompt", "%s", strings.TrimPrefix(err.Error(), "video: "))
	case errors.As(err, &limit):
		return fault.Param(limit.Field, "%s", strings.TrimPrefix(err.Error(), "video: "))
	}
	return err
}
