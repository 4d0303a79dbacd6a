// Package admit is the gate of a server with accounts: it says who asks,
// whether the key, the limits and the balance allow it, sets aside what the
// work can cost at most, and charges what it used.
package admit

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"kuai/api/accounts"
	"kuai/api/gate"
	"kuai/fault"
	"kuai/platform"
	"kuai/platform/account"
	"kuai/platform/ledger"
	"kuai/platform/limit"
	"kuai/platform/price"
)

// Gate admits requests by the rooms of a platform. It is a gate.Gate.
type Gate struct {
	Rooms   *platform.Platform
	Proxies []netip.Prefix // whose X-Forwarded-For is believed
	// Keyless is who asks without a key: the owner on a server that listens on
	// its own machine alone. nil refuses.
	Keyless *account.Principal
	Now     func() time.Time // nil is time.Now
	// Used is told what each request has used; nil: nobody. What a durable job
	// uses, its own hook knows.
	Used func(w gate.Work, used gate.Usage)
	// Patience is how long an answer waits for its account to be written; 0 is
	// two seconds. A database that is away for longer must not hold back what was
	// produced.
	Patience time.Duration
}

// reservationLife is how long money stays set aside for a request that nobody
// ends: the longest stream.
const reservationLife = time.Hour

// jobLife is the same for what becomes a durable job, which may wait for a day.
const jobLife = 25 * time.Hour

func lifeOf(w gate.Work) time.Duration {
	if w.Scope == gate.ScopeVideos || w.Scope == gate.ScopeImages {
		return jobLife
	}
	return reservationLife
}

func (g *Gate) now() time.Time {
	if g.Now != nil {
		return g.Now()
	}
	return time.Now()
}

// Caller says who a request comes from. Its errors are of package fault.
func (g *Gate) Caller(ctx context.Context, r *http.Request) (account.Principal, error) {
	secret := gate.Key(ctx)
	if secret == "" {
		secret = accounts.Secret(r)
	}
	if g.Keyless != nil && !ours(secret) && accounts.Local(r) {
		return *g.Keyless, nil // clients want some key: on one's own machine any will do
	}
	if secret == "" {
		return account.Principal{}, fault.New(fault.Unauthenticated, "a key is needed: Authorization: Bearer %s...", account.KeyPrefix)
	}
	p, err := g.Rooms.Accounts.Authenticate(ctx, secret, accounts.ClientIP(r, g.Proxies))
	if err != nil {
		return account.Principal{}, err
	}
	if p.Org == "" {
		return g.atHome(ctx, p)
	}
	return p, nil
}

// Known refuses strangers.
func (g *Gate) Known(r *http.Request) error {
	_, err := g.Caller(r.Context(), r)
	return err
}

// Operator refuses everyone but who runs the installation.
func (g *Gate) Operator(r *http.Request) error {
	p, err := g.Caller(r.Context(), r)
	if err == nil && !p.Admin {
		err = fault.New(fault.Forbidden, "this needs an operator's key")
	}
	return err
}

// ours says whether a secret looks as if it had been made here.
func ours(secret string) bool {
	return strings.HasPrefix(secret, account.KeyPrefix) || strings.HasPrefix(secret, account.SessionPrefix)
}

// atHome gives a person who is logged in a place to work in: the first
// organisation of theirs where they may use models, and its first project.
func (g *Gate) atHome(ctx context.Context, p account.Principal) (account.Principal, error) {
	orgs, err := g.Rooms.Accounts.Organisations(ctx, p, account.Page{})
	if err != nil {
		return p, err
	}
	for _, o := range orgs.Data {
		if !p.RoleIn(o.ID).AtLeast(account.RoleMember) || o.Status != account.Active {
			continue
		}
		projects, err := g.Rooms.Accounts.Projects(ctx, o.ID, account.Page{Limit: 1})
		if err != nil {
			return p, err
		}
		if len(projects.Data) > 0 {
			p.Org, p.Project = o.ID, projects.Data[0].ID
			return p, nil
		}
	}
	return p, fault.New(fault.Forbidden, "you may not use models in any organisation")
}

