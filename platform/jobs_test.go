package platform_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kuai/fault"
	"kuai/platform"
	"kuai/platform/db"
	"kuai/platform/file"
	"kuai/platform/job"
	"kuai/platform/ledger"
	"kuai/platform/price"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestJobs opens the rooms, pays for one job, refunds another, and audits.
func TestJobs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p, err := platform.Open(ctx, platform.Options{Database: filepath.Join(t.TempDir(), "kuai.db")})
	must(t, err)
	dir := t.TempDir()
	o := platform.JobsOptions{Dir: dir, Runs: map[string]job.Run{"video": func(_ context.Context, j job.Job, r job.Report) (job.Made, error) {
		if string(j.Body) != "{}" {
			return job.Made{}, fault.Param("prompt", "no")
		}
		path := filepath.Join(r.Dir(), "clip")
		return job.Made{Usage: map[string]int64{"video_milliseconds": 1000}, Files: []job.File{{Name: "clip", Path: path}}}, os.WriteFile(path, []byte("x"), 0o600)
	}}}
	rooms, err := p.OpenJobs(ctx, o)
	must(t, err)
	reserve := func() string {
		r, err := p.Money.Reserve(ctx, ledger.Request{
			Org: p.Home.Org, Project: p.Home.Project, Model: "kuai-video", Estimate: price.Usage{"video_milliseconds": 5000, "requests": 1}, Life: time.Hour,
		})
		must(t, err)
		return r.ID
	}
	for body, want := range map[string]job.State{"{}": job.Done, "1": job.Failed} {
		meta, err := json.Marshal(map[string]string{"reservation": reserve()})
		must(t, err)
		j, _, err := rooms.Queue.Submit(ctx, job.Request{Org: p.Home.Org, Project: p.Home.Project, Kind: "video", Model: "kuai-video", Body: json.RawMessage(body), Meta: meta}, nil)
		must(t, err)
		for _, err := range rooms.Queue.Watch(ctx, j.ID, 0) {
			must(t, err)
		}
		j, err = rooms.Queue.Get(ctx, "", j.ID)
		must(t, err)
		if j.State != want {
			t.Errorf("%s: %s, %v", body, j.State, j.Error)
		}
	}
	var b ledger.Balance
	must(t, p.DB.Read(ctx, func(tx *db.Tx) (err error) {
		b, err = p.Ledger.Balance(ctx, tx, p.Home.Org)
		return err
	}))
	if b.Held != 0 {
		t.Errorf("money is still set aside: %+v", b)
	}
	report, err := ledger.Audit(ctx, p.DB, time.Now())
	if err != nil || !report.OK() {
		t.Errorf("audit: %+v, %v", report, err)
	}
	files, _, err := rooms.Files.List(ctx, file.Filter{})
	if err != nil || len(files) != 1 {
		t.Fatalf("files: %+v, %v", files, err)
	}
	link, err := rooms.Files.URL(ctx, files[0], time.Hour, false)
	must(t, err)
	must(t, rooms.Close())
	o.Runs = nil
	again, err := p.OpenJobs(ctx, o)
	must(t, err)
	if next, err := again.Files.URL(ctx, files[0], time.Hour, false); err != nil || len(next) != len(link) {
		t.Errorf("%s, %v", next, err)
	}
	must(t, again.Close())
	must(t, p.Close())
}

// TestAbandon cuts a server off amid requests: its next start gives their money
// back and keeps that of jobs, unless another server works on the database.
func TestAbandon(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path, dir := filepath.Join(t.TempDir(), "kuai.db"), t.TempDir()
	first, err := platform.Open(ctx, platform.Options{Database: path})
	must(t, err)
	if _, err := platform.HoldDatabase(path); !errors.Is(err, platform.ErrServing) {
		t.Errorf("held while a server works on it: %v", err)
	}
	rooms, err := first.OpenJobs(ctx, platform.JobsOptions{Dir: dir})
	must(t, err)
	var ids []string
	for range 3 {
		r, err := first.Money.Reserve(ctx, ledger.Request{Org: first.Home.Org, Model: "kuai-video", Estimate: price.Usage{"video_milliseconds": 5000}})
		must(t, err)
		ids = append(ids, r.ID)
	}
	meta, err := json.Marshal(map[string]string{"reservation": ids[0]})
	must(t, err)
	_, _, err = rooms.Queue.Submit(ctx, job.Request{Org: first.Home.Org, Kind: "video", Body: json.RawMessage("{}"), Meta: meta}, nil)
	must(t, err)
	states := func(p *platform.Platform) (all []ledger.State) {
		must(t, p.DB.Read(ctx, func(tx *db.Tx) error {
			all = nil
			for _, id := range ids {
				r, err := p.Ledger.Reservation(ctx, tx, id)
				if err != nil {
					return err
				}
				all = append(all, r.State)
			}
			return nil
		}))
		return all
	}
	beside, err := platform.Open(ctx, platform.Options{Database: path})
	must(t, err)
	if got := states(beside); !slices.Equal(got, []ledger.State{ledger.Open, ledger.Open, ledger.Open}) {
		t.Errorf("beside another server: %v", got)
	}
	must(t, beside.Close())
	must(t, rooms.Close())
	must(t, first.Close()) // which ends no reservation, as a kill does not
	next, err := platform.Open(ctx, platform.Options{Database: path})
	must(t, err)
	if got := states(next); !slices.Equal(got, []ledger.State{ledger.Open, ledger.Released, ledger.Released}) {
		t.Errorf("after the start: %v", got)
	}
	report, err := ledger.Audit(ctx, next.DB, time.Now())
	if err != nil || !report.OK() {
		t.Errorf("audit: %+v, %v", report, err)
	}
	must(t, next.Close())
	release, err := platform.HoldDatabase(path)
	must(t, err)
	must(t, release())
}
