package event_test

import (
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

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

// outside starts a NATS server that listens on this machine.
func outside(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
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
	s := outside(t, -1)
	eventtest.Run(t, func(t *testing.T) event.Bus { t.Helper(); return connect(t, s.ClientURL()) })
}

// TestTwoNodes sends from one connection to another.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	s := outside(t, -1)
	a, b := connect(t, s.ClientURL()), connect(t, s.ClientURL())
	got := make(chan event.Message, 1)
	if _, err := a.Subscribe("x", func(m event.Message) { got <- m }); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish("x", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if m := <-got; string(m.Data) != "hello" {
		t.Errorf("got %q", m.Data)
	}
}

// TestServerReturns takes the server away and brings it back: subscriptions
// live on.
func TestServerReturns(t *testing.T) {
	t.Parallel()
	s := outside(t, -1)
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
	outside(t, port)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		if err := b.Publish("x", []byte("again")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-got:
			tick.Stop()
			return
		default:
		}
	}
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
