package job

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestNext(t *testing.T) {
	t.Parallel()
	held := func(s State) Standing { return Standing{State: s, Attempt: 2, Failures: 1, Allowed: 3} }
	with := func(s Standing, f func(*Standing)) Standing { f(&s); return s }
	later := noon.Add(time.Minute)
	for _, tt := range []struct {
		name  string
		from  Standing
		event Event
		want  Standing
		do    []Action
		err   error
	}{
		{"a claim takes the next attempt", Standing{State: Queued}, Event{Kind: Claim, At: noon}, Standing{State: Running, Attempt: 1}, nil, nil},
		{"a claim before its time", Standing{State: Queued, NotBefore: later}, Event{Kind: Claim, At: noon}, Standing{State: Queued, NotBefore: later}, nil, ErrNotReady},
		{"a claim of what another has", held(Running), Event{Kind: Claim, At: noon}, held(Running), nil, ErrNotReady},
		{"made", held(Running), Event{Kind: Finalise, Attempt: 2}, held(Finalising), nil, nil},
		{"stored", held(Finalising), Event{Kind: Finish, Attempt: 2}, held(Done), []Action{Settle}, nil},
		{"stored at once", held(Running), Event{Kind: Finish, Attempt: 2}, held(Done), []Action{Settle}, nil},
		{"stored, said twice", held(Done), Event{Kind: Finish, Attempt: 2}, held(Done), nil, nil},
		{"stored by a stale attempt", held(Running), Event{Kind: Finish, Attempt: 1}, held(Running), nil, ErrLost},
		{"stored by a stale attempt after the end", held(Done), Event{Kind: Finish, Attempt: 1}, held(Done), nil, ErrLost},
		{"stored after a cancellation", held(Cancelled), Event{Kind: Finish, Attempt: 2}, held(Cancelled), nil, ErrLost},
		{"stored while it is queued again", held(Queued), Event{Kind: Finish, Attempt: 2}, held(Queued), nil, ErrLost},
		{
			"failed, attempts left", held(Running),
			Event{Kind: Fail, Attempt: 2, At: noon, Jitter: 0.5},
			with(held(Queued), func(s *Standing) { s.Failures, s.NotBefore = 2, noon.Add(2*time.Second) }),
			[]Action{Wake},
			nil,
		},
		{
			"failed for the last time", with(held(Running), func(s *Standing) { s.Failures = 2 }),
			Event{Kind: Fail, Attempt: 2, At: noon},
			with(held(Failed), func(s *Standing) { s.Failures, s.Dead = 3, true }),
			[]Action{Refund, Bury},
			nil,
		},
		{
			"failed for good", held(Finalising),
			Event{Kind: Fail, Attempt: 2, At: noon, Permanent: true},
			with(held(Failed), func(s *Standing) { s.Failures = 2 }),
			[]Action{Refund},
			nil,
		},
		{
			"lapsed", held(Finalising),
			Event{Kind: Lapse, Attempt: 2, At: noon},
			with(held(Queued), func(s *Standing) { s.Failures, s.NotBefore = 2, noon.Add(time.Second) }),
			[]Action{Wake},
			nil,
		},
		{"lapsed, but another has it", held(Running), Event{Kind: Lapse, Attempt: 1, At: noon}, held(Running), nil, ErrLost},
		{"handed back", held(Running), Event{Kind: Return, Attempt: 2}, held(Queued), []Action{Wake}, nil},
		{"cancelled in the queue", held(Queued), Event{Kind: Cancel}, held(Cancelled), []Action{Refund}, nil},
		{"cancelled at work", held(Running), Event{Kind: Cancel}, held(Cancelled), []Action{Stop, Refund}, nil},
		{"cancelled while it is stored", held(Finalising), Event{Kind: Cancel}, with(held(Finalising), func(s *Standing) { s.Cancelling = true }), nil, nil},
		{
			"cancelled while it was stored, then lapsed", with(held(Finalising), func(s *Standing) { s.Cancelling = true }),
			Event{Kind: Lapse, Attempt: 2, At: noon},
			with(held(Cancelled), func(s *Standing) { s.Cancelling, s.Failures = true, 2 }),
			[]Action{Refund},
			nil,
		},
		{
			"cancelled while it was stored, then handed back", with(held(Finalising), func(s *Standing) { s.Cancelling = true }),
			Event{Kind: Return, Attempt: 2},
			with(held(Cancelled), func(s *Standing) { s.Cancelling = true }),
			[]Action{Refund},
			nil,
		},
		{"cancelled when done", held(Done), Event{Kind: Cancel}, held(Done), nil, nil},
		{
			"expired in the queue", with(held(Queued), func(s *Standing) { s.Expires = noon }),
			Event{Kind: Expire, At: noon},
			with(held(Expired), func(s *Standing) { s.Expires = noon }),
			[]Action{Refund},
			nil,
		},
		{
			"expired at work", with(held(Running), func(s *Standing) { s.Expires = noon }),
			Event{Kind: Expire, At: noon},
			with(held(Expired), func(s *Standing) { s.Expires = noon }),
			[]Action{Stop, Refund},
			nil,
		},
		{"expired too early", held(Queued), Event{Kind: Expire, At: noon}, held(Queued), nil, ErrNotReady},
		{
			"expired while it is stored", with(held(Finalising), func(s *Standing) { s.Expires = noon }),
			Event{Kind: Expire, At: noon},
			with(held(Finalising), func(s *Standing) { s.Expires = noon }), nil, ErrNotReady,
		},
		{
			"a dead letter revived", with(held(Failed), func(s *Standing) { s.Dead, s.Failures = true, 3 }),
			Event{Kind: Revive},
			with(held(Queued), func(s *Standing) { s.Failures = 0 }),
			[]Action{Wake},
			nil,
		},
		{"revived, but not dead", held(Failed), Event{Kind: Revive}, held(Failed), nil, ErrNotReady},
		{"an unknown event", held(Running), Event{Kind: "sing"}, held(Running), nil, ErrNotReady},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, do, err := Next(tt.from, tt.event)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("standing (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.do, do); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
		})
	}
}

