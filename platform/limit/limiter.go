package limit

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"kuai/fault"
	"kuai/platform/account"
)

// Rule is how much of a kind a subject may use.
type Rule struct {
	Org     string `json:"organisation"`
	Level   Level  `json:"level" enum:"organisation,project,user,key"`
	Subject string `json:"subject" doc:"the identifier of the organisation, project, user or key"`
	Kind    Kind   `json:"kind"`
	Amount  int64  `json:"amount"`
}

// subject is whose use is counted.
type subject struct {
	level Level
	id    string
}

// state is what is known of a subject: its rules and their meters.
type state struct {
	subject
	own    [kinds]int64 // rules of its own; none is negative
	rule   [kinds]int64 // the same with defaults
	meters [kinds]*meter
}

// none says that a kind has no rule.
const none = -1

// Limiter decides in memory. Goroutines may share it.
type Limiter struct {
	mu       sync.Mutex
	defaults map[Level]*[kinds]int64
	states   map[subject]*state
	open     map[uint64][]charge
	last     uint64 // number of the last grant
}

// charge is what a grant took from a meter.
type charge struct {
	from   *state
	kind   int
	amount int64
	start  int64 // of the day or month from which it was taken
}

// New makes a limiter without rules. Defaults hold for every subject of a level
// that has no rule of its own for the kind.
func New(defaults map[Level]map[Kind]int64) *Limiter {
	l := &Limiter{defaults: map[Level]*[kinds]int64{}, states: map[subject]*state{}, open: map[uint64][]charge{}}
	for level, rules := range defaults {
		all := empty()
		for k, amount := range rules {
			if i := k.index(); i >= 0 {
				all[i] = amount
			}
		}
		l.defaults[level] = &all
	}
	return l
}

func empty() (all [kinds]int64) {
	for i := range all {
		all[i] = none
	}
	return all
}

// state finds or makes a subject's state; nil if it can have no rules.
func (l *Limiter) state(sub subject) *state {
	st, ok := l.states[sub]
	if ok {
		return st
	}
	d := l.defaults[sub.level]
	if d == nil {
		return nil
	}
	st = &state{subject: sub, own: empty(), rule: *d}
	l.states[sub] = st
	return st
}

