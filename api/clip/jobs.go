package clip

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/propagation"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/media"
	"kuai/platform/db"
	"kuai/platform/event"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/platform/render"
	"kuai/platform/webhook"
	"kuai/serve"
	"kuai/video"
)

const (
	// tagReservation is where the platform's hook finds what was set aside.
	tagReservation = "reservation"
	// tagCallback is where Callback finds whom to call.
	tagCallback = "callback_url"
	// KindStill is the kind of jobs that make stills; clips have render.Kind.
	KindStill = "image"
	maxListed = 1000 // clips
	listPage  = 100
)

// Detacher is a ticket whose money a durable job takes over: the job keeps the
// name of the reservation, and the queue's hook ends it in the transaction in
// which the job ends. What is left of the ticket, such as limits, is ended by
// the process that took it, if that lives so long.
type Detacher interface {
	gate.Ticket
	// Reservation names what was set aside; "" is nothing.
	Reservation() string
	// Detach says that the reservation is another's from now on.
	Detach()
}

// JobsOptions are what Jobs stands on.
type JobsOptions struct {
	Queue *job.Queue
	Files *file.Store
	Shape serve.Shaped              // nil: nobody knows
	Check func(video.Request) error // what is wrong with a request
	Forms []render.Form             // of the models of other servers
}

// Jobs is Videos over durable jobs: any node answers for any of them.
type Jobs struct {
	o     JobsOptions
	ends  *job.Ends
	close chan struct{} // closed by Close

	settled sync.Map // id -> chan struct{}, closed when the job's ticket has ended
}

// NewJobs returns one, that works until Close.
func NewJobs(ctx context.Context, o JobsOptions) *Jobs {
	return &Jobs{o: o, ends: job.NewEnds(ctx, o.Queue), close: make(chan struct{})}
}

// Close ends what runs in the background.
func (v *Jobs) Close() {
	close(v.close)
	v.ends.Close()
}

// Shape says which clips are made.
func (v *Jobs) Shape() (serve.Shaped, bool) { return v.o.Shape, v.o.Shape != nil }

// Forms say which clips models of other servers make.
func (v *Jobs) Forms() []render.Form { return v.o.Forms }

// kind is what jobs of an order are, and what says what is wrong with it.
func (v *Jobs) kind(o Order) (kind string, check func(video.Request) error) {
	if o.Still {
		return KindStill, v.o.Check
	}
	for _, f := range v.o.Forms {
		if f.Name == o.Model {
			return f.Kind(), f.CheckRequest
		}
	}
	return render.Kind, v.o.Check
}

// priorities of jobs; between them is room for others.
var priorities = map[gate.Urgency]int{gate.Batch: -50, gate.Normal: 0, gate.Urgent: 50}

// Submit queues an order.
func (v *Jobs) Submit(ctx context.Context, t gate.Ticket, o Order) (serve.Job, error) {
	p := t.Principal()
	tags := map[string]string{tagOwner: p.Owner()}
	kind, check := v.kind(o)
	if o.Remix != "" {
		tags[tagRemix] = o.Remix
	}
	if o.Callback != "" {
		tags[tagCallback] = o.Callback
	}
	if o.Still {
		tags[tagKind] = still
		o.Frames = 1
	}
	if check != nil {
		if err := check(o.Request); err != nil {
			return serve.Job{}, err
		}
	}
	if o.Picture != nil {
		tags[tagBegin] = picture
	}
	body, err := json.Marshal(render.Order{Request: o.Request, Picture: o.Picture})
	if err != nil {
		return serve.Job{}, fmt.Errorf("clip: %w", err)
	}
	held, isHeld := t.(Detacher)
	if isHeld {
		tags[tagReservation] = held.Reservation()
	}
	propagation.TraceContext{}.Inject(ctx, propagation.MapCarrier(tags)) // the runner goes on with the trace
	meta, err := json.Marshal(tags)
	if err != nil {
		return serve.Job{}, fmt.Errorf("clip: %w", err)
	}
	j, existed, err := v.o.Queue.Submit(ctx, job.Request{
		Org: p.Org, Project: p.Project, User: p.User, Key: p.Key, Kind: kind, Model: cmp.Or(o.Model, Model), Body: body, Meta: meta,
		Priority: priorities[o.urgency], IdempotencyKey: o.IdempotencyKey,
	}, nil)
	if err != nil {
		return serve.Job{}, err
	}
	if existed { // its money is set aside, or has moved
		if err := t.Release(ctx, "the request was accepted before"); err != nil {
			return serve.Job{}, err
		}
		return jobOf(j)
	}
	if isHeld {
		held.Detach()
	}
	done, id := make(chan struct{}), j.ID // the job itself is not kept
	v.settled.Store(id, done)
	v.ends.Wait(id, func(ctx context.Context) {
		defer func() { close(done); v.settled.Delete(id) }()
		v.settle(ctx, t, id)
	})
	return jobOf(j)
}

