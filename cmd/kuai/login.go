package main

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/pflag"

	"kuai/api/accounts"
	"kuai/platform/account"
	"kuai/platform/config"
)

// login is how people come in: from where, and with which issuer.
type login struct {
	proxies                          []string
	issuer, client, redirect, secret string
}

func (l *login) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&l.proxies, "trust-proxy", nil, "address or CIDR of a proxy whose X-Forwarded-For says where requests come from; may be given again")
	f.StringVar(&l.issuer, "oidc-issuer", "", "URL of an OpenID issuer with which people log in")
	f.StringVar(&l.client, "oidc-client", "", "our client id there")
	f.StringVar(&l.secret, "oidc-secret", "", "our client secret there (environment: KUAI_OIDC_SECRET, which others cannot read)")
	config.Secret(f, "oidc-secret")
	config.Also(f, "oidc-secret", "KUAI_OIDC_SECRET")
	f.StringVar(&l.redirect, "oidc-redirect", "", "where it sends people back to: https://HOST/api/v1/login/oidc/callback")
}

// check says what of it cannot be.
func (l *login) check(p *problems) {
	for _, text := range l.proxies {
		if _, err := account.ParseNetwork(text); err != nil {
			p.add("trust-proxy", fmt.Errorf("is %q, want an address or CIDR", text))
		}
	}
	if l.issuer == "" {
		return
	}
	p.add("oidc-issuer", isURL(l.issuer))
	p.add("oidc-redirect", isURL(l.redirect))
	if l.client == "" {
		p.add("oidc-issuer", errors.New("needs oidc-client"))
	}
}

func isURL(text string) error {
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("is %q, want a URL", text)
	}
	return nil
}

// rooms is what the endpoints of accounts need to know of it.
func (l *login) rooms(s *account.Store) (accounts.Rooms, error) {
	var r accounts.Rooms
	for _, text := range l.proxies {
		p, err := account.ParseNetwork(text)
		if err != nil {
			return r, err
		}
		r.Proxies = append(r.Proxies, p)
	}
	if l.issuer != "" {
		r.OIDC = account.NewOIDC(s, account.OIDCConfig{Issuer: l.issuer, ClientID: l.client, ClientSecret: l.secret, RedirectURL: l.redirect})
	}
	return r, nil
}
