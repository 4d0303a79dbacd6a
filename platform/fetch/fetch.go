// Package fetch asks servers whose addresses come from customers: images to
// begin a clip with, call-backs. It refuses to be sent to where only this
// machine and its neighbours can go. The address is looked at when the
// connection is made, after the name was resolved and at every redirect, so
// that no name can lead elsewhere in between.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"kuai/fault"
)

const (
	defaultTimeout = 30 * time.Second
	dialTimeout    = 5 * time.Second
	headerTimeout  = 15 * time.Second
	maxHeader      = 64 << 10
	maxRedirects   = 5
	maxURL         = 2048 // bytes
	maxPerHost     = 8    // connections
)

// refused are networks that are no public ones, beyond those that netip knows:
// https://www.iana.org/assignments/iana-ipv4-special-registry and its like for
// IPv6.
var refused = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),    // carriers' NAT; Alibaba's metadata at 100.100.100.200
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's own address within its machines
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),          // IPv4 in IPv6
	netip.MustParsePrefix("64:ff9b::/96"),   // NAT64: any IPv4
	netip.MustParsePrefix("64:ff9b:1::/48"), // the same, local
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo and others that carry IPv4
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4
	netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fec0::/10"), // site-local of old
}

// Public says whether an address is one of the open Internet.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	return !slices.ContainsFunc(refused, func(p netip.Prefix) bool { return p.Contains(a) })
}

// errPrivate is the cause of a refused connection.
var errPrivate = errors.New("fetch: not an address of the open Internet")

// Options of a client. The zero value is the safe one.
type Options struct {
	Timeout time.Duration    // of a whole exchange; 0 is 30 seconds
	Private []netip.Prefix   // networks that are fine although they are private
	Exempt  []netip.AddrPort // the same for single ports
}

// Client asks servers. Goroutines may share it.
type Client struct {
	http *http.Client
	o    Options
}

// New returns a client.
func New(o Options) *Client {
	c := &Client{o: o}
	dialer := &net.Dialer{Timeout: dialTimeout, ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
		return c.check(network, address)
	}}
	c.http = &http.Client{
		Timeout: cmp.Or(o.Timeout, defaultTimeout),
		Transport: &http.Transport{
			Proxy:       nil, // a proxy would go where we must not
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headerTimeout,
			MaxResponseHeaderBytes: maxHeader, MaxConnsPerHost: maxPerHost, DisableKeepAlives: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return fmt.Errorf("fetch: more than %d redirects", maxRedirects)
			}
			return checkURL(r.URL)
		},
	}
	return c
}

// check looks at the address of a connection that is about to be made.
func (c *Client) check(network, address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return errPrivate
	}
	ip := a.Addr().Unmap().WithZone("")
	if Public(ip) || slices.Contains(c.o.Exempt, netip.AddrPortFrom(ip, a.Port())) ||
		slices.ContainsFunc(c.o.Private, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	return errPrivate
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("fetch: an address begins with http:// or https://")
	case u.Host == "" || u.Opaque != "":
		return errors.New("fetch: an address names a host")
	case u.User != nil:
		return errors.New("fetch: an address has no password in it")
	}
	return nil
}

// Check says what is wrong with an address, as far as can be told without
// going there.
func Check(address string) error {
	if len(address) > maxURL {
		return fault.Param("url", "an address has at most %d bytes", maxURL)
	}
	u, err := url.Parse(address)
	if err == nil {
		err = checkURL(u)
	}
	if err == nil {
		if a, e := netip.ParseAddr(u.Hostname()); e == nil && !Public(a) {
			err = errPrivate
		}
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "this address cannot be fetched: it begins with http:// or https:// and leads to the open Internet")
	}
	return nil
}

// Do sends a request. The caller closes the body and bounds what it reads. An
// address that leads where it must not is fault.Invalid.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	if len(r.URL.String()) > maxURL {
		return nil, fault.Param("url", "an address has at most %d bytes", maxURL)
	}
	if err := checkURL(r.URL); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "this address cannot be fetched: it begins with http:// or https:// and has no password in it")
	}
	res, err := c.http.Do(r)
	switch {
	case errors.Is(err, errPrivate):
		return nil, fault.Wrap(err, fault.Invalid, "this address leads into a private network")
	case err != nil:
		return nil, fmt.Errorf("fetch: %w", err)
	}
	return res, nil
}

// Get fetches what is at an address, at most limit bytes, and its type. What
// the other server does wrong is fault.Invalid too: the address is at fault.
func (c *Client) Get(ctx context.Context, address string, limit int64) (data []byte, kind string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, "", fault.Wrap(err, fault.Invalid, "this is no address")
	}
	r.Header.Set("User-Agent", "kuai")
	res, err := c.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		if f := fault.From(err); f.Code != fault.Internal {
			return nil, "", f
		}
		return nil, "", fault.Wrap(err, fault.Invalid, "nothing could be fetched from this address")
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		return nil, "", fault.New(fault.Invalid, "the server at this address answers with status %d", res.StatusCode)
	}
	data, err = io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, "", fault.Wrap(err, fault.Invalid, "the server at this address broke off")
	}
	if int64(len(data)) > limit {
		return nil, "", fault.New(fault.TooLarge, "what is at this address has more than %d bytes", limit)
	}
	return data, res.Header.Get("Content-Type"), nil
}