// settle ends the ticket of a job that has ended.
func (v *Jobs) settle(ctx context.Context, t gate.Ticket, id string) {
	ctx, stop := context.WithTimeout(ctx, settleTimeout)
	defer stop()
	last := serve.Job{Status: serve.Cancelled} // unless it is there at its end
	if j, err := v.o.Queue.Get(ctx, "", id); err == nil {
		if s, err := jobOf(j); err == nil {
			last = s
		}
	}
	var err error
	if used, made := Used(last); made {
		err = t.Settle(ctx, used)
	} else {
		err = t.Release(ctx, string(last.Status))
	}
	if err != nil {
		slog.ErrorContext(ctx, "a job could not be settled", "id", id, "error", err)
	}
}

var statuses = map[job.State]serve.Status{
	job.Queued: serve.Queued, job.Running: serve.Running, job.Finalising: serve.Running, job.Done: serve.Completed,
	job.Failed: serve.Failed, job.Cancelled: serve.Cancelled, job.Expired: serve.Failed,
}

// jobOf is a durable job as the dialects know jobs.
func jobOf(j job.Job) (serve.Job, error) {
	o, info, err := render.Of(j)
	if err != nil {
		return serve.Job{}, err
	}
	scale := Scale
	if far(j) {
		scale = 1
	}
	out := serve.Job{
		ID: j.ID, Model: j.Model, Request: o.Request, Status: statuses[j.State], Progress: j.Progress.Fraction, Stage: j.Progress.Stage,
		Step: j.Progress.Step, Steps: j.Progress.Steps, Created: j.Created, Finished: j.Ended,
		Width: info.Width * scale, Height: info.Height * scale, FPS: info.FPS, Frames: info.Frames,
		Understood: info.Understood, Unknown: info.Unknown, Seconds: info.Seconds,
	}
	if j.State == job.Done {
		out.Request.Seed, out.Request.Steps = info.Seed, info.Steps
	}
	if err := json.Unmarshal(j.Meta, &out.Tags); err != nil {
		return out, fmt.Errorf("clip: %s: %w", j.ID, err)
	}
	switch {
	case j.State == job.Expired:
		out.Error = "it waited too long"
	case j.State == job.Failed && j.Error != nil:
		out.Error = j.Error.Message
	}
	return out, nil
}

// far says whether a job was one of a model of other servers.
func far(j job.Job) bool { return render.IsClip(j.Kind) && j.Kind != render.Kind }

// owned returns a job of the owner.
func (v *Jobs) owned(ctx context.Context, owner, id string) (job.Job, error) {
	j, err := v.o.Queue.Get(ctx, "", id)
	if err == nil && (j.Project != owner || !render.IsClip(j.Kind) && j.Kind != KindStill) || err != nil && fault.From(err).Code == fault.NotFound {
		return job.Job{}, serve.ErrNotFound
	}
	return j, err
}

// Get returns a job of the owner.
func (v *Jobs) Get(ctx context.Context, owner, id string) (serve.Job, error) {
	j, err := v.owned(ctx, owner, id)
	if err != nil {
		return serve.Job{}, err
	}
	e, err := v.o.Queue.Estimate(ctx, j)
	if err != nil {
		return serve.Job{}, err
	}
	return estimated(j, e)
}

