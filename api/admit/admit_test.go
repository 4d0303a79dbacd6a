package admit

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/platform"
	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/ledger"
	"kuai/platform/limit"
	"kuai/platform/money"
	"kuai/platform/price"
)

// town is a platform with an organisation beside the owner's, and its key.
func town(t *testing.T) (g *Gate, org account.Organisation, key string) {
	t.Helper()
	p, err := platform.Open(t.Context(), platform.Options{Database: filepath.Join(t.TempDir(), "kuai.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		report, err := ledger.Audit(t.Context(), p.DB, g.now())
		if err == nil && !report.OK() {
			t.Errorf("audit: %v", report.Differences)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	if p.First == nil || p.Home.Project == "" {
		t.Fatalf("an empty installation was given %+v, %+v", p.First, p.Home)
	}
	by := account.Caller{Principal: account.Operator.Principal}
	if org, err = p.Accounts.CreateOrganisation(t.Context(), by, "Acme"); err != nil {
		t.Fatal(err)
	}
	projects, err := p.Accounts.Projects(t.Context(), org.ID, account.Page{})
	if err != nil {
		t.Fatal(err)
	}
	_, key, err = p.Accounts.CreateKey(t.Context(), by, org.ID, account.NewKey{
		Project: projects.Data[0].ID, Name: "test", Scopes: []string{account.ScopeChat}, Models: []string{"tiny"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Gate{Rooms: p, Patience: time.Hour}, org, key
}

func ask(t *testing.T, g *Gate, key string, w gate.Work) (ticket gate.Ticket, err error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/v1/chat/completions", nil)
	r.RemoteAddr = "127.0.0.1:50000"
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	gate.WithKey(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ticket, err = g.Admit(r.Context(), r, w)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return ticket, err
}

func balance(t *testing.T, g *Gate, org string) (b ledger.Balance) {
	t.Helper()
	err := g.Rooms.DB.Read(t.Context(), func(tx *db.Tx) (err error) {
		b, err = g.Rooms.Ledger.Balance(t.Context(), tx, org)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAdmit follows requests through keys, scopes, balances and limits.
func TestAdmit(t *testing.T) {
	t.Parallel()
	g, org, key := town(t)
	chat := gate.Work{Endpoint: "POST /v1/chat/completions", Model: "tiny", Scope: gate.ScopeChat, Estimate: gate.Usage{gate.InputTokens: 1000, gate.OutputTokens: 1_000_000}}
	code := func(err error) fault.Code {
		if err == nil {
			return ""
		}
		return fault.From(err).Code
	}
	refused := func(what, key string, w gate.Work, want fault.Code) {
		t.Helper()
		if _, err := ask(t, g, key, w); code(err) != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	refused("no key", "", chat, fault.Unauthenticated)
	refused("a wrong key", account.KeyPrefix+"abc", chat, fault.Unauthenticated)
	other := chat
	other.Model = "large"
	refused("another model", key, other, fault.Forbidden)
	other = chat
	other.Scope = gate.ScopeVideos
	refused("another scope", key, other, fault.Forbidden)
	refused("no money", key, chat, fault.NoBalance)

	err := g.Rooms.DB.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := g.Rooms.Ledger.TopUp(t.Context(), tx, ledger.Change{Org: org.ID, Amount: 2 * money.Unit, Reason: "test", Actor: "test"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := ask(t, g, key, chat)
	if err != nil {
		t.Fatal(err)
	}
	if got := balance(t, g, org.ID); got.Held == 0 || got.Available+got.Held != 2*money.Unit {
		t.Errorf("while it works: %+v", got)
	}
	for range 2 { // once
		if err := ticket.Settle(t.Context(), gate.Usage{gate.InputTokens: 1000, gate.OutputTokens: 100_000}); err != nil {
			t.Error(err)
		}
	}
	// 1,000 at 0.20 and 100,000 at 1.10 a million
	if got := balance(t, g, org.ID); got.Cash != 2*money.Unit-200-110_000 || got.Held != 0 {
		t.Errorf("afterwards: %+v", got)
	}
	if ticket, err = ask(t, g, key, chat); err != nil {
		t.Fatal(err)
	}
	before := balance(t, g, org.ID)
	if err := ticket.Release(t.Context(), "cancelled"); err != nil {
		t.Error(err)
	}
	if got := balance(t, g, org.ID); got.Cash != before.Cash+before.Held || got.Held != 0 {
		t.Errorf("after a release: %+v, before %+v", got, before)
	}

	by := account.Caller{Principal: account.Operator.Principal}
	rule := limit.Rule{Org: org.ID, Level: limit.Organisation, Subject: org.ID, Kind: limit.MoneyMicrosPerDay, Amount: 200_000}
	if err := g.Rooms.Limits.Set(t.Context(), by, rule); err != nil {
		t.Fatal(err)
	}
	refused("money a day", key, chat, fault.NoBalance)
	if got := balance(t, g, org.ID); got.Held != 0 {
		t.Errorf("refused, and %v is held", got.Held)
	}
	rule.Kind, rule.Amount = limit.RequestsPerMinute, 1
	if err := g.Rooms.Limits.Set(t.Context(), by, rule); err != nil {
		t.Fatal(err)
	}
	small := chat
	small.Estimate = gate.Usage{gate.OutputTokens: 10}
	if ticket, err = ask(t, g, key, small); err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	ticket.Header(h)
	if h.Get("X-Ratelimit-Limit-Requests") != "1" {
		t.Errorf("header: %v", h)
	}
	if err := ticket.Settle(t.Context(), gate.Usage{gate.OutputTokens: 10}); err != nil {
		t.Error(err)
	}
	refused("requests a minute", key, small, fault.RateLimited)
	within := small
	within.Within = true // of the request before: no other
	if ticket, err = ask(t, g, key, within); err != nil {
		t.Fatal(err)
	}
	if err := ticket.Settle(t.Context(), within.Estimate); err != nil {
		t.Error(err)
	}
	_, err = ask(t, g, key, small)
	if h := http.Header(fault.From(err).Limits); h.Get("X-Ratelimit-Limit-Requests") != "1" || h.Get("X-Ratelimit-Remaining-Requests") != "0" || h.Get("X-Ratelimit-Reset-Requests") == "" {
		t.Errorf("a refusal tells of %v", h)
	}
}

// TestKeyless checks that on its own machine the owner needs no key, that keys
// of other vendors count as none, and that a wrong key of ours is refused.
func TestKeyless(t *testing.T) {
	t.Parallel()
	g, _, _ := town(t)
	g.Keyless = &g.Rooms.Home
	w := gate.Work{Model: "any", Scope: gate.ScopeChat, Estimate: gate.Usage{gate.OutputTokens: 1_000_000}}
	for key, want := range map[string]fault.Code{"": "", "sk-openai": "", account.KeyPrefix + "abc": fault.Unauthenticated, g.Rooms.First.Secret: ""} {
		ticket, err := ask(t, g, key, w)
		if (err == nil) != (want == "") || err != nil && fault.From(err).Code != want {
			t.Errorf("%.8q: %v", key, err)
			continue
		}
		if err == nil {
			if err := ticket.Settle(t.Context(), gate.Usage{gate.OutputTokens: 5}); err != nil {
				t.Error(err)
			}
		}
	}
	if got := balance(t, g, g.Rooms.Home.Org); got.Owed == 0 {
		t.Errorf("the owner's work is not counted: %+v", got)
	}
}

// TestIdempotencyKey checks that one reservation pays for one request.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	g, _, _ := town(t)
	key := g.Rooms.First.Secret
	w := gate.Work{Model: "any", Scope: gate.ScopeImages, Estimate: gate.Usage{gate.Images: 1}, IdempotencyKey: "once"}
	first, err := ask(t, g, key, w)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string) {
		t.Helper()
		if _, err := ask(t, g, key, w); err == nil || fault.From(err).Code != fault.Conflict {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("while it works")
	if err := first.Release(t.Context(), "it failed"); err != nil {
		t.Fatal(err)
	}
	second, err := ask(t, g, key, w)
	if err != nil {
		t.Fatalf("again after a failure: %v", err)
	}
	refused("while it works again")
	if err := second.Settle(t.Context(), gate.Usage{gate.Images: 1}); err != nil {
		t.Fatal(err)
	}
	refused("when it is paid")
	if got := balance(t, g, g.Rooms.Home.Org); got.Held != 0 || got.Owed != 3500 {
		t.Errorf("%+v", got)
	}
}

func TestOperator(t *testing.T) {
	t.Parallel()
	g, _, key := town(t)
	for secret, want := range map[string]fault.Code{"": fault.Unauthenticated, key: fault.Forbidden, g.Rooms.First.Secret: ""} {
		r := httptest.NewRequest(http.MethodGet, "http://kuai.example/metrics", nil)
		r.RemoteAddr = "192.0.2.1:50000"
		if secret != "" {
			r.Header.Set("Authorization", "Bearer "+secret)
		}
		gate.WithKey(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := g.Operator(r); (err == nil) != (want == "") || err != nil && fault.From(err).Code != want {
				t.Errorf("got %v, want %q", err, want)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}

// TestDurable checks that a job that is asked for again under its key shares
// the money that was set aside for it, and does not give that back.
func TestDurable(t *testing.T) {
	t.Parallel()
	g, _, _ := town(t)
	key := g.Rooms.First.Secret
	w := gate.Work{Model: "any", Scope: gate.ScopeVideos, Estimate: gate.Usage{gate.Images: 1}, IdempotencyKey: "once", Durable: true}
	var held []string
	for range 2 {
		got, err := ask(t, g, key, w)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, got.(*ticket).Reservation())
		if len(held) == 2 {
			if err := got.Release(t.Context(), "accepted before"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if held[0] == "" || held[0] != held[1] {
		t.Errorf("reservations %q", held)
	}
	if got := balance(t, g, g.Rooms.Home.Org); got.Held == 0 {
		t.Errorf("nothing is held for the job: %+v", got)
	}
	if _, err := g.Rooms.Money.Settle(t.Context(), held[0], map[price.Dimension]int64{price.Images: 1}); err != nil {
		t.Fatal(err)
	}
	again, err := ask(t, g, key, w)
	if err != nil || again.(*ticket).Reservation() != held[0] {
		t.Errorf("asked again once it is paid: %v", err)
	}
}

// TestSoon checks that an account that comes soon has an outcome, and that one
// which takes longer is written all the same.
func TestSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, failed := &Gate{}, errors.New("no such reservation")
		if err := g.soon(func() error { time.Sleep(patience / 2); return failed }); !errors.Is(err, failed) {
			t.Errorf("got %v, want %v", err, failed)
		}
		began, written := time.Now(), false
		err := g.soon(func() error { time.Sleep(time.Minute); written = true; return nil })
		if waited := time.Since(began); err != nil || waited != patience {
			t.Errorf("waited %v for a database that is away: %v", waited, err)
		}
		time.Sleep(time.Minute)
		if synctest.Wait(); !written {
			t.Error("what nobody waited for was not done")
		}
	})
}
