package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kuai/api/clip"
	"kuai/platform/config"
	"kuai/platform/event"
	"kuai/platform/job"
	"kuai/platform/ledger"
	"kuai/platform/worker"
)

const (
	maxCA    = 1 << 20 // bytes of a file of certificates
	maxSlots = 64
)

type workerOptions struct {
	join, token, name, ca, model string
	slots                        int
	comfy                        []string
	idle                         bool
	watch                        watchOptions
}

func (a *app) workerCommand() *cobra.Command {
	var o workerOptions
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Make the jobs of a server elsewhere",
		Long: `Join a server with a worker's token and make its clips on this machine, until
Ctrl-C: jobs at work are then finished or handed back. The worker needs neither
the server's database nor its files. With --comfy it also makes those of models
that ComfyUI servers near it have.`,
		Example: `  kuai worker token rack-1 --database sqlite:///var/lib/kuai/kuai.db
  KUAI_WORKER_TOKEN=kuai-worker-... kuai worker --join https://kuai.example
  kuai worker --join https://kuai.example --no-render --comfy http://localhost:8188#wan=wan.json`,
		Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.wrong(o.check()); err != nil {
				return err
			}
			return a.work(cmd.Context(), o)
		},
	}
	o.flags(cmd.Flags())
	cmd.AddCommand(a.workerTokenCommand())
	return cmd
}

func (o *workerOptions) flags(f *pflag.FlagSet) {
	name, err := os.Hostname()
	if err != nil {
		name = "worker"
	}
	f.StringVar(&o.join, "join", "", "address of the server, such as https://kuai.example")
	f.StringVar(&o.token, "token", "", "token of a worker (environment: KUAI_WORKER_TOKEN, which others cannot read)")
	f.StringVar(&o.name, "name", name, "what people call this machine")
	f.StringVar(&o.ca, "ca", "", "file of certificates that the server's is signed by (default: the system's)")
	f.StringVar(&o.model, "model", "", "directory of a video model (default: the built-in one)")
	f.IntVar(&o.slots, "slots", 1, "jobs at once")
	f.StringArrayVar(&o.comfy, "comfy", nil, "ComfyUI servers that make clips with one model, as of kuai serve, which has to know the model too: --comfy '#wan=wan.json' without addresses; may be given again (their key: "+comfyKey+")")
	f.BoolVar(&o.idle, "no-render", false, "make no clips of the built-in model here")
	config.Secret(f, "token")
	o.watch.flags(f)
	config.Place(f, "worker")
}

// work joins a server and makes its jobs.
func (a *app) work(ctx context.Context, o workerOptions) error {
	log, spans, told, err := o.watch.open(ctx, "kuai-worker")
	if err != nil {
		return err
	}
	defer told()
	roots, err := roots(o.ca)
	if err != nil {
		return err
	}
	runners, done, err := o.runners(ctx)
	if err != nil {
		return err
	}
	defer done()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	for _, r := range runners {
		r.Dir, r.Tracer = filepath.Join(a.data, "work"), spans
		c, err := worker.JoinSoon(ctx, worker.Options{URL: o.join, Token: o.token, Roots: roots}, r.Worker, func(err error, wait time.Duration) {
			log.WarnContext(ctx, "the server cannot be joined yet", "error", err, "again_in", wait.Round(time.Millisecond).String())
		})
		if err != nil {
			stop(err)
			break
		}
		r.Desk, r.Worker.ID = c, c.ID()
		a.note("joined %s as %s, %d at once (Ctrl-C ends it)\n", o.join, c.ID(), r.Worker.Slots)
		parts.Go(func() {
			if err := r.Run(ctx); err != nil {
				stop(err)
			}
		})
	}
	parts.Wait()
	return context.Cause(ctx)
}

// runners are what makes jobs here: one with the built-in model, one that hands
// them to ComfyUI, whose servers are looked after until done is called.
func (o *workerOptions) runners(ctx context.Context) (all []*job.Runner, done func(), err error) {
	far, err := openFarms(o.comfy)
	if err != nil {
		return nil, nil, err
	}
	add := func(name string, slots int, runs map[string]job.Run) {
		w := job.Worker{Name: name, Slots: slots}
		for kind := range runs {
			w.Kinds = append(w.Kinds, kind)
		}
		all = append(all, &job.Runner{Worker: w, Runs: runs})
	}
	if !o.idle {
		m, err := openVideo(o.model)
		if err != nil {
			return nil, nil, err
		}
		add(o.name, o.slots, clip.Runs(m))
	}
	if far.slots > 0 {
		add(o.name+"-far", far.slots, far.runs)
	}
	return all, far.look(ctx), nil
}

// roots reads certificates; "" is the system's.
func roots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	if info.Size() > maxCA {
		return nil, fmt.Errorf("worker: %s has more than %d bytes", path, maxCA)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("worker: %s has no certificate", path)
	}
	return pool, nil
}

func (a *app) workerTokenCommand() *cobra.Command {
	var database *string
	var revoke bool
	cmd := &cobra.Command{
		Use:     "token NAME",
		Short:   "Make a token that workers join with, or revoke those of a name",
		Example: `  kuai worker token rack-1 --database sqlite:///var/lib/kuai/kuai.db`,
		Args:    exactArgs(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.openDatabase(cmd.Context(), *database, false)
			if err != nil {
				return err
			}
			defer func() { _ = d.Close() }()
			if _, err := ledger.New(cmd.Context(), d, ledger.Options{}); err != nil { // as kuai admin does
				return err
			}
			bus := event.Memory()
			defer func() { _ = bus.Close() }()
			q := job.New(job.Options{DB: d, Bus: bus})
			out := map[string]any{"name": args[0]}
			if revoke {
				n, err := q.RevokeToken(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				out["revoked"] = n
			} else if out["token"], err = q.NewToken(cmd.Context(), args[0]); err != nil {
				return err
			}
			switch {
			case a.json:
				return json.NewEncoder(a.Out).Encode(out)
			case revoke:
				fmt.Fprintf(a.Out, "%d revoked\n", out["revoked"])
			default:
				fmt.Fprintf(a.Out, "%s\n", out["token"])
			}
			return nil
		},
	}
	database = databaseFlag(cmd.Flags())
	cmd.Flags().BoolVar(&revoke, "revoke", false, "revoke the tokens of this name")
	return cmd
}