// TestNextWalks takes random walks: whatever happens in whatever order, money
// moves exactly once, at the end, and attempts only ever grow.
func TestNextWalks(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 6))
	kinds := []Kind{Claim, Claim, Finalise, Finish, Fail, Return, Lapse, Cancel, Expire}
	for walk := range 5000 {
		s := Standing{State: Queued, Allowed: 1 + r.IntN(3), Expires: noon.Add(time.Duration(r.IntN(100)) * time.Second)}
		money, at := 0, noon
		for range 40 {
			at = at.Add(time.Duration(r.IntN(20)) * time.Second)
			e := Event{Kind: kinds[r.IntN(len(kinds))], Attempt: max(0, s.Attempt-r.IntN(2)), At: at, Permanent: r.IntN(8) == 0, Jitter: r.Float64()}
			next, do, err := Next(s, e)
			if err != nil && (next != s || do != nil) {
				t.Fatalf("walk %d: a refused %s changed %+v to %+v, %v", walk, e.Kind, s, next, do)
			}
			if next.Attempt < s.Attempt || s.State.Final() && next.State != s.State {
				t.Fatalf("walk %d: %s took %+v to %+v", walk, e.Kind, s, next)
			}
			for _, a := range do {
				if a == Settle || a == Refund {
					money++
				}
				if a == Settle && next.State != Done || a == Refund && (next.State == Done || !next.State.Final()) {
					t.Fatalf("walk %d: %s at %s", walk, a, next.State)
				}
			}
			s = next
		}
		if money > 1 || (money == 1) != s.State.Final() {
			t.Fatalf("walk %d: money moved %d times: %+v", walk, money, s)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		failures int
		jitter   float64
		want     time.Duration
	}{
		{0, 0.5, time.Second},
		{1, 0, 500 * time.Millisecond},
		{1, 0.5, time.Second},
		{4, 0.5, 8 * time.Second},
		{4, 0.75, 10 * time.Second},
		{5000, 0.5, 5 * time.Minute},
	} {
		if got := Backoff(tt.failures, tt.jitter); got != tt.want {
			t.Errorf("Backoff(%d, %v) = %v, want %v", tt.failures, tt.jitter, got, tt.want)
		}
	}
}
