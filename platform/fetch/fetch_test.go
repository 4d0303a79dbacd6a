package fetch

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"kuai/fault"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		addr string
		want bool
	}{
		{"8.8.8.8", true},
		{"1.1.1.1", true},
		{"2606:4700::1111", true},
		{"::ffff:8.8.8.8", true},
		{"127.0.0.1", false},
		{"127.1.2.3", false},
		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"10.0.0.1", false},
		{"172.16.0.1", false},
		{"172.31.255.255", false},
		{"192.168.1.1", false},
		{"169.254.169.254", false},
		{"100.100.100.200", false},
		{"168.63.129.16", false},
		{"192.0.0.192", false},
		{"198.18.0.1", false},
		{"224.0.0.1", false},
		{"239.1.1.1", false},
		{"255.255.255.255", false},
		{"250.0.0.1", false},
		{"::1", false},
		{"::", false},
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"fc00::1", false},
		{"fd00:ec2::254", false},
		{"ff02::1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:10.0.0.1", false},
		{"::127.0.0.1", false},
		{"64:ff9b::7f00:1", false},
		{"64:ff9b::a9fe:a9fe", false},
		{"2002:7f00:1::", false},
		{"2001:0:1::", false},
		{"fec0::1", false},
	} {
		if got := Public(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("Public(%s) = %v", tt.addr, got)
		}
	}
}

// at is the address of a test server, for Exempt.
func at(t *testing.T, s *httptest.Server) netip.AddrPort {
	t.Helper()
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

func TestGet(t *testing.T) {
	t.Parallel()
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the private server was asked") }))
	defer secret.Close()
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write([]byte("12345"))
		case "/inward":
			http.Redirect(w, r, secret.URL, http.StatusFound)
		case "/name":
			http.Redirect(w, r, "http://localhost:"+strings.Split(secret.URL, ":")[2], http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer open.Close()
	c := New(Options{Exempt: []netip.AddrPort{at(t, open)}})
	data, kind, err := c.Get(t.Context(), open.URL+"/ok", 5)
	if err != nil || string(data) != "12345" || kind != "image/png" {
		t.Errorf("%q, %s, %v", data, kind, err)
	}
	if _, _, err := c.Get(t.Context(), open.URL+"/ok", 4); fault.From(err).Code != fault.TooLarge {
		t.Errorf("too large: %v", err)
	}
	for _, u := range []string{
		open.URL + "/inward", open.URL + "/name", open.URL + "/file", open.URL + "/loop", open.URL + "/cut", open.URL + "/none",
		secret.URL, "http://localhost:" + strings.Split(secret.URL, ":")[2], "http://0x7f000001/", "http://2130706433/", "http://127.1/", "http://[::ffff:127.0.0.1]/",
		"file:///etc/passwd", "gopher://x/", "http:///x", "http://u:p@example.com/", "http:opaque", "\n", "http://x/" + strings.Repeat("x", maxURL),
	} {
		if _, _, err := c.Get(t.Context(), u, 5); err == nil || fault.From(err).Code != fault.Invalid {
			t.Errorf("%.60s: %v, want invalid", u, err)
		}
	}
	all := New(Options{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if _, _, err := all.Get(t.Context(), open.URL+"/ok", 5); err != nil {
		t.Errorf("a private network that is allowed: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for u, ok := range map[string]bool{
		"https://example.com/x": true, "http://8.8.8.8": true, "http://10.0.0.1": false, "http://[::1]/": false, "ftp://x": false, "": false,
		"https://x/" + strings.Repeat("x", maxURL): false,
	} {
		if err := Check(u); (err == nil) != ok {
			t.Errorf("%.40s: %v", u, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, u := range []string{"https://example.com", "http://127.0.0.1", "http://[::1%25eth0]", "http://a@b", "//x"} {
		f.Add(u)
	}
	f.Fuzz(func(_ *testing.T, u string) { _ = Check(u) })
}
