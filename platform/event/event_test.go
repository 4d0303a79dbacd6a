package event_test

import (
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"kuai/internal/loopback"
	"kuai/platform/event"
	"kuai/platform/event/eventtest"
)

func closed(t *testing.T, b event.Bus) event.Bus {
	t.Helper()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestMemory(t *testing.T) {
	t.Parallel()
	eventtest.Run(t, func(t *testing.T) event.Bus { t.Helper(); return closed(t, event.Memory()) })
}

func embedded(t *testing.T) event.Bus {
	t.Helper()
	b, err := event.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, b)
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	eventtest.Run(t, embedded)
}

// outside starts a NATS server that listens on this machine, at port -1 at any.
func outside(t *testing.T, host string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: host, Port: port, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("no NATS server")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func connect(t *testing.T, url string) event.Bus {
	t.Helper()
	b, err := event.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	return closed(t, b)
}

func TestConnect(t *testing.T) {
	t.Parallel()
	s := outside(t, loopback.Host(), -1)
	eventtest.Run(t, func(t *testing.T) event.Bus { t.Helper(); return connect(t, s.ClientURL()) })
}

// TestTwoNodes sends from one connection to another.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	s := outside(t, loopback.Host(), -1)
	a, b := connect(t, s.ClientURL()), connect(t, s.ClientURL())
	got := make(chan event.Message, 10_000)
	if _, err := a.Subscribe("x", func(m event.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	if m := until(t, b, got); string(m.Data) != "hello" {
		t.Errorf("got %q", m.Data)
	}
}

// until sends until something comes: what is sent while a server is away, or
// before the other node has reached it, is lost.
func until(t *testing.T, b event.Bus, got <-chan event.Message) event.Message {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		if err := b.Publish("x", []byte("hello")); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-got:
			return m
		default:
		}
	}
}

// TestServerReturns takes the server away and brings it back: subscriptions
// live on.
func TestServerReturns(t *testing.T) {
	t.Parallel()
	host := loopback.Host()
	s := outside(t, host, -1)
	b := connect(t, s.ClientURL())
	got := make(chan event.Message, 10_000)
	if _, err := b.Subscribe("x", func(m event.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	port := s.Addr().(*net.TCPAddr).Port
	s.Shutdown()
	s.WaitForShutdown()
	if err := b.Publish("x", []byte("into the void")); err != nil {
		t.Errorf("publish while the server is away: %v", err)
	}
	outside(t, host, port)
	until(t, b, got)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"nats://a:4222": true, "a:4222,nats://u:p@b": true, "tls://a": true, "": false, "nats://": false, "http://a": false, "nats://a:x": false,
	} {
		if err := event.Check(address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
	}
}