// SetRules replaces all rules. What was used stays used.
func (l *Limiter) SetRules(all []Rule) {
	rules := map[subject]*[kinds]int64{}
	for _, r := range all {
		s, i := subject{r.Level, r.Subject}, r.Kind.index()
		if i < 0 {
			continue // of a newer Kuai
		}
		if rules[s] == nil {
			own := empty()
			rules[s] = &own
		}
		rules[s][i] = r.Amount
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for sub := range rules {
		if l.states[sub] == nil {
			l.states[sub] = &state{subject: sub, own: empty(), rule: empty()}
		}
	}
	for sub, st := range l.states {
		own := rules[sub]
		if own == nil {
			none := empty()
			own = &none
		}
		st.own = *own
		for i := range kinds {
			st.setRule(i, l.effective(st, i))
		}
	}
}

// effective is a subject's own rule for a kind, else the default.
func (l *Limiter) effective(st *state, kind int) int64 {
	if d := l.defaults[st.level]; st.own[kind] == none && d != nil {
		return d[kind]
	}
	return st.own[kind]
}

// setRule changes a rule under a meter that runs.
func (st *state) setRule(kind int, amount int64) {
	before := st.rule[kind]
	st.rule[kind] = amount
	m := st.meters[kind]
	switch {
	case m == nil:
	case amount != none && before != none:
		m.resize(before, amount)
	case amount == none && m.span != held: // a slot that is under way comes back
		st.meters[kind] = nil
	}
}

// Grant is an admitted request. The zero grant was refused; its Header tells
// why.
type Grant struct {
	id       uint64
	requests told
	tokens   told
	wait     time.Duration // of a refusal
}

// told is what a header tells of a minute's limit.
type told struct {
	known       bool
	limit, left int64
	reset       time.Duration
}

// Check takes what a request needs from all rules of its caller, or nothing
// where it does not fit into one of them. The error is RateLimited, or
// NoBalance where money is used up.
func (l *Limiter) Check(p account.Principal, need Need, now time.Time) (Grant, *fault.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var under [4]*state
	n := 0
	for _, sub := range [4]subject{{Organisation, p.Org}, {Project, p.Project}, {User, p.User}, {Key, p.Key}} {
		if sub.id == "" {
			continue
		}
		if st := l.state(sub); st != nil {
			under[n] = st
			n++
		}
	}
	states := under[:n]
	charges, refusal := try(states, need, now)
	if refusal != nil {
		g := describe(states, now)
		g.wait = refusal.RetryAfter
		return g, refusal
	}
	for _, c := range charges {
		c.from.meters[c.kind].take(c.from.rule[c.kind]*specs[c.kind].scale, c.amount)
	}
	g := describe(states, now)
	l.last++
	g.id = l.last
	l.open[g.id] = charges
	return g, nil
}

// try says what a request would take, or the first rule that is in the way.
func try(states []*state, need Need, now time.Time) ([]charge, *fault.Error) {
	charges := make([]charge, 0, 8)
	for kind := range kinds {
		s := &specs[kind]
		n := s.of(need)
		for _, st := range states {
			amount := st.rule[kind]
			if amount == none {
				continue
			}
			m := st.meter(kind, now)
			if !m.fits(amount*s.scale, n) {
				return nil, refuse(*s, st.subject, m, amount, n, now)
			}
			charges = append(charges, charge{st, kind, n, m.start})
		}
	}
	return charges, nil
}

// meter is the meter of a rule at a time.
func (st *state) meter(kind int, now time.Time) *meter {
	s := &specs[kind]
	units := st.rule[kind] * s.scale
	if st.meters[kind] == nil {
		st.meters[kind] = newMeter(s.span, units, now)
	}
	st.meters[kind].advance(units, now)
	return st.meters[kind]
}

// refuse says which rule is in the way and when it will not be.
func refuse(s spec, sub subject, m *meter, amount, n int64, now time.Time) *fault.Error {
	code := fault.RateLimited
	if s.kind == MoneyMicrosPerDay || s.kind == MoneyMicrosPerMonth {
		code = fault.NoBalance
	}
	wait, ever := m.wait(amount*s.scale, n, now)
	if !ever {
		return fault.New(code, "the request is too large for the limit of the %s: %d %s, the request needs %d", sub.level, amount, s.label, ceilDiv(n, s.scale))
	}
	e := fault.New(code, "the limit of the %s is reached: %d %s, %d left, the request needs %d; try again in %s",
		sub.level, amount, s.label, max(m.left(amount*s.scale), 0)/s.scale, ceilDiv(n, s.scale), short(wait))
	e.RetryAfter = wait
	return e
}

func ceilDiv(n, by int64) int64 { return (n + by - 1) / by }

// short is a time as OpenAI writes it: 6m0s, 1.5s, 20ms.
func short(d time.Duration) string {
	if r := d.Round(time.Millisecond); r > 0 || d == 0 {
		return r.String()
	}
	return time.Millisecond.String()
}

// Places of the kinds that headers tell.
var (
	requestsIndex = RequestsPerMinute.index()
	tokensIndex   = TokensPerMinute.index()
)

// describe is what a header says.
func describe(states []*state, now time.Time) Grant {
	return Grant{requests: tightest(states, requestsIndex, now), tokens: tightest(states, tokensIndex, now)}
}

// tightest is, of several rules, the one that leaves the least.
func tightest(states []*state, kind int, now time.Time) told {
	var tight told
	for _, st := range states {
		amount := st.rule[kind]
		if amount == none {
			continue
		}
		m := st.meter(kind, now)
		if left := max(m.left(amount), 0); !tight.known || left < tight.left {
			tight = told{true, amount, left, m.full(amount, now)}
		}
	}
	return tight
}

// Commit ends a grant with what was really used: what was taken too much goes
// back, what was used beyond it counts. The request itself stays counted. Only
// the first Commit or Release of a grant does anything.
func (l *Limiter) Commit(g Grant, used Need, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	charges, ok := l.open[g.id]
	if !ok {
		return
	}
	delete(l.open, g.id)
	for _, c := range charges {
		m := c.from.meters[c.kind]
		if m == nil {
			continue // the rule is gone
		}
		units := c.from.rule[c.kind] * specs[c.kind].scale
		m.advance(units, now)
		if m.start == c.start { // not of a day that is over
			m.take(units, should(c, used)-c.amount)
		}
	}
}

// should is what a charge is in the end.
func should(c charge, used Need) int64 {
	switch specs[c.kind].kind {
	case RequestsPerMinute, RequestsPerDay:
		return c.amount
	case Concurrency:
		return 0
	}
	return specs[c.kind].of(used)
}

// Release ends a grant of which nothing was used. The request itself stays
// counted: failing requests cost too.
func (l *Limiter) Release(g Grant, now time.Time) { l.Commit(g, Need{}, now) }

// Header tells a caller of the limits as OpenAI does: x-ratelimit-limit-,
// -remaining- and -reset-requests and -tokens, and Retry-After of a refusal.
func (g Grant) Header(h http.Header) {
	for name, s := range map[string]told{"requests": g.requests, "tokens": g.tokens} {
		if !s.known {
			continue
		}
		h.Set("X-Ratelimit-Limit-"+name, strconv.FormatInt(s.limit, 10))
		h.Set("X-Ratelimit-Remaining-"+name, strconv.FormatInt(s.left, 10))
		h.Set("X-Ratelimit-Reset-"+name, short(s.reset))
	}
	if g.wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((g.wait+time.Second-1)/time.Second), 10))
	}
}

// Sweep drops what a new meter would replace, so that memory follows who is
// there and not who ever was.
func (l *Limiter) Sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for sub, st := range l.states {
		busy := false
		for kind, m := range st.meters {
			if m == nil {
				continue
			}
			if m.idle(st.rule[kind]*specs[kind].scale, now) {
				st.meters[kind] = nil
			} else {
				busy = true
			}
		}
		if !busy && st.own == empty() {
			delete(l.states, sub)
		}
	}
}
