package platform_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
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
