package account

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"kuai/fault"
	"kuai/platform/db"
)

// OIDCConfig says with which issuer people can log in.
type OIDCConfig struct {
	Issuer       string // its URL, where /.well-known/openid-configuration is
	ClientID     string
	ClientSecret string
	RedirectURL  string       // of ours, as it is registered there
	Client       *http.Client // nil for one with a time limit
}

// OIDC is the login at an OpenID issuer: the code flow with PKCE, a state that
// is bound to the browser by a cookie, and a nonce that is bound to the state.
type OIDC struct {
	store  *Store
	config OIDCConfig

	mu       sync.Mutex
	provider *oidc.Provider // once the issuer was reached
}

const (
	oidcTimeout = 15 * time.Second
	loginFor    = 10 * time.Minute // from the beginning of a login to its end
	maxCode     = 4096
)

// NewOIDC makes the login. The issuer is asked at the first one, so that a
// server starts while it is away.
func NewOIDC(s *Store, c OIDCConfig) *OIDC {
	if c.Client == nil {
		c.Client = &http.Client{Timeout: oidcTimeout}
	}
	return &OIDC{store: s, config: c}
}

// discover returns the issuer's endpoints and our client of it.
func (o *OIDC) discover(ctx context.Context) (context.Context, *oidc.Provider, *oauth2.Config, error) {
	ctx = oidc.ClientContext(ctx, o.config.Client)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil {
		// Its keys are fetched later too, so this context must outlive the request.
		p, err := oidc.NewProvider(context.WithoutCancel(ctx), o.config.Issuer)
		if err != nil {
			e := fault.Wrap(err, fault.Overloaded, "the login provider does not answer; try again")
			e.RetryAfter = retryAfter
			return ctx, nil, nil, e
		}
		o.provider = p
	}
	return ctx, o.provider, &oauth2.Config{
		ClientID: o.config.ClientID, ClientSecret: o.config.ClientSecret, RedirectURL: o.config.RedirectURL,
		Endpoint: o.provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}, nil
}

func random() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// Begin starts a login: where to send the browser, and the state that a cookie
// of the browser must hold until it returns. An invitation, if any, is
// accepted by the login.
func (o *OIDC) Begin(ctx context.Context, invitation string) (url, state string, err error) {
	ctx, _, client, err := o.discover(ctx)
	if err != nil {
		return "", "", err
	}
	state, nonce, verifier := random(), random(), oauth2.GenerateVerifier()
	if invitation != "" {
		if !wellFormed(invitation, InvitationPrefix) {
			return "", "", errInvitation()
		}
		invitation = hashSecret(invitation)
	}
	now := o.store.now()
	err = o.store.change(ctx, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM login_states WHERE expires_at < ?", db.Micros(now)); err != nil {
			return err
		}
		if invitation != "" {
			if _, err := o.store.openInvitation(ctx, tx, invitation); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO login_states (hash, nonce, verifier, invitation, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
			hashSecret(state), nonce, verifier, invitation, db.Micros(now), db.Micros(now.Add(loginFor)))
		return err
	})
	if err != nil {
		return "", "", err
	}
	return client.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), state, nil
}

// errOIDC is the one answer to a login that does not add up; the log has why.
func errOIDC(why string, cause error) *fault.Error {
	return fault.Wrap(cause, fault.Unauthenticated, "the login did not work; begin it again (%s)", why)
}

// Finish ends a login: state and code as the issuer sent them back, and the
// state that the browser's cookie holds. It begins a session.
func (o *OIDC) Finish(ctx context.Context, from From, state, cookie, code string) (Session, string, error) {
	if state == "" || !sameHash(state, cookie) || len(code) > maxCode {
		return Session{}, "", errOIDC("another browser", nil)
	}
	begun, err := o.take(ctx, state)
	if err != nil {
		return Session{}, "", err
	}
	claims, err := o.claims(ctx, begun, code)
	if err != nil {
		return Session{}, "", err
	}
	var session Session
	var secret string
	err = o.store.change(ctx, func(tx *db.Tx) error {
		user, err := o.user(ctx, tx, from, claims, begun.invitation)
		if err != nil {
			return err
		}
		session, secret, err = o.store.insertSession(ctx, tx, from, user, "oidc")
		return err
	})
	return session, secret, err
}

// begun is a login that has begun.
type begun struct{ nonce, verifier, invitation string }

