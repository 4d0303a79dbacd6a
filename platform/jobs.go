package platform

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"kuai/platform/blob"
	"kuai/platform/db"
	"kuai/platform/event"
	"kuai/platform/fetch"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/platform/ledger"
	"kuai/platform/price"
	"kuai/platform/webhook"
)

// cleanAfter is when what killed uploads left goes.
const cleanAfter = 24 * time.Hour

// JobsOptions say where jobs and files live and what makes them.
type JobsOptions struct {
	Dir   string // of this node: blobs, keys, jobs at work
	Blobs string // "" is Dir/blobs; a path, or s3://BUCKET/PREFIX?endpoint=HOST
	NATS  string // "" is a server in this process; else nats://...
	Base  string // of signed addresses: https://kuai.example/blobs; "" is /blobs

	Name  string             // of this node's worker
	Runs  map[string]job.Run // what this node makes; empty: workers elsewhere do
	Slots int                // jobs at once; 0 is 1
	// Far is what engines make that others run, so that this node only waits for
	// them; FarSlots is of how many at once.
	Far      map[string]job.Run
	FarSlots int
	Spans    trace.Tracer // of attempts; nil: none

	OutputTTL time.Duration // of what jobs made; 0 is for ever
	Retain    time.Duration // of jobs after their end; 0 is for ever
	Fetch     fetch.Options // where call-backs may go
	// Callback is the address and body that a job's requester wants to be told
	// its changes at; "" is none. nil: nobody.
	Callback func(j job.Job) (url string, body []byte)
	// Hook runs after the platform's own; nil is none.
	Hook job.Hook
}

// Jobs are the rooms of durable jobs. Close ends them.
type Jobs struct {
	Bus   event.Bus
	Files *file.Store
	Queue *job.Queue
	Hooks *webhook.Service
	Fetch *fetch.Client

	drain context.CancelFunc // begins the end of the runner
	stop  context.CancelFunc
	made  sync.WaitGroup // the runner
	work  sync.WaitGroup
}

// OpenJobs opens the rooms of durable jobs, and begins to make them. The money
// of a job whose meta has a "reservation" moves in the transaction that ends
// it.
func (p *Platform) OpenJobs(ctx context.Context, o JobsOptions) (*Jobs, error) {
	if err := os.MkdirAll(filepath.Join(o.Dir, "work"), 0o700); err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	key, err := p.Secret(ctx, "blobs", filepath.Join(o.Dir, "blobs.key"))
	if err != nil {
		return nil, err
	}
	signer := &blob.Signer{Base: cmp.Or(o.Base, "/blobs"), Keys: []blob.Key{{ID: "1", Secret: key}}, Now: p.now}
	blobs, err := openBlobs(ctx, o.Dir, o.Blobs, signer)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	j := &Jobs{Fetch: fetch.New(o.Fetch)}
	if o.NATS == "" {
		j.Bus, err = event.Embedded()
	} else {
		j.Bus, err = event.Connect(o.NATS)
	}
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	j.Files = file.New(file.Options{DB: p.DB, Blobs: blobs, Signer: signer, OutputTTL: o.OutputTTL, Now: p.now})
	j.Hooks = webhook.New(webhook.Options{DB: p.DB, Client: j.Fetch, Now: p.now})
	hooks := []job.Hook{Settlement(p.Ledger), j.Hooks.Hook(o.Callback)}
	if o.Hook != nil {
		hooks = append(hooks, o.Hook)
	}
	j.Queue = job.New(job.Options{DB: p.DB, Bus: j.Bus, Keep: j.Files, Hooks: hooks, Now: p.now})
	j.run(ctx, o)
	return j, nil
}

// run begins what runs in the background.
func (j *Jobs) run(ctx context.Context, o JobsOptions) {
	var run, drain context.Context
	run, j.stop = context.WithCancel(context.WithoutCancel(ctx))
	drain, j.drain = context.WithCancel(run)
	sweeper := job.NewSweeper(j.Queue, o.Retain, nil)
	for _, room := range []func(context.Context){sweeper.Run, j.Files.Run, j.Hooks.Run} {
		j.work.Go(func() { room(run) })
	}
	for _, part := range []struct {
		name  string
		runs  map[string]job.Run
		slots int
	}{{o.Name, o.Runs, o.Slots}, {o.Name + "-far", o.Far, o.FarSlots}} {
		if len(part.runs) == 0 {
			continue
		}
		r := &job.Runner{
			Desk: j.Queue, Worker: job.Worker{ID: db.NewID("worker"), Name: part.name, Slots: part.slots}, Runs: part.runs, Dir: filepath.Join(o.Dir, "work"), Tracer: o.Spans,
		}
		j.made.Go(func() { _ = r.Run(drain) }) // fails only before it begins, for a directory that OpenJobs made
	}
}

// Close lets jobs at work finish for some seconds, hands back the others, and
// ends the rooms. The database stays open.
func (j *Jobs) Close() error {
	j.drain()
	j.made.Wait()
	j.stop()
	j.work.Wait()
	return j.Bus.Close()
}

// OpenBlobs opens the bytes of a platform's files; the arguments are those of
// JobsOptions. It signs no addresses.
func OpenBlobs(ctx context.Context, dir, blobs string) (blob.Store, error) {
	if err := os.MkdirAll(filepath.Join(dir, "work"), 0o700); err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	return openBlobs(ctx, dir, blobs, nil)
}

func openBlobs(ctx context.Context, dir, blobs string, signer *blob.Signer) (blob.Store, error) {
	if strings.HasPrefix(blobs, "s3://") {
		s3, err := blob.ParseS3(blobs)
		if err != nil {
			return nil, err
		}
		s3.Signer, s3.Spool = signer, filepath.Join(dir, "work")
		return blob.NewS3(ctx, s3)
	}
	d, err := blob.NewDir(cmp.Or(blobs, filepath.Join(dir, "blobs")), signer)
	if err != nil {
		return nil, err
	}
	return d, d.Clean(cleanAfter)
}

// Settlement is the hook that moves a job's money, exactly once: it is charged
// for what a job that is done used, and given back for all others.
func Settlement(l *ledger.Ledger) job.Hook {
	return func(ctx context.Context, tx *db.Tx, j job.Job, do []job.Action) error {
		held := reservationOf(j.Meta)
		if held == "" {
			return nil
		}
		for _, a := range do {
			var err error
			switch a {
			case job.Settle:
				used := price.Usage{"requests": 1}
				for d, n := range j.Result.Usage {
					used[price.Dimension(d)] = n
				}
				_, err = l.Settle(ctx, tx, held, used)
			case job.Refund:
				_, err = l.Release(ctx, tx, held, string(j.State))
			case job.Wake, job.Stop, job.Bury:
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}
