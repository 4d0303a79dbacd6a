package loopback_test

import (
	"net"
	"testing"

	"kuai/internal/loopback"
)

// TestHost opens a port, closes it and opens it again.
func TestHost(t *testing.T) {
	t.Parallel()
	listen := func(address string) net.Listener {
		t.Helper()
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	for range 20 {
		l := listen(net.JoinHostPort(loopback.Host(), "0"))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		listen(l.Addr().String())
	}
}
