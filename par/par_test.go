package par

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestDoRunsEachTaskOnce(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2, 4} {
		p := New(workers)
		for _, n := range []int{0, 1, 2, 3, 100} {
			for range 200 {
				counts := make([]atomic.Int32, n)
				p.Do(n, func(task, worker int) {
					if worker < 0 || worker >= workers {
						t.Errorf("worker %d of %d", worker, workers)
					}
					counts[task].Add(1)
				})
				for i := range counts {
					if c := counts[i].Load(); c != 1 {
						t.Fatalf("workers %d: task %d of %d ran %d times", workers, i, n, c)
					}
				}
			}
		}
		p.Close()
		p.Do(3, func(int, int) {}) // after Close it still runs, alone
	}
}

func TestDoNested(t *testing.T) {
	t.Parallel()
	p := New(2)
	defer p.Close()
	var n atomic.Int32
	p.Do(8, func(int, int) {
		p.Do(8, func(int, int) { n.Add(1) })
	})
	if n.Load() != 64 {
		t.Errorf("%d inner tasks ran, want 64", n.Load())
	}
	var none *Pool
	none.Do(3, func(int, int) { n.Add(1) })
	if n.Load() != 67 || none.Workers() != 1 {
		t.Errorf("a nil pool ran %d tasks, want 3", n.Load()-64)
	}
}

func TestDoHandsOnPanic(t *testing.T) {
	t.Parallel()
	p := New(2)
	defer p.Close()
	for range 50 {
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("recovered %v, want boom", v)
				}
			}()
			p.Do(10, func(task, _ int) {
				if task == 7 {
					panic("boom")
				}
			})
			t.Error("Do returned after a panic")
		}()
	}
	ran := false
	p.Do(1, func(int, int) { ran = true })
	if !ran {
		t.Error("the pool is dead after a panic")
	}
}

// TestDoAfterParking gives the workers time to park, then wakes them.
func TestDoAfterParking(t *testing.T) {
	t.Parallel()
	p := New(2)
	defer p.Close()
	for range 20 {
		time.Sleep(3 * time.Millisecond)
		stop := p.Hot()
		var n atomic.Int32
		p.Do(64, func(int, int) { n.Add(1) })
		stop()
		if n.Load() != 64 {
			t.Fatalf("%d tasks ran, want 64", n.Load())
		}
	}
}

func TestDoAllocatesNothing(t *testing.T) {
	p := New(2)
	defer p.Close()
	var sum atomic.Int64
	f := func(task, _ int) { sum.Add(int64(task)) }
	if n := testing.AllocsPerRun(100, func() { p.Do(16, f) }); n != 0 {
		t.Errorf("%v allocations a Do, want 0", n)
	}
}
