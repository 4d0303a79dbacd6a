package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/spf13/pflag"

	"kuai/api/accounts"
	"kuai/platform/account"
)

// login is how people come in: from where, and with which issuer.
type login struct {
	proxies                  []string
	issuer, client, redirect string
}

func (l *login) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&l.proxies, "trust-proxy", nil, "address or CIDR of a proxy whose X-Forwarded-For says where requests come from; may be given again")
	f.StringVar(&l.issuer, "oidc-issuer", "", "URL of an OpenID issuer with which people log in; its client secret is KUAI_OIDC_SECRET")
	f.StringVar(&l.client, "oidc-client", "", "our client id there")
	f.StringVar(&l.redirect, "oidc-redirect", "", "where it sends people back to: https://HOST/api/v1/login/oidc/callback")
}

// rooms is what the endpoints of accounts need to know of it.
func (l *login) rooms(s *account.Store) (accounts.Rooms, error) {
	var r accounts.Rooms
	for _, text := range l.proxies {
		p, err := account.ParseNetwork(text)
		if err != nil {
			return r, fmt.Errorf("--trust-proxy is %q, want an address or CIDR", text)
		}
		r.Proxies = append(r.Proxies, p)
	}
	if l.issuer == "" {
		return r, nil
	}
	for flag, text := range map[string]string{"--oidc-issuer": l.issuer, "--oidc-redirect": l.redirect} {
		if u, err := url.Parse(text); err != nil || u.Host == "" {
			return r, fmt.Errorf("%s is %q, want a URL", flag, text)
		}
	}
	if l.client == "" {
		return r, errors.New("--oidc-issuer needs --oidc-client")
	}
	r.OIDC = account.NewOIDC(s, account.OIDCConfig{Issuer: l.issuer, ClientID: l.client, ClientSecret: os.Getenv("KUAI_OIDC_SECRET"), RedirectURL: l.redirect})
	return r, nil
}
