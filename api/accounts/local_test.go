package accounts_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"kuai/api/accounts"
)

// TestLocal: only this machine, asking this machine by its own name, is its
// owner; pages elsewhere and proxies are not.
func TestLocal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		peer, host, forwarded string
		want                  bool
	}{
		"by address":    {"127.0.0.1:9", "127.0.0.1:8080", "", true},
		"by name":       {"127.0.0.1:9", "localhost:8080", "", true},
		"of version 6":  {"[::1]:9", "[::1]:8080", "", true},
		"without port":  {"127.0.0.1:9", "LOCALHOST", "", true},
		"rebound name":  {"127.0.0.1:9", "evil.example:8080", "", false},
		"elsewhere":     {"192.0.2.7:9", "127.0.0.1:8080", "", false},
		"through proxy": {"127.0.0.1:9", "127.0.0.1:8080", "192.0.2.7", false},
		"nowhere":       {"", "127.0.0.1", "", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/me", nil)
		r.RemoteAddr, r.Host = tt.peer, tt.host
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := accounts.Local(r); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}