// Admit admits a request, or says with an error of package fault why not.
func (g *Gate) Admit(ctx context.Context, r *http.Request, w gate.Work) (gate.Ticket, error) {
	p, err := g.Caller(ctx, r)
	if err != nil {
		return nil, err
	}
	notes := gate.NotesOf(ctx)
	notes.Caller(principal(p), w.Model)
	switch {
	case w.Scope != "" && !p.May(w.Scope):
		return nil, fault.New(fault.Forbidden, "this key may not be used for %s", w.Scope)
	case w.Model != "" && !p.MayModel(w.Model):
		return nil, fault.New(fault.Forbidden, "this key may not use the model %s", w.Model)
	}
	grant, refused := g.Rooms.Limits.Check(p, need(w, w.Estimate, 1), g.now())
	if refused != nil {
		return nil, told(refused, grant)
	}
	t := &ticket{gate: g, p: p, work: w, grant: grant, notes: notes}
	if w.Model == "" {
		return t, nil
	}
	if err := t.reserve(ctx, w); err != nil {
		g.Rooms.Limits.Release(grant, g.now())
		return nil, err
	}
	return t, nil
}

// told is a refusal that tells of the limits, as admission does.
func told(refused *fault.Error, g limit.Grant) *fault.Error {
	h := http.Header{}
	g.Header(h)
	f := *refused
	f.Limits = h
	return &f
}

// need is what use takes of the limits.
func need(w gate.Work, u gate.Usage, slots int64) limit.Need {
	requests := int64(1)
	if w.Within {
		requests = 0
	}
	return limit.Need{
		Requests: requests, Slots: slots, Tokens: u[gate.InputTokens] + u[gate.OutputTokens] + u[gate.EmbeddingTokens],
		Characters: u[gate.AudioCharacters], Images: u[gate.Images], VideoMillis: u[gate.VideoMilliseconds],
	}
}

func usage(u gate.Usage) price.Usage {
	out := make(price.Usage, len(u))
	for d, n := range u {
		out[price.Dimension(d)] = n
	}
	return out
}

// ticket is an admitted request.
type ticket struct {
	gate  *Gate
	p     account.Principal
	work  gate.Work
	notes *gate.Notes
	grant limit.Grant // of everything but money
	money limit.Grant
	held  string // the reservation; "" for what costs nothing
	most  int64  // that it may cost, in millionths

	detached bool // the reservation is a durable job's

	once sync.Once
	err  error
}

// maxTries of a request under one idempotency key, each of which was released.
const maxTries = 10

// hold reserves money. A reservation pays for one request: an idempotency key
// whose request is paid, or goes on, is refused, since its answer was given
// then; after one that was given up the key is good again.
func (t *ticket) hold(ctx context.Context, w gate.Work) (ledger.Reservation, error) {
	q := ledger.Request{
		Org: t.p.Org, Project: t.p.Project, User: t.p.User, Key: t.p.Key, Model: w.Model,
		IdempotencyKey: w.IdempotencyKey, Estimate: usage(w.Estimate), Life: lifeOf(w),
	}
	for try := 1; try <= maxTries; try++ {
		res, err := t.gate.Rooms.Money.Reserve(ctx, q)
		if err != nil || !res.Repeated {
			return res, err
		}
		if w.Durable && res.State != ledger.Released { // the job's, or about to be
			return res, nil
		}
		if res.State == ledger.Open || res.State == ledger.Settled {
			break
		}
		q.IdempotencyKey = fmt.Sprintf("%s#%d", w.IdempotencyKey, try+1)
	}
	return ledger.Reservation{}, fault.New(fault.Conflict, "the idempotency key was used for a request before this one")
}

