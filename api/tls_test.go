package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"kuai/api/wire"
)

// TestBoth asks one port with TLS and without, beside a connection that says
// nothing, and ends it.
func TestBoth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, err := TLS("", "", dir, "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, Both(l, config), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, wire.Base(r)) }))
	}()
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // nothing was sent

	ask := func(c *http.Client, scheme string) {
		t.Helper()
		url := scheme + "://" + l.Addr().String()
		res, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() //nolint:errcheck // only read
		if body, err := io.ReadAll(res.Body); string(body) != url || err != nil {
			t.Errorf("%s: got %q %v", url, body, err)
		}
	}
	ask(http.DefaultClient, "http")
	if _, err := os.Stat(filepath.Join(dir, "cert.pem")); err == nil {
		t.Error("a certificate was made before anyone wanted it")
	}
	first, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true}) // the certificate is what is looked at
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	pem, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the file")
	}
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	ask(trusting, "https")
	trusting.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	again, err := ownCertificate(dir, nil)
	if err != nil || again.Leaf.VerifyHostname("192.0.2.7") != nil {
		t.Errorf("the certificate was not kept: %v", err)
	}
}

func TestTLSFiles(t *testing.T) {
	t.Parallel()
	if _, err := TLS("none.pem", "", t.TempDir()); err == nil {
		t.Error("a certificate that there is not was taken")
	}
}
