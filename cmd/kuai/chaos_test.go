//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// killsFlag makes TestChaos a long run: make chaos KILLS=200.
var killsFlag = flag.Int("kills", 0, "how many processes TestChaos kills; 0 is a few")

const (
	shortKills = 4
	restEvery  = 50 // kills, after which all jobs may end
	tellEvery  = 10 // kills
)

// TestChaos kills a server and two workers at random moments under load, and
// starts them again. A kill counts when the process was alive and SIGKILL is
// what it died of. At the end every job that was accepted has ended once, its
// money with it, the books agree, no money is set aside and every file is what
// its checksum says.
func TestChaos(t *testing.T) {
	t.Parallel()
	ctx, kills := t.Context(), shortKills
	if *killsFlag > 0 {
		kills = *killsFlag
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	} else {
		t.Logf("%d kills; make chaos KILLS=200 makes 200", kills)
	}
	c := newTown(t, setting{workers: 2})
	load := c.load(ctx)
	tally, err := c.reap(ctx, kills)
	if err != nil {
		load()
		t.Fatalf("%v after %s", err, tally)
	}
	c.ready(t)
	pause(ctx, time.Second)
	load()
	c.rest(ctx)
	if ctx.Err() != nil {
		t.Fatalf("interrupted after %s", tally)
	}
	c.end()
	c.check()
	t.Logf("%s; %s", tally, c.told())
	if tally.kills() != kills {
		t.Errorf("%d kills, want %d", tally.kills(), kills)
	}
}

// tally is who died.
type tally struct {
	killed map[string]int // by kind: of SIGKILL, and they were alive
	alone  int            // that were found dead of something else
	began  time.Time
}

func (y *tally) kills() (n int) {
	for _, k := range y.killed {
		n += k
	}
	return n
}

// String is one line for people.
func (y *tally) String() string {
	return fmt.Sprintf("%d kills (%d of the server, %d of workers; %d had ended by themselves and do not count) in %v",
		y.kills(), y.killed["server"], y.killed["worker"], y.alone, time.Since(y.began).Round(time.Second))
}

// reap kills so many processes at random moments. Now and then all jobs may
// end, so that what waits stays bounded.
func (c *town) reap(ctx context.Context, kills int) (*tally, error) {
	y := &tally{killed: map[string]int{}, began: time.Now()}
	for n := 0; n < kills; {
		pause(ctx, time.Duration(rand.Int64N(int64(800*time.Millisecond))))
		if ctx.Err() != nil {
			return y, fmt.Errorf("interrupted")
		}
		v := c.all()[rand.IntN(len(c.all()))]
		if v.kill() {
			y.killed[v.kind]++
			n++
		} else {
			y.alone++
		}
		v.start(c.t)
		if v.kind == "server" && rand.IntN(4) > 0 { // else the next blow may come while it starts
			c.ready(c.t)
		}
		if n%tellEvery == 0 && v.dead {
			c.t.Logf("%s; %s", y, c.told())
		}
		if n%restEvery == 0 && v.dead {
			c.ready(c.t)
			c.rest(ctx)
		}
	}
	return y, nil
}

// load begins to use the town, and returns what ends that.
func (c *town) load(ctx context.Context) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	for i := range submitters {
		work.Go(func() { c.submit(ctx, i) })
	}
	for i := range chatters {
		work.Go(func() { c.chat(ctx, i) })
	}
	return func() {
		stop()
		work.Wait()
	}
}

// pause waits, as the one who kills does: that is no test of time.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// told says what the load came to.
func (c *town) told() string {
	var refused []string
	c.mu.Lock()
	defer c.mu.Unlock()
	for status, n := range c.statuses {
		refused = append(refused, fmt.Sprintf("%d of %d", n, status))
	}
	return fmt.Sprintf("%d jobs accepted, %d chats answered; answers by status: %s", len(c.jobs), c.chats, strings.Join(refused, ", "))
}