// reserve sets aside what the work can cost.
func (t *ticket) reserve(ctx context.Context, w gate.Work) error {
	rooms := t.gate.Rooms
	res, err := t.hold(ctx, w)
	if err != nil {
		return err
	}
	grant, refused := rooms.Limits.Check(t.p, limit.Need{MoneyMicros: int64(res.Amount)}, t.gate.now())
	if refused != nil && res.Repeated {
		return refused
	}
	if refused != nil {
		if _, err := rooms.Money.Release(context.WithoutCancel(ctx), res.ID, "a limit of spending"); err != nil {
			return err
		}
		return told(refused, grant)
	}
	t.held, t.money, t.most = res.ID, grant, int64(res.Amount)
	t.detached = res.Repeated // it is the first request's job that moves it
	return nil
}

// Reservation names what was set aside, for a durable job; "" is nothing.
func (t *ticket) Reservation() string { return t.held }

// Detach says that the reservation is a durable job's from now on: the ticket
// ends limits alone. It must not run beside Settle or Release.
func (t *ticket) Detach() { t.detached = true }

// Principal is who asks.
func (t *ticket) Principal() gate.Principal { return principal(t.p) }

func principal(p account.Principal) gate.Principal {
	return gate.Principal{Org: p.Org, Project: p.Project, User: p.User, Key: p.Key, Scopes: p.Scopes, Models: p.Models, Admin: p.Admin, Urgent: p.Urgent}
}

// Header tells of the limits.
func (t *ticket) Header(h http.Header) { t.grant.Header(h) }

// Settle charges what was used, also where ctx is done. Where the database is
// away, it is charged when that is back, and nobody waits.
func (t *ticket) Settle(ctx context.Context, used gate.Usage) error {
	t.once.Do(func() {
		now := t.gate.now()
		t.gate.Rooms.Limits.Commit(t.grant, need(t.work, used, 0), now)
		if !t.detached {
			t.tell(used)
		}
		switch {
		case t.held == "":
			return
		case t.detached: // what it cost, only the job's hook knows
			t.gate.Rooms.Limits.Commit(t.money, limit.Need{MoneyMicros: t.most}, now)
			return
		}
		t.err = t.gate.soon(func() error {
			res, err := t.gate.Rooms.Money.Settle(context.WithoutCancel(ctx), t.held, usage(used))
			t.gate.Rooms.Limits.Commit(t.money, limit.Need{MoneyMicros: int64(res.Charged)}, now)
			return err
		})
	})
	return t.err
}

// tell tells the log and the metrics.
func (t *ticket) tell(used gate.Usage) {
	if t.work.Within {
		used = maps.Clone(used)
		delete(used, gate.Requests)
	}
	t.notes.Used(used)
	if t.gate.Used != nil {
		t.gate.Used(t.work, used)
	}
}

// Release gives everything back.
func (t *ticket) Release(ctx context.Context, reason string) error {
	t.once.Do(func() {
		now := t.gate.now()
		t.gate.Rooms.Limits.Release(t.grant, now)
		if t.held == "" {
			return
		}
		t.gate.Rooms.Limits.Release(t.money, now)
		if t.detached {
			return
		}
		t.err = t.gate.soon(func() error {
			_, err := t.gate.Rooms.Money.Release(context.WithoutCancel(ctx), t.held, reason)
			return err
		})
	})
	return t.err
}

// patience is Gate.Patience where it says nothing.
const patience = 2 * time.Second

// soon runs f, which may wait for a database, and returns its outcome if that
// comes in time. If not, f goes on by itself, and a log is told how it failed.
func (g *Gate) soon(f func() error) error {
	done := make(chan error, 1)
	late := time.AfterFunc(cmp.Or(g.Patience, patience), func() { done <- nil })
	go func() {
		err := f()
		if late.Stop() {
			done <- err
		} else if err != nil {
			slog.Error("a request could not be charged, or its money not be given back; its reservation will lapse", "error", err)
		}
	}()
	return <-done
}
