package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
	watch                        watchOptions
}

func (a *app) workerCommand() *cobra.Command {
	var o workerOptions
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Make the jobs of a server elsewhere",
		Long: `Join a server with a worker's token and make its clips on this machine, until
Ctrl-C: jobs at work are then finished or handed back. The worker needs neither
the server's database nor its files.`,
		Example: `  kuai worker token rack-1 --database sqlite:///var/lib/kuai/kuai.db
  KUAI_WORKER_TOKEN=kuai-worker-... kuai worker --join https://kuai.example`,
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
	m, err := openVideo(o.model)
	if err != nil {
		return err
	}
	r := &job.Runner{
		Worker: job.Worker{Name: o.name, Slots: o.slots}, Runs: clip.Runs(m), Dir: filepath.Join(a.data, "work"), Tracer: spans,
	}
	for kind := range r.Runs {
		r.Worker.Kinds = append(r.Worker.Kinds, kind)
	}
	c, err := worker.JoinSoon(ctx, worker.Options{URL: o.join, Token: o.token, Roots: roots}, r.Worker, func(err error, wait time.Duration) {
		log.WarnContext(ctx, "the server cannot be joined yet", "error", err, "again_in", wait.Round(time.Millisecond).String())
	})
	if err != nil {
		return err
	}
	r.Desk, r.Worker.ID = c, c.ID()
	a.note("joined %s as %s, %d at once (Ctrl-C ends it)\n", o.join, c.ID(), o.slots)
	if err := r.Run(ctx); err != nil {
		return err
	}
	return context.Cause(ctx)
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
