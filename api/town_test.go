package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/admit"
	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/metric"
	"kuai/character/converse"
	"kuai/character/persona"
	"kuai/par"
	"kuai/platform"
	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/fetch"
	"kuai/platform/job"
	"kuai/platform/ledger"
	"kuai/platform/money"
	"kuai/serve/chat"
	"kuai/serve/chat/chattest"
	"kuai/text"
	"kuai/text/sample"
)

// town is the whole platform as kuai serve opens it for others than its owner:
// accounts, limits, money, jobs, files, a tiny language model, characters.
type town struct {
	*platform.Platform
	made   *platform.Jobs
	dir    string
	parrot parrot
	routes chi.Router
	http.Handler
	keys map[string]string // who -> secret
	orgs map[string]string // who -> organisation
}

// What each reply of the parrot uses, in tokens.
const (
	parrotReads  = 100_000
	parrotWrites = 10_000
)

var errParrot = errors.New("the parrot was asked to fail")

// parrot is a speaker who repeats what was said. It fails where it is asked to, and
// waits to be left in the middle, of which it tells.
type parrot struct{ waits chan struct{} }

func (parrot) Room() converse.Room {
	return converse.Room{Card: 1000, Pack: 768, Recent: 500, Turns: 12, Reply: 100}
}
func (parrot) Sampling() sample.Params { return sample.Params{} }
func (parrot) Corrected() bool         { return false }
func (parrot) Tokens(s string) int     { return len(s) / 4 }
func (p parrot) Speak(ctx context.Context, q *converse.Prompt, show func(string)) (string, error) {
	if err := q.Admit(ctx, parrotReads, 2*parrotWrites); err != nil {
		return "", err
	}
	text := q.Lines[len(q.Lines)-1].Text
	q.Used(chat.Usage{Prompt: parrotReads, Completion: parrotWrites})
	if strings.Contains(text, "fail") {
		return "", errParrot
	}
	if show != nil {
		show(text)
	}
	if strings.Contains(text, "wait") {
		p.waits <- struct{}{}
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	return text, nil
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// newTown opens one with three customers: ada and bob of the same organisation
// in two projects, and eve of another. oscar runs the installation.
func newTown(tb testing.TB) *town {
	tb.Helper()
	return openTown(tb, nil)
}

// openTown writes its requests into a log, if there is one.
func openTown(tb testing.TB, log *slog.Logger) *town {
	tb.Helper()
	ctx, dir := tb.Context(), tb.TempDir()
	p, err := platform.Open(ctx, platform.Options{Database: filepath.Join(dir, "kuai.db")})
	ok(tb, err)
	w := &town{Platform: p, dir: dir, parrot: parrot{make(chan struct{}, 1)}, keys: map[string]string{"oscar": p.First.Secret}, orgs: map[string]string{}}
	pool := par.New(1)
	l, err := chat.Open(ctx, chattest.Hybrid(tb), text.Options{Pool: pool}, chat.Options{})
	ok(tb, err)
	g := &chat.Group{}
	g.Add("tiny", l)
	w.made, err = p.OpenJobs(ctx, platform.JobsOptions{Dir: filepath.Join(dir, "jobs"), Name: "test", Runs: clip.Runs(grey{}), Fetch: fetch.Options{}})
	ok(tb, err)
	clips := clip.NewJobs(ctx, clip.JobsOptions{Queue: w.made.Queue, Files: w.made.Files, Shape: grey{}, Check: grey{}.Check})
	h := &converse.House{Dir: filepath.Join(dir, "threads"), People: persona.Store{Dir: filepath.Join(dir, "people")}, Speaker: w.parrot}
	meter := metric.New()
	home := &admit.Gate{Rooms: p, Used: meter.Used, Patience: time.Hour} // balances are looked at once an answer has come
	meter.Database, meter.May = p.DB, home.Operator
	rooms := Rooms{
		Videos: clips, Files: file.Platform{Files: w.made.Files, Org: p.OrgOf}, Links: file.NewLinks(), Chats: g, House: h, Gate: home,
		Platform: p, Jobs: w.made, Meter: meter, Log: log,
	}
	w.routes, w.Handler = routes(rooms), Handler(rooms)
	tb.Cleanup(func() {
		clips.Close()
		for _, err := range []error{w.made.Close(), h.Close(), g.Close(), p.Close()} {
			if err != nil {
				tb.Error(err)
			}
		}
		pool.Close()
	})
	w.settle(tb)
	return w
}

// audited fails where the ledger does not add up.
func (w *town) audited(tb testing.TB) {
	tb.Helper()
	report, err := ledger.Audit(tb.Context(), w.DB, time.Now())
	ok(tb, err)
	if !report.OK() {
		tb.Errorf("audit: %v", report.Differences)
	}
}

// settle gives the customers organisations, projects, keys and money.
func (w *town) settle(tb testing.TB) {
	tb.Helper()
	ctx := tb.Context()
	for _, who := range []struct{ name, org, project string }{{"ada", "acme", "one"}, {"bob", "acme", "two"}, {"eve", "other", "one"}} {
		if w.orgs[who.org] == "" {
			o, err := w.Accounts.CreateOrganisation(ctx, account.Operator, who.org)
			ok(tb, err)
			w.orgs[who.org] = o.ID
			ok(tb, w.DB.Tx(ctx, func(tx *db.Tx) error {
				_, err := w.Ledger.TopUp(ctx, tx, ledger.Change{Org: o.ID, Amount: 100 * money.Unit, Reason: "test", Actor: "test", IdempotencyKey: "first"})
				return err
			}))
		}
		p, err := w.Accounts.CreateProject(ctx, account.Operator, w.orgs[who.org], who.project)
		ok(tb, err)
		_, w.keys[who.name], err = w.Accounts.CreateKey(ctx, account.Operator, w.orgs[who.org], account.NewKey{Project: p.ID, Name: who.name})
		ok(tb, err)
		w.orgs[who.name] = w.orgs[who.org]
	}
}

// ask sends a request of somebody; a body that is no text is sent as JSON.
func (w *town) ask(tb testing.TB, who, method, path string, body any, header ...string) *httptest.ResponseRecorder {
	tb.Helper()
	var b io.Reader = http.NoBody
	switch v := body.(type) {
	case nil:
	case io.Reader:
		b = v
	case string:
		b = strings.NewReader(v)
	default:
		data, err := json.Marshal(v)
		ok(tb, err)
		b = bytes.NewReader(data)
	}
	r := httptest.NewRequestWithContext(tb.Context(), method, path, b)
	r.Header.Set("Content-Type", "application/json")
	if key := w.keys[who]; key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec
}

// get reads a field of an answer that went well.
func (w *town) get(tb testing.TB, rec *httptest.ResponseRecorder, field string) string {
	tb.Helper()
	var v map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil || rec.Code >= 300 {
		tb.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
	}
	for part := range strings.SplitSeq(field, ".") {
		switch next := v[part].(type) {
		case map[string]any:
			v = next
		case string:
			return next
		case float64:
			data, err := json.Marshal(int64(next))
			ok(tb, err)
			return string(data)
		default:
			tb.Fatalf("no %s in %s", field, rec.Body)
		}
	}
	tb.Fatalf("%s is no value in %s", field, rec.Body)
	return ""
}

// clip makes a clip of somebody's and waits for its end.
func (w *town) clip(tb testing.TB, who string) string {
	tb.Helper()
	id := w.get(tb, w.ask(tb, who, "POST", "/v1/videos", `{"prompt":"a fox"}`), "id")
	for _, err := range w.made.Queue.Watch(tb.Context(), id, 0) {
		ok(tb, err)
	}
	j, err := w.made.Queue.Get(tb.Context(), "", id)
	if err != nil || j.State != job.Done {
		tb.Fatalf("%v %+v", err, j)
	}
	return id
}
