package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kuai/format/atomicfile"
)

const (
	sniffTimeout = 10 * time.Second // for a connection's first byte
	maxSniffing  = 1024             // connections that have sent none yet
	helloByte    = 0x16             // begins a TLS handshake, and no request of HTTP

	certTime  = 825 * 24 * time.Hour // what browsers take at most
	certRenew = 30 * 24 * time.Hour
)

// Both answers TLS and plain HTTP on one listener: the first byte of a
// connection tells them apart. config gives the certificate.
func Both(l net.Listener, config *tls.Config) net.Listener {
	b := &both{Listener: l, config: config, ready: make(chan net.Conn), failed: make(chan error, 1), closed: make(chan struct{}), free: make(chan struct{}, maxSniffing)}
	b.loops.Go(b.accept)
	return b
}

type both struct {
	net.Listener
	config *tls.Config
	ready  chan net.Conn
	failed chan error
	closed chan struct{}
	once   sync.Once
	free   chan struct{} // a place for each connection that is being looked at
	loops  sync.WaitGroup
}

func (b *both) accept() {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			b.failed <- err
			return
		}
		select {
		case b.free <- struct{}{}:
		case <-b.closed:
			_ = c.Close()
			continue
		}
		b.loops.Go(func() { b.sniff(c) })
	}
}

// sniff waits for a connection's first byte, so that none holds up others.
func (b *both) sniff(c net.Conn) {
	defer func() { <-b.free }()
	stop := make(chan struct{})
	defer close(stop)
	b.loops.Go(func() { // a listener that closes wakes those that wait
		select {
		case <-b.closed:
			_ = c.SetReadDeadline(time.Now())
		case <-stop:
		}
	})
	p := &peeked{Conn: c}
	_ = c.SetReadDeadline(time.Now().Add(sniffTimeout))
	if n, err := c.Read(p.first[:]); n == 0 || err != nil {
		_ = c.Close() // it sent nothing: there is nobody to tell
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	p.has = true
	out := net.Conn(p)
	if p.first[0] == helloByte {
		out = tls.Server(p, b.config)
	}
	select {
	case b.ready <- out:
	case <-b.closed:
		_ = c.Close()
	}
}

// Accept returns the next connection that has sent a byte.
func (b *both) Accept() (net.Conn, error) {
	select {
	case c := <-b.ready:
		return c, nil
	case err := <-b.failed:
		return nil, err
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener, and waits for what it began.
func (b *both) Close() error {
	var err error
	b.once.Do(func() {
		close(b.closed)
		err = b.Listener.Close()
		b.loops.Wait()
	})
	return err
}

// peeked is a connection whose first byte has been looked at.
type peeked struct {
	net.Conn
	first [1]byte
	has   bool
}

// Read gives the byte back first.
func (p *peeked) Read(b []byte) (int, error) {
	if p.has && len(b) > 0 {
		p.has = false
		b[0] = p.first[0]
		return 1, nil
	}
	return p.Conn.Read(b)
}

// TLS returns a configuration with the certificate of two files, or, if they
// are not named, with one that Kuai makes and signs itself when a client first
// wants it, and keeps in dir. hosts are what it is for besides this machine.
func TLS(certFile, keyFile, dir string, hosts ...string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if certFile != "" || keyFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
		return config, nil
	}
	own := sync.OnceValues(func() (*tls.Certificate, error) { return ownCertificate(dir, hosts) })
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own() }
	return config, nil
}

// ownCertificate reads the certificate of a directory, or makes one.
func ownCertificate(dir string, hosts []string) (*tls.Certificate, error) {
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil && time.Until(pair.Leaf.NotAfter) > certRenew {
		return &pair, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("api: %w", err)
	}
	cert, key, err := selfSigned(hosts)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if err := atomicfile.WriteBytes(keyFile, key); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if err := os.Chmod(keyFile, 0o600); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if err := atomicfile.WriteBytes(certFile, cert); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if pair, err = tls.X509KeyPair(cert, key); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return &pair, nil
}

// selfSigned makes a certificate for this machine and hosts, as PEM.
func selfSigned(hosts []string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Kuai on this machine"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certTime),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, // so that a client can be told to trust it
	}
	if name, err := os.Hostname(); err == nil {
		hosts = append(slices.Clone(hosts), name)
	}
	for _, h := range append([]string{"localhost", "127.0.0.1", "::1"}, hosts...) {
		switch ip := net.ParseIP(h); {
		case ip != nil && !ip.IsUnspecified():
			t.IPAddresses = append(t.IPAddresses, ip)
		case ip == nil && h != "":
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}