// take uses a state up.
func (o *OIDC) take(ctx context.Context, state string) (begun, error) {
	var b begun
	var expires int64
	hash := hashSecret(state)
	err := o.store.change(ctx, func(tx *db.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT nonce, verifier, invitation, expires_at FROM login_states WHERE hash = ?", hash).Scan(&b.nonce, &b.verifier, &b.invitation, &expires)
		if errors.Is(err, sql.ErrNoRows) {
			return errOIDC("it was used or is too old", nil)
		}
		if err != nil {
			return err
		}
		return changed(tx.ExecContext(ctx, "DELETE FROM login_states WHERE hash = ?", hash))
	})
	if err == nil && !o.store.now().Before(db.Time(expires)) {
		err = errOIDC("it is too old", nil)
	}
	return b, err
}

// claims is what an ID token says of a person.
type claims struct {
	Issuer, Subject string
	Email           string `json:"email"`
	Verified        bool   `json:"email_verified"`
	Name            string `json:"name"`
}

// claims exchanges the code and checks the ID token: signature, issuer,
// audience, time and nonce.
func (o *OIDC) claims(ctx context.Context, b begun, code string) (claims, error) {
	ctx, provider, client, err := o.discover(ctx)
	if err != nil {
		return claims{}, err
	}
	token, err := client.Exchange(ctx, code, oauth2.VerifierOption(b.verifier))
	if err != nil {
		return claims{}, errOIDC("the provider refused the code", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return claims{}, errOIDC("the provider sent no identity", nil)
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: o.config.ClientID, Now: o.store.now}).Verify(ctx, raw)
	if err != nil {
		return claims{}, errOIDC("the identity is not valid", err)
	}
	if !sameHash(id.Nonce, b.nonce) {
		return claims{}, errOIDC("the identity is of another login", nil)
	}
	var c claims
	if err := id.Claims(&c); err != nil {
		return c, errOIDC("the identity cannot be read", err)
	}
	c.Issuer, c.Subject = id.Issuer, id.Subject
	return c, nil
}

// user finds or makes the person of an identity: known by issuer and subject,
// else by an address that the issuer has verified, else by an invitation to it.
func (o *OIDC) user(ctx context.Context, tx *db.Tx, from From, c claims, invitation string) (string, error) {
	var user, status string
	err := tx.QueryRowContext(ctx, "SELECT u.id, u.status FROM identities i JOIN users u ON u.id = i.user_id WHERE i.issuer = ? AND i.subject = ?", c.Issuer, c.Subject).Scan(&user, &status)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	email, mailErr := normalEmail(c.Email)
	verified := mailErr == nil && c.Verified
	if user == "" {
		if !verified {
			return "", errNoAccount()
		}
		if user, status, err = o.link(ctx, tx, from, c, email, invitation); err != nil {
			return "", err
		}
	}
	if status != Active {
		return "", errNoAccount()
	}
	if invitation == "" {
		return user, nil
	}
	i, err := o.store.openInvitation(ctx, tx, invitation)
	if err != nil {
		return "", err
	}
	if !verified || i.Email != email {
		return "", fault.New(fault.Forbidden, "the invitation was sent to another e-mail address")
	}
	return user, o.store.join(ctx, tx, from, i, user)
}

func errNoAccount() *fault.Error {
	return fault.New(fault.Forbidden, "there is no account for this login; ask for an invitation")
}

// link binds an identity to the person with a verified address, whom an
// invitation makes if need be.
func (o *OIDC) link(ctx context.Context, tx *db.Tx, from From, c claims, email, invitation string) (user, status string, err error) {
	err = tx.QueryRowContext(ctx, "SELECT id, status FROM users WHERE email = ?", email).Scan(&user, &status)
	if errors.Is(err, sql.ErrNoRows) {
		if invitation == "" {
			slog.Info("a login of somebody without an account", "issuer", c.Issuer)
			return "", "", errNoAccount()
		}
		name, nameErr := checkName(c.Name)
		if nameErr != nil {
			name = "user"
		}
		user, status = db.NewID("usr"), Active
		by := Caller{Principal: Principal{User: user}, IP: from.IP}
		_, err = o.store.insertUser(ctx, tx, by, user, NewUser{Email: email, Name: name}, "")
	}
	if err != nil {
		return "", "", err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO identities (issuer, subject, user_id, created_at) VALUES (?, ?, ?, ?)", c.Issuer, c.Subject, user, db.Micros(o.store.now())); err != nil {
		return "", "", fmt.Errorf("account: identity: %w", err)
	}
	by := Caller{Principal: Principal{User: user}, IP: from.IP}
	return user, status, o.store.record(ctx, tx, by, "", "user.link", user, map[string]string{"issuer": c.Issuer})
}
