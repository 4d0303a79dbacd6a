package limit

import (
	"math/rand/v2"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC)

// TestBucketProperty draws requests at random times and checks, over every
// interval, that what was granted is at most a full bucket and what flowed in,
// and that nothing is refused that fits into that.
func TestBucketProperty(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		amount := 1 + r.Int64N(1000)
		m, now := newMeter(minute, amount, noon), noon
		type event struct {
			at time.Time
			n  int64
		}
		var granted []event
		for range 60 {
			now = now.Add(time.Duration(r.Int64N(int64(10 * time.Second))))
			m.advance(amount, now)
			n := 1 + r.Int64N(amount)
			if !m.fits(amount, n) {
				wait, ever := m.wait(amount, n, now)
				if !ever || wait <= 0 || wait > time.Minute {
					t.Fatalf("seed %d: %d of %d refused for %v, %t", seed, n, amount, wait, ever)
				}
				early, late := *m, *m
				early.advance(amount, now.Add(wait-2*time.Microsecond))
				late.advance(amount, now.Add(wait))
				if early.fits(amount, n) && wait > 2*time.Microsecond || !late.fits(amount, n) {
					t.Fatalf("seed %d: the wait of %v is not the least", seed, wait)
				}
				continue
			}
			m.take(amount, n)
			granted = append(granted, event{now, n})
		}
		for i := range granted {
			sum := int64(0)
			for _, e := range granted[i:] {
				sum += e.n
				if most := amount*minuteMicros + e.at.Sub(granted[i].at).Microseconds()*amount + amount; sum*minuteMicros > most {
					t.Fatalf("seed %d: %d granted within %v at %d per minute", seed, sum, e.at.Sub(granted[i].at), amount)
				}
			}
		}
	}
}

// TestBucket checks the edges: giving back, debt, a clock that jumps, rules
// that change.
func TestBucket(t *testing.T) {
	t.Parallel()
	m := newMeter(minute, 60, noon)
	m.take(60, 50)
	m.take(60, -80) // never above full
	if got := m.left(60); got != 60 {
		t.Errorf("left %d, want 60", got)
	}
	m.take(60, 90)
	if got := m.left(60); got != -30 {
		t.Errorf("left %d after more than there was, want -30", got)
	}
	if d, ok := m.wait(60, 1, noon); d != 31*time.Second || !ok {
		t.Errorf("wait %v, want 31s", d)
	}
	m.advance(60, noon.Add(-time.Hour)) // the clock is set back
	m.advance(60, noon.Add(-time.Hour).Add(31*time.Second))
	if got := m.left(60); got != 1 {
		t.Errorf("left %d after 31 s, want 1", got)
	}
	m.advance(60, noon.Add(1000*time.Hour))
	if got := m.left(60); got != 60 {
		t.Errorf("left %d after weeks, want 60", got)
	}
	m.take(60, 50)
	m.resize(60, 20)
	if got := m.left(20); got != 0 {
		t.Errorf("left %d of a smaller rule, want 0", got)
	}
	m.resize(20, 100)
	if got := m.left(100); got != 80 {
		t.Errorf("left %d of a larger rule, want 80", got)
	}
	if _, ever := m.wait(100, 101, noon); ever {
		t.Error("more than a bucket holds fits some day")
	}
	for range 10 {
		m.take(MaxAmount, 1<<62) // as much as a number holds
	}
	m.advance(MaxAmount, noon.Add(2000*time.Hour))
	if got := m.left(MaxAmount); got != MaxAmount {
		t.Errorf("left %d, want all", got)
	}
	zero := newMeter(minute, 0, noon)
	zero.advance(0, noon.Add(time.Hour))
	if zero.fits(0, 1) || !zero.fits(0, 0) {
		t.Error("a limit of nothing lets something through, or not even nothing")
	}
}

// TestWindow checks days and months at their borders.
func TestWindow(t *testing.T) {
	t.Parallel()
	d, m := newMeter(day, 10, noon), newMeter(month, 10, noon)
	for _, x := range []*meter{d, m} {
		x.take(10, 10)
		if x.fits(10, 1) {
			t.Error("11 of 10")
		}
		if wait, _ := x.wait(10, 1, noon); wait != 12*time.Hour {
			t.Errorf("wait %v, want 12h: it is the last of May", wait)
		}
		x.advance(10, noon.Add(-24*time.Hour)) // back: stays used
		if x.fits(10, 1) {
			t.Error("yesterday's clock gave a new day")
		}
		x.advance(10, noon.Add(12*time.Hour-1))
		if x.fits(10, 1) {
			t.Error("a new day before midnight")
		}
		x.advance(10, noon.Add(12*time.Hour))
		if x.left(10) != 10 {
			t.Errorf("%d left in June", x.left(10))
		}
		x.take(10, -5)
		if x.left(10) != 10 {
			t.Errorf("%d left after giving back yesterday's", x.left(10))
		}
	}
}

// FuzzMeter takes and gives back in any order: no panic, nothing above full.
func FuzzMeter(f *testing.F) {
	f.Add(int64(10), int64(5), int64(1_000_000), byte(1))
	f.Add(int64(MaxAmount), int64(-1<<63), int64(1<<62), byte(2))
	f.Fuzz(func(t *testing.T, amount, n, micros int64, kind byte) {
		amount = min(max(amount, 0), MaxAmount)
		m := newMeter([]span{minute, day, month}[kind%3], amount, noon)
		for range 3 {
			if m.span == minute || (n < 1<<60 && n > -1<<60) {
				m.take(amount, n)
			}
			m.advance(amount, noon.Add(time.Duration(micros%(1<<50))*time.Microsecond))
			if m.left(amount) > amount {
				t.Errorf("%d left of %d", m.left(amount), amount)
			}
		}
	})
}
