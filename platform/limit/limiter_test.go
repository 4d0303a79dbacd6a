package limit

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/account"
)

var caller = account.Principal{Org: "o", Project: "p", User: "u", Key: "k"}

func rules(all ...Rule) *Limiter {
	l := New(nil)
	l.SetRules(all)
	return l
}

func code(e *fault.Error) fault.Code {
	if e == nil {
		return ""
	}
	return e.Code
}

func meterOf(l *Limiter, level Level, id string, k Kind) *meter {
	return l.states[subject{level, id}].meters[k.index()]
}

// TestCheck goes through what each kind of rule allows.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rule Rule
		need Need
		want []fault.Code // of requests that follow each other, ten seconds apart
	}{
		"requests":    {Rule{"o", Organisation, "o", RequestsPerMinute, 2}, Need{Requests: 1}, []fault.Code{"", "", fault.RateLimited, "", fault.RateLimited}},
		"tokens":      {Rule{"o", Project, "p", TokensPerMinute, 60}, Need{Tokens: 40}, []fault.Code{"", fault.RateLimited, ""}},
		"too large":   {Rule{"o", Project, "p", TokensPerMinute, 60}, Need{Tokens: 61}, []fault.Code{fault.RateLimited}},
		"concurrency": {Rule{"o", User, "u", Concurrency, 2}, Need{Slots: 1}, []fault.Code{"", "", fault.RateLimited}},
		"images":      {Rule{"o", Key, "k", ImagesPerDay, 3}, Need{Images: 2}, []fault.Code{"", fault.RateLimited}},
		"characters":  {Rule{"o", Key, "k", CharactersPerDay, 3}, Need{Characters: 3}, []fault.Code{"", fault.RateLimited}},
		"video":       {Rule{"o", Key, "k", VideoSecondsPerDay, 3}, Need{VideoMillis: 1500}, []fault.Code{"", "", fault.RateLimited}},
		"money":       {Rule{"o", Organisation, "o", MoneyMicrosPerDay, 100}, Need{MoneyMicros: 60}, []fault.Code{"", fault.NoBalance}},
		"month":       {Rule{"o", Organisation, "o", MoneyMicrosPerMonth, 100}, Need{MoneyMicros: 60}, []fault.Code{"", fault.NoBalance}},
		"other kind":  {Rule{"o", Organisation, "o", ImagesPerDay, 0}, Need{Tokens: 1, Requests: 1}, []fault.Code{"", "", ""}},
		"other's":     {Rule{"x", Organisation, "x", RequestsPerMinute, 0}, Need{Requests: 1}, []fault.Code{""}},
		"nothing":     {Rule{"o", Key, "k", RequestsPerMinute, 0}, Need{Requests: 1}, []fault.Code{fault.RateLimited}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := rules(tt.rule)
			now := noon
			var got []fault.Code
			for i := range tt.want {
				if i > 0 && tt.rule.Kind == RequestsPerMinute && i == 3 {
					now = now.Add(10 * time.Second)
				}
				if i > 1 && tt.rule.Kind == TokensPerMinute {
					now = now.Add(20 * time.Second)
				}
				_, e := l.Check(caller, tt.need, now)
				got = append(got, code(e))
			}
			if tt.rule.Kind == RequestsPerMinute && tt.rule.Amount == 2 {
				tt.want = []fault.Code{"", "", fault.RateLimited, fault.RateLimited, fault.RateLimited} // 2 a minute: one in 30 s
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAllOrNothing checks that a request that one rule refuses takes nothing
// from the others.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	l := rules(
		Rule{"o", Organisation, "o", TokensPerMinute, 100}, Rule{"o", Key, "k", TokensPerMinute, 10},
		Rule{"o", Organisation, "o", MoneyMicrosPerDay, 5},
	)
	other := caller
	other.Key = "k2"
	if _, e := l.Check(caller, Need{Tokens: 50}, noon); code(e) != fault.RateLimited || e.RetryAfter != 0 || !strings.Contains(e.Message, "key") {
		t.Errorf("got %v", e)
	}
	if _, e := l.Check(other, Need{Tokens: 100}, noon); e != nil {
		t.Errorf("got %v: the refused request took something", e)
	}
	_, e := l.Check(other, Need{Tokens: 20, MoneyMicros: 6}, noon)
	if code(e) != fault.NoBalance {
		t.Errorf("got %v, want no balance before the rate", e)
	}
}

// TestCommit checks what goes back and what stays, and that a grant ends once.
func TestCommit(t *testing.T) {
	t.Parallel()
	l := rules(
		Rule{"o", Key, "k", TokensPerMinute, 100}, Rule{"o", Key, "k", RequestsPerMinute, 10},
		Rule{"o", Key, "k", Concurrency, 1}, Rule{"o", Key, "k", MoneyMicrosPerDay, 100},
	)
	need := Need{Requests: 1, Slots: 1, Tokens: 80, MoneyMicros: 80}
	left := func() string {
		g, _ := l.Check(caller, Need{}, noon)
		defer l.Release(g, noon)
		return fmt.Sprint(g.requests.left, g.tokens.left, meterOf(l, Key, "k", MoneyMicrosPerDay).left(100), meterOf(l, Key, "k", Concurrency).used)
	}
	g, e := l.Check(caller, need, noon)
	if e != nil {
		t.Fatal(e)
	}
	if got := left(); got != "9 20 20 1" {
		t.Errorf("left %s while it runs", got)
	}
	l.Commit(g, Need{Tokens: 30, MoneyMicros: 110}, noon)
	l.Commit(g, Need{Tokens: 90}, noon)
	l.Release(g, noon)
	if got := left(); got != "9 70 -10 0" {
		t.Errorf("left %s after it ended", got)
	}
	if g, e = l.Check(caller, need, noon); code(e) != fault.NoBalance {
		t.Errorf("got %v", e)
	}
	l.Release(g, noon) // of a refusal: nothing
	g, e = l.Check(caller, Need{Requests: 1, Slots: 1, Tokens: 70}, noon)
	if e != nil {
		t.Fatal(e)
	}
	l.Release(g, noon)
	if got := left(); got != "8 70 -10 0" {
		t.Errorf("left %s after a release", got)
	}
	// What was taken yesterday does not go back today.
	g, e = l.Check(caller, Need{MoneyMicros: 0, Slots: 1}, noon)
	if e != nil {
		t.Fatal(e)
	}
	l.Commit(g, Need{MoneyMicros: 50}, noon.Add(24*time.Hour))
	if got := meterOf(l, Key, "k", MoneyMicrosPerDay).left(100); got != 100 {
		t.Errorf("%d left today, want 100", got)
	}
}

// TestRandomWalk checks after many random grants and ends that everything has
// gone back: the walk sums to what was committed.
func TestRandomWalk(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	const money, slots = 1_000_000, 50
	l := rules(Rule{"o", Organisation, "o", MoneyMicrosPerMonth, money}, Rule{"o", Organisation, "o", Concurrency, slots}, Rule{"o", User, "u", MoneyMicrosPerDay, money})
	var open []Grant
	spent, admitted := int64(0), 0
	for range 20_000 {
		if r.IntN(2) == 0 {
			g, e := l.Check(caller, Need{Requests: 1, Slots: 1, MoneyMicros: r.Int64N(100)}, noon)
			if (e != nil) != (len(open) == slots) && spent < money/2 {
				t.Fatalf("%d under way: %v", len(open), e)
			}
			if e == nil {
				open, admitted = append(open, g), admitted+1
			}
		} else if len(open) > 0 {
			i := r.IntN(len(open))
			cost := r.Int64N(20)
			if r.IntN(3) == 0 {
				l.Release(open[i], noon)
			} else {
				l.Commit(open[i], Need{MoneyMicros: cost}, noon)
				spent += cost
			}
			open = append(open[:i], open[i+1:]...)
		}
	}
	for _, g := range open {
		l.Release(g, noon)
	}
	if got := money - meterOf(l, Organisation, "o", MoneyMicrosPerMonth).left(money); got != spent || admitted < 5000 {
		t.Errorf("%d used after %d grants, want %d", got, admitted, spent)
	}
	if len(l.open) != 0 || meterOf(l, Organisation, "o", Concurrency).used != 0 {
		t.Errorf("%d grants open", len(l.open))
	}
	l.Sweep(noon.Add(48 * time.Hour))
	for sub, st := range l.states {
		if st.meters != [kinds]*meter{} {
			t.Errorf("%v has meters two days later", sub)
		}
	}
	l.SetRules(nil)
	if l.Sweep(noon.Add(48 * time.Hour)); len(l.states) != 0 {
		t.Errorf("%d subjects without rules are remembered", len(l.states))
	}
}

// TestHeader compares with what OpenAI's clients read.
func TestHeader(t *testing.T) {
	t.Parallel()
	l := rules(
		Rule{"o", Organisation, "o", RequestsPerMinute, 60}, Rule{"o", Key, "k", RequestsPerMinute, 3},
		Rule{"o", Organisation, "o", TokensPerMinute, 150_000},
	)
	var g Grant
	for range 3 {
		g, _ = l.Check(caller, Need{Requests: 1, Tokens: 100}, noon)
	}
	h := http.Header{}
	g.Header(h)
	want := http.Header{}
	for k, v := range map[string]string{
		"x-ratelimit-limit-requests": "3", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m0s",
		"x-ratelimit-limit-tokens": "150000", "x-ratelimit-remaining-tokens": "149700", "x-ratelimit-reset-tokens": "120ms",
	} {
		want.Set(k, v)
	}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
	g, e := l.Check(caller, Need{Requests: 1}, noon.Add(500*time.Millisecond))
	g.Header(h)
	if h.Get("Retry-After") != "20" || e.RetryAfter != 19500*time.Millisecond || !strings.Contains(e.Message, "try again in 19.5s") {
		t.Errorf("Retry-After %q, %v, %v", h.Get("Retry-After"), e.RetryAfter, e)
	}
	h = http.Header{}
	g, _ = New(nil).Check(caller, Need{Requests: 1}, noon)
	g.Header(h)
	if len(h) != 0 {
		t.Errorf("without rules the header says %v", h)
	}
}

// TestSetRules changes rules under requests that are under way.
func TestSetRules(t *testing.T) {
	t.Parallel()
	l := New(map[Level]map[Kind]int64{Key: {Concurrency: 1}})
	g, e := l.Check(caller, Need{Slots: 1}, noon)
	if e != nil {
		t.Fatal(e)
	}
	if _, e := l.Check(caller, Need{Slots: 1}, noon); e == nil {
		t.Error("the default does not hold")
	}
	l.SetRules([]Rule{{"o", Key, "k", Concurrency, 2}, {"o", Key, "k", TokensPerMinute, 10}})
	second, e := l.Check(caller, Need{Slots: 1, Tokens: 10}, noon)
	if e != nil {
		t.Error(e)
	}
	l.SetRules(nil)
	l.Release(g, noon)
	l.Commit(second, Need{Tokens: 5}, noon)
	if _, e := l.Check(caller, Need{Slots: 1, Tokens: 1000}, noon); e != nil {
		t.Error(e)
	}
}

// BenchmarkCheck is a request's whole way through eight rules.
func BenchmarkCheck(b *testing.B) {
	l := rules(
		Rule{"o", Organisation, "o", RequestsPerMinute, 1e9}, Rule{"o", Organisation, "o", TokensPerMinute, 1e9}, Rule{"o", Organisation, "o", MoneyMicrosPerDay, 1e12},
		Rule{"o", Project, "p", RequestsPerMinute, 1e9}, Rule{"o", Key, "k", RequestsPerMinute, 1e9}, Rule{"o", Key, "k", TokensPerMinute, 1e9},
		Rule{"o", Key, "k", Concurrency, 100}, Rule{"o", User, "u", MoneyMicrosPerMonth, 1e12},
	)
	now := noon
	for b.Loop() {
		now = now.Add(time.Millisecond)
		g, e := l.Check(caller, Need{Requests: 1, Slots: 1, Tokens: 10, MoneyMicros: 1}, now)
		if e != nil {
			b.Fatal(e)
		}
		l.Commit(g, Need{Tokens: 8, MoneyMicros: 1}, now)
	}
}
