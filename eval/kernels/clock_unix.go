//go:build unix

package kernels

import (
	"time"

	"golang.org/x/sys/unix"

	"kuai/par"
)

// processorTime returns the time that the process has had processors for. The
// kernel adds a running thread's time up at the next tick, or when the thread
// asks for its own, so the workers ask first.
func processorTime(p *par.Pool) time.Duration {
	p.Do(p.Workers(), func(_, _ int) {
		var t unix.Timespec
		start := time.Now()
		for time.Since(start) < 10*time.Microsecond { // so that each gets its turn
			_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
		}
	})
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		return -1
	}
	return time.Duration(t.Nano())
}
