package account_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"kuai/fault"
	"kuai/platform/account"
	"kuai/platform/db/dbtest"
)

// issuer is an OpenID provider that says of everyone what a test wants.
type issuer struct {
	oidctest.Server
	key *rsa.PrivateKey
	url string

	mu     sync.Mutex
	codes  map[string]url.Values // what the browser came with, by code
	claims map[string]any        // laid over the identity
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key, codes: map[string]url.Values{}, claims: map[string]any{}}
	i.PublicKeys = []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "one", Algorithm: "RS256"}}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	i.SetIssuer(server.URL)
	return i
}

// ServeHTTP adds the token endpoint, which checks PKCE, to discovery and keys.
func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/token" {
		i.Server.ServeHTTP(w, r)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	begun, ok := i.codes[r.FormValue("code")]
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != begun.Get("code_challenge") || r.FormValue("redirect_uri") != begun.Get("redirect_uri") {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	claims := map[string]any{
		"iss": i.url, "sub": "s1", "aud": begun.Get("client_id"), "exp": at.Add(time.Hour).Unix(), "iat": at.Unix(),
		"nonce": begun.Get("nonce"), "email": "Person@Example.org", "email_verified": true, "name": "Person 快",
	}
	maps.Copy(claims, i.claims)
	b, err := json.Marshal(claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": oidctest.SignIDToken(i.key, "one", "RS256", string(b))})
}

var at = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

// agree is the person at the provider: it returns the code for our address.
func (i *issuer) agree(t *testing.T, address string) (code string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for _, k := range []string{"state", "nonce", "code_challenge", "redirect_uri"} {
		if q.Get(k) == "" {
			t.Errorf("the address lacks %s", k)
		}
	}
	if q.Get("code_challenge_method") != "S256" {
		t.Errorf("challenge method %q", q.Get("code_challenge_method"))
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	code = rand.Text()
	i.codes[code] = q
	return code
}

func (i *issuer) says(claims map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims = claims
}

// TestOIDC logs in by invitation, again by subject, and in every wrong way.
func TestOIDC(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		ctx, i := t.Context(), newIssuer(t)
		o := account.NewOIDC(w.Store, account.OIDCConfig{Issuer: i.url, ClientID: "kuai", ClientSecret: "hush", RedirectURL: "https://kuai.example/callback"})
		login := func(invitation string, claims map[string]any) (string, error) {
			i.says(claims)
			address, state, err := o.Begin(ctx, invitation)
			if err != nil {
				return "", err
			}
			_, secret, err := o.Finish(ctx, account.From{}, state, state, i.agree(t, address))
			return secret, err
		}
		_, err := login("", nil)
		wants(t, err, fault.Forbidden) // nobody invited this person
		_, secret, err := w.Invite(ctx, account.Operator, w.first.Org.ID, "person@example.org", account.RoleMember)
		wants(t, err, "")
		_, err = login(secret, map[string]any{"email_verified": false})
		wants(t, err, fault.Forbidden)
		_, err = login(secret, map[string]any{"email": "other@example.org"})
		wants(t, err, fault.Forbidden)
		session, err := login(secret, nil)
		wants(t, err, "")
		p := w.must(t, session)
		if p.RoleIn(w.first.Org.ID) != account.RoleMember {
			t.Errorf("got %+v", p)
		}
		_, err = login(secret, nil)
		wants(t, err, fault.NotFound) // used
		session, err = login("", map[string]any{"email": "moved@example.org", "email_verified": false})
		wants(t, err, "") // known by subject
		if again := w.must(t, session); again.User != p.User {
			t.Errorf("user %q, then %q", p.User, again.User)
		}

		// Who has a password is known by the verified address alone.
		known := w.person(t, "known@example.org", account.RoleAdmin)
		_, err = login("", map[string]any{"sub": "s2", "email": "known@example.org", "email_verified": false})
		wants(t, err, fault.Forbidden)
		session, err = login("", map[string]any{"sub": "s2", "email": "known@example.org"})
		wants(t, err, "")
		if got := w.must(t, session); got.User != known.Principal.User {
			t.Errorf("got user %q, want %q", got.User, known.Principal.User)
		}
		_, err = w.DisableUser(ctx, account.Operator, p.User, true)
		wants(t, err, "")
		_, err = login("", nil)
		wants(t, err, fault.Forbidden)
	})
}

// TestOIDCForged checks what an attacker or a confused issuer could send.
func TestOIDCForged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)))
	ctx, i := t.Context(), newIssuer(t)
	w.person(t, "person@example.org", account.RoleMember)
	o := account.NewOIDC(w.Store, account.OIDCConfig{Issuer: i.url, ClientID: "kuai", RedirectURL: "https://kuai.example/callback"})
	for name, claims := range map[string]map[string]any{
		"nonce of another login": {"nonce": "n"},
		"no nonce":               {"nonce": ""},
		"for another client":     {"aud": "other"},
		"of another issuer":      {"iss": "https://evil.example"},
		"too old":                {"exp": at.Add(-time.Minute).Unix()},
		"no text for an address": {"email": 7},
	} {
		i.says(claims)
		address, state, err := o.Begin(ctx, "")
		wants(t, err, "")
		_, _, err = o.Finish(ctx, account.From{}, state, state, i.agree(t, address))
		if t.Run(name, func(t *testing.T) { wants(t, err, fault.Unauthenticated) }); t.Failed() {
			return
		}
	}
	i.says(nil)
	address, state, err := o.Begin(ctx, "")
	wants(t, err, "")
	code := i.agree(t, address)
	for name, try := range map[string][3]string{
		"without the cookie": {state, "", code},
		"another cookie":     {state, "x", code},
		"no state":           {"", "", code},
		"unknown state":      {"x", "x", code},
	} {
		_, _, err := o.Finish(ctx, account.From{}, try[0], try[1], try[2])
		if t.Run(name, func(t *testing.T) { wants(t, err, fault.Unauthenticated) }); t.Failed() {
			return
		}
	}
	_, _, err = o.Finish(ctx, account.From{}, state, state, "wrong code")
	wants(t, err, fault.Unauthenticated)
	_, _, err = o.Finish(ctx, account.From{}, state, state, code)
	wants(t, err, fault.Unauthenticated) // the state was used up
	address, state, err = o.Begin(ctx, "")
	wants(t, err, "")
	code = i.agree(t, address)
	w.clock.advance(11 * time.Minute)
	_, _, err = o.Finish(ctx, account.From{}, state, state, code)
	wants(t, err, fault.Unauthenticated)

	_, _, err = account.NewOIDC(w.Store, account.OIDCConfig{Issuer: "http://127.0.0.1:1"}).Begin(ctx, "")
	wants(t, err, fault.Overloaded)
}
