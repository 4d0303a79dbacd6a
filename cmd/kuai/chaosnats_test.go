//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// wire carries connections to an address until it is cut.
type wire struct {
	t    *testing.T
	to   string
	l    net.Listener
	mu   sync.Mutex
	cut  bool
	open map[net.Conn]bool
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, to: to, l: l, open: map[net.Conn]bool{}}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			work.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // nobody else does
		w.set(true)
		work.Wait()
	})
	return w
}

// hold notes a connection; false when the wire is cut.
func (w *wire) hold(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cut {
		w.open[c] = true
	}
	return !w.cut
}

// carry copies both ways until either side ends.
func (w *wire) carry(a net.Conn) {
	defer func() { _ = a.Close() }() // twice is fine
	if !w.hold(a) {
		return
	}
	b, err := (&net.Dialer{}).DialContext(w.t.Context(), "tcp", w.to)
	if err != nil {
		return
	}
	defer func() { _ = b.Close() }()
	if !w.hold(b) {
		return
	}
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		ways.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	ways.Wait()
}

// set cuts the wire, or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for c := range w.open {
		if cut {
			_ = c.Close()
			delete(w.open, c)
		}
	}
}

// natsPair runs two servers of NATS that are one cluster through a wire.
func natsPair(t *testing.T) (servers []*server.Server, between *wire) {
	t.Helper()
	var routes []*url.URL
	for i := range 2 {
		o := &server.Options{
			Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, ServerName: fmt.Sprintf("node-%d", i),
			Cluster: server.ClusterOpts{Name: "chaos", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoAdvertise: true, PoolSize: -1}, Routes: routes,
		}
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.Shutdown)
		if !s.ReadyForConnections(readyTime) {
			t.Fatal("NATS does not start")
		}
		servers = append(servers, s)
		if i == 0 {
			between = newWire(t, s.ClusterAddr().String())
			routes = []*url.URL{{Scheme: "nats-route", Host: between.l.Addr().String()}}
		}
	}
	return servers, between
}

// joined waits until the servers hear each other, or do not.
func joined(t *testing.T, servers []*server.Server, want bool) {
	t.Helper()
	for began := time.Now(); (servers[0].NumRoutes() > 0) != want; pause(t.Context(), 10*time.Millisecond) {
		if time.Since(began) > readyTime {
			t.Fatalf("the servers of NATS have %d routes", servers[0].NumRoutes())
		}
	}
}

// TestChaosNATS parts two servers of one database: neither hears the other's
// messages, and both go on.
func TestChaosNATS(t *testing.T) {
	t.Parallel()
	nats, between := natsPair(t)
	joined(t, nats, true)
	dir := t.TempDir()
	c := newTown(t, setting{
		servers: 2, blobs: filepath.Join(dir, "blobs"), database: filepath.Join(dir, "kuai.db"),
		nats: []string{nats[0].ClientURL(), nats[1].ClientURL()},
	})
	load := c.load(t.Context())
	for n := range rounds() {
		pause(t.Context(), time.Second)
		between.set(true)
		joined(t, nats, false)
		pause(t.Context(), time.Second)
		for i := range c.urls {
			a := c.call(t.Context(), i, http.MethodPost, "/v1/chat/completions", "", questions()[0].body)
			if a.status != http.StatusOK {
				t.Errorf("parted, server %d answers %d: %s", i, a.status, a.body)
			}
		}
		c.ready(t)
		c.across(t, n)
		between.set(false)
		joined(t, nats, true)
	}
	c.finish(load)
}

// across watches, at the other server, a job that was asked for at one, until
// it has ended, and cancels another there.
func (c *town) across(t *testing.T, round int) {
	t.Helper()
	id := c.accept(0, fmt.Sprintf("watched-%d", round), round)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.urls[1]+"/api/v1/videos/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(res.Body) // until the stream ends
	if err = errors.Join(err, res.Body.Close()); err != nil || !bytes.Contains(said, []byte(`"completed"`)) {
		t.Errorf("parted, the other server's stream says %s: %v", said, err)
	}
	id = c.accept(0, fmt.Sprintf("cancelled-%d", round), round)
	c.call(t.Context(), 1, http.MethodPost, "/api/v1/videos/"+id+"/cancel", "", nil)
	for began := time.Now(); !c.ended(t.Context(), 0, id); pause(t.Context(), 50*time.Millisecond) {
		if time.Since(began) > readyTime {
			t.Fatalf("parted, %s was cancelled at the other server and goes on", id)
		}
	}
}
