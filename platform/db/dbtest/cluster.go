//go:build linux

package dbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Cluster is a PostgreSQL of one test's own, which it may take away. What was
// committed outlives a crash of it, though not one of the machine.
type Cluster struct {
	tb       testing.TB
	bin, dir string
	who      *syscall.SysProcAttr
	settings []string
	postgres *exec.Cmd // nil: it does not run
}

// NewCluster starts a PostgreSQL until the test ends, or skips the test where
// none can be. Settings such as fsync=on come after those that make tests fast.
func NewCluster(tb testing.TB, settings ...string) *Cluster {
	tb.Helper()
	bin, err := binaries()
	if err != nil {
		tb.Skip(err)
	}
	dir, who, err := initialise(tb.Context(), bin)
	if errors.Is(err, errNone) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	c := &Cluster{tb: tb, bin: bin, dir: dir, who: who, settings: settings}
	tb.Cleanup(func() {
		if c.postgres != nil {
			c.Crash()
		}
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	c.Start()
	return c
}

// URL is that of its database.
func (c *Cluster) URL() string { return address(c.dir, "postgres") }

// Start starts it, again after a crash, and waits until it answers.
func (c *Cluster) Start() {
	c.tb.Helper()
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.tb.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	args := []string{"-D", filepath.Join(c.dir, "data"), "-k", c.dir}
	for _, s := range append([]string{"listen_addresses=", "fsync=off", "shared_buffers=32MB", "logging_collector=off"}, c.settings...) {
		args = append(args, "-c", s)
	}
	p := exec.Command(filepath.Join(c.bin, "postgres"), args...) //nolint:noctx // Crash ends it
	own := syscall.SysProcAttr{}
	if c.who != nil {
		own = *c.who
	}
	own.Setpgid, own.Pdeathsig = true, syscall.SIGQUIT
	p.SysProcAttr, p.Dir, p.Stdout, p.Stderr = &own, "/", log, log
	if err := p.Start(); err != nil {
		c.tb.Fatal(err)
	}
	c.postgres = p
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.tb.Context()), startTimeout)
	defer cancel()
	if err := ready(ctx, c.dir); err != nil {
		c.tb.Fatal(err)
	}
}

// Crash ends it at once, as a loss of its processes does: the next start has to
// recover.
func (c *Cluster) Crash() {
	c.tb.Helper()
	if err := c.postgres.Process.Signal(syscall.SIGQUIT); err != nil {
		c.tb.Error(err)
	}
	_ = c.postgres.Wait() // it was ended
	c.postgres = nil
}

// Freeze stops all its processes where they are: connections stay open and
// nobody answers, as when a network swallows packets.
func (c *Cluster) Freeze() { c.signal(syscall.SIGSTOP) }

// Thaw lets them go on.
func (c *Cluster) Thaw() { c.signal(syscall.SIGCONT) }

// signal reaches the first process before its children: once that has stopped,
// there are no new ones.
func (c *Cluster) signal(s syscall.Signal) {
	c.tb.Helper()
	send := func(pid int) {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			c.tb.Error(err)
		}
	}
	send(c.postgres.Process.Pid)
	for _, pid := range children(c.postgres.Process.Pid) {
		send(pid)
	}
}

// Processor is how much of processors its processes have used, those that have
// ended left out.
func (c *Cluster) Processor() time.Duration {
	ticks := int64(0)
	for _, pid := range append(children(c.postgres.Process.Pid), c.postgres.Process.Pid) {
		fields := statOf(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		for _, i := range []int{11, 12} { // utime, stime
			if len(fields) > i {
				n, _ := strconv.ParseInt(fields[i], 10, 64) // the kernel writes numbers
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * (time.Second / 100) // Linux counts hundredths for all programs
}

// statOf reads what stands after the name of a process; nil if it has ended.
func statOf(path string) []string {
	stat, err := os.ReadFile(path) //nolint:gosec // of the system
	if err != nil {
		return nil
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // the name may hold anything else
	return strings.Fields(string(rest))
}

// children are the processes that one has started.
func children(parent int) (all []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, path := range found {
		fields := statOf(path)
		if len(fields) > 1 && fields[1] == fmt.Sprint(parent) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}
