package limit

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kuai/fault"
)

func item(tenant string, class Class, weight, cost int64) *waiter {
	return &waiter{tenant: tenant, class: class, weight: weight, cost: cost}
}

// served pops n and counts them by what a function says.
func served(f *fair, n int, by func(*waiter) string) map[string]int {
	got := map[string]int{}
	for range n {
		if w := f.pop(); w != nil {
			got[by(w)]++
		}
	}
	return got
}

func tenant(w *waiter) string { return w.tenant }

// TestFair checks shares while everybody has work waiting.
func TestFair(t *testing.T) {
	t.Parallel()
	t.Run("a hundred do not starve one", func(t *testing.T) {
		t.Parallel()
		f := newFair()
		for range 100 {
			f.push(item("many", Normal, 1, 1))
		}
		f.pop()
		f.push(item("one", Normal, 1, 1))
		if got := served(f, 2, tenant); got["one"] != 1 {
			t.Errorf("of the next two %v", got)
		}
	})
	t.Run("weights", func(t *testing.T) {
		t.Parallel()
		f := newFair()
		for range 100 {
			f.push(item("a", Normal, 3, 1))
			f.push(item("b", Normal, 1, 1))
		}
		if got := served(f, 80, tenant); got["a"] < 59 || got["a"] > 61 {
			t.Errorf("got %v, want 60 to 20", got)
		}
	})
	t.Run("costs", func(t *testing.T) {
		t.Parallel()
		f := newFair()
		for range 100 {
			f.push(item("large", Normal, 1, 10))
			f.push(item("small", Normal, 1, 1))
		}
		if got := served(f, 55, tenant); got["large"] < 4 || got["large"] > 6 {
			t.Errorf("got %v, want 5 to 50", got)
		}
	})
	t.Run("classes", func(t *testing.T) {
		t.Parallel()
		f := newFair()
		names := map[Class]string{Urgent: "urgent", Normal: "normal", Batch: "batch"}
		for range 300 {
			for c := range names {
				f.push(item("t", c, 1, 1))
			}
		}
		got := served(f, 210, func(w *waiter) string { return names[w.class] })
		if got["urgent"] < 158 || got["urgent"] > 162 || got["normal"] < 38 || got["normal"] > 42 || got["batch"] < 9 {
			t.Errorf("got %v, want 160, 40, 10", got)
		}
	})
	t.Run("idling saves nothing up", func(t *testing.T) {
		t.Parallel()
		f := newFair()
		for range 200 {
			f.push(item("busy", Normal, 1, 1))
		}
		served(f, 100, tenant)
		for range 100 {
			f.push(item("late", Normal, 1, 1))
		}
		if got := served(f, 40, tenant); got["late"] < 19 || got["late"] > 21 {
			t.Errorf("got %v, want 20 to 20", got)
		}
	})
	t.Run("in order", func(t *testing.T) {
		t.Parallel()
		f := newFair()
		var want []*waiter
		for range 10 {
			w := item("t", Normal, 1, 1)
			want = append(want, w)
			f.push(w)
		}
		for i, w := range want {
			if f.pop() != w {
				t.Fatalf("the %d. came out of turn", i)
			}
		}
	})
}

// TestFairRandom pushes, pops and removes at random: nobody is lost, nobody
// comes twice, and what is empty is forgotten.
func TestFairRandom(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 9))
	f := newFair()
	inside := map[*waiter]bool{}
	for range 50_000 {
		switch r.IntN(5) {
		case 0, 1:
			w := item(string(rune('a'+r.IntN(26))), Class(r.IntN(3)), 1+r.Int64N(4), 1+r.Int64N(100))
			inside[w] = true
			f.push(w)
		case 2, 3:
			w := f.pop()
			if (w == nil) != (len(inside) == 0) || (w != nil && !inside[w]) {
				t.Fatalf("got %v with %d inside", w, len(inside))
			}
			if w != nil && f.remove(w) {
				t.Fatal("removed after it was popped")
			}
			delete(inside, w)
		case 4:
			for w := range inside {
				if !f.remove(w) {
					t.Fatal("one who waits was not found")
				}
				delete(inside, w)
				break
			}
		}
		if f.waiting != len(inside) {
			t.Fatalf("%d wait, want %d", f.waiting, len(inside))
		}
	}
	for f.pop() != nil {
		continue
	}
	if len(f.classes.by) != 0 {
		t.Errorf("%d classes remembered of nobody", len(f.classes.by))
	}
}

// TestRebase checks that virtual time can go on for ever.
func TestRebase(t *testing.T) {
	t.Parallel()
	f := newFair()
	for range 50 {
		f.push(item("a", Normal, 1, maxCost))
		f.push(item("b", Normal, 1, maxCost))
	}
	class := f.classes.queue[0]
	class.items[0].now += rebaseAt
	for _, w := range class.items[0].by {
		w.tag += rebaseAt
	}
	served(f, 2, tenant)
	if got := served(f, 60, tenant); got["a"] < 29 || got["a"] > 31 || class.items[0].now > rebaseAt {
		t.Errorf("got %v at %d", got, class.items[0].now)
	}
}

// TestQueue shares two slots between one tenant with a hundred requests and
// one with a few, in a bubble of time.
func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(2, 1000)
		var mu sync.Mutex
		finished := map[string][]time.Duration{}
		begin := time.Now()
		work := func(name string) {
			release, err := q.Acquire(t.Context(), Turn{Tenant: name})
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Second)
			release()
			release() // once is enough
			mu.Lock()
			defer mu.Unlock()
			finished[name] = append(finished[name], time.Since(begin))
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { work("many") })
		}
		synctest.Wait()
		for range 2 {
			wg.Go(func() { work("few") })
		}
		wg.Wait()
		if got := finished["few"]; len(got) != 2 || got[1] > 4*time.Second {
			t.Errorf("the few ended after %v", got)
		}
		if got := finished["many"]; len(got) != 100 || got[99] != 51*time.Second {
			t.Errorf("%d of the many ended, the last after %v", len(got), got[99])
		}
		if q.free != 2 || q.Waiting() != 0 {
			t.Errorf("%d slots free, %d wait", q.free, q.Waiting())
		}
	})
}

// TestQueueLimits checks giving up, and that neither all nor one can wait
// without end.
func TestQueueLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(1, 8)
		release, err := q.Acquire(t.Context(), Turn{Tenant: "t"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var outcomes sync.Map
		for i := range 4 {
			wg.Go(func() {
				_, err := q.Acquire(ctx, Turn{Tenant: "t"})
				outcomes.Store(i, fault.From(err).Code)
			})
		}
		synctest.Wait()
		if q.Waiting() != 2 {
			t.Errorf("%d of one tenant wait, want 2", q.Waiting())
		}
		cancel()
		wg.Wait()
		count := map[any]int{}
		outcomes.Range(func(_, v any) bool { count[v]++; return true })
		if count[fault.Overloaded] != 2 || count[fault.Cancelled] != 2 || q.Waiting() != 0 {
			t.Errorf("got %v, %d wait", count, q.Waiting())
		}
		release()
		if q.free != 1 {
			t.Errorf("%d slots free", q.free)
		}
		dead, end := context.WithCancelCause(t.Context())
		why := errors.New("gone")
		end(why)
		again, err := q.Acquire(t.Context(), Turn{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Acquire(dead, Turn{}); !errors.Is(err, why) {
			t.Errorf("got %v, want the cause", err)
		}
		again()
	})
}