// estimated is a job with its place in the queue and the time until its end.
func estimated(j job.Job, e job.Estimate) (serve.Job, error) {
	out, err := jobOf(j)
	out.Position, out.Left = e.Position, e.Left
	return out, err
}

// Follow tells how a job of the owner is, until it has ended.
func (v *Jobs) Follow(ctx context.Context, owner, id string) iter.Seq2[Seen, error] {
	return func(yield func(Seen, error) bool) {
		first, ok, err := v.Preview(ctx, owner, id)
		if err != nil {
			yield(Seen{}, err)
			return
		}
		for now, err := range v.o.Queue.Follow(ctx, id) {
			var s Seen
			if err == nil {
				s.Job, err = estimated(now.Job, now.Estimate)
			}
			if s.Preview = now.Preview; ok && s.Preview == nil {
				s.Preview = &first
			}
			ok = false
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// Preview returns the latest picture of what a job is going to be; false where
// there is none.
func (v *Jobs) Preview(ctx context.Context, owner, id string) (job.Preview, bool, error) {
	if _, err := v.owned(ctx, owner, id); err != nil {
		return job.Preview{}, false, err
	}
	return v.o.Queue.LastPreview(ctx, id)
}

// List returns the owner's clips.
func (v *Jobs) List(ctx context.Context, owner string) ([]serve.Job, error) {
	var out []serve.Job
	after := ""
	for len(out) < maxListed {
		page, more, err := v.o.Queue.List(ctx, job.Filter{Project: owner, After: after, Limit: listPage})
		if err != nil {
			return nil, err
		}
		for _, j := range page {
			after = j.ID
			if !render.IsClip(j.Kind) {
				continue
			}
			s, err := jobOf(j)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		if !more {
			break
		}
	}
	return out, nil
}

// Cancel stops a job.
func (v *Jobs) Cancel(ctx context.Context, owner, id string) (serve.Job, error) {
	j, err := v.owned(ctx, owner, id)
	if err == nil {
		j, err = v.o.Queue.Cancel(ctx, j.Org, id)
	}
	if err != nil {
		return serve.Job{}, err
	}
	return jobOf(j)
}

// Delete removes a job and its files, and cancels it first where needed. What
// has been made is paid for first.
func (v *Jobs) Delete(ctx context.Context, owner, id string) error {
	j, err := v.owned(ctx, owner, id)
	if err == nil && !j.State.Final() {
		_, err = v.o.Queue.Cancel(ctx, j.Org, id)
	}
	if err != nil {
		return err
	}
	if done, ok := v.settled.Load(id); ok {
		select {
		case <-done.(chan struct{}):
		case <-v.close:
			return event.ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return v.o.Queue.Delete(ctx, j.Org, id, func(tx *db.Tx, j job.Job) error { return v.o.Files.DeleteOf(ctx, tx, j.ID) })
}

// Clip returns what a job made.
func (v *Jobs) Clip(ctx context.Context, owner, id string) (serve.Job, *media.Clip, error) {
	j, err := v.owned(ctx, owner, id)
	if err != nil {
		return serve.Job{}, nil, err
	}
	out, err := jobOf(j)
	switch {
	case err != nil:
		return out, nil, err
	case out.Status != serve.Completed:
		return out, nil, serve.ErrNotReady
	}
	c, _, err := render.Frames(ctx, v.o.Files, j)
	return out, c, err
}

// Callback is whom a job's requester wants to be called, and with what: what
// MiniMax's query of the task says. It is given to the platform's webhooks.
func Callback(j job.Job) (address string, body []byte) {
	s, err := jobOf(j)
	if err != nil || s.Tags[tagCallback] == "" {
		return "", nil
	}
	body, err = json.Marshal(webhook.MiniMaxOf(j.ID, j, j.ID, s.Width, s.Height, 0))
	if err != nil {
		return "", nil
	}
	return s.Tags[tagCallback], body
}

// Runs are what makes the jobs of clips and stills with a model.
func Runs(gen serve.Generator) map[string]job.Run {
	run := render.Video(gen)
	return map[string]job.Run{render.Kind: run, KindStill: run}
}
