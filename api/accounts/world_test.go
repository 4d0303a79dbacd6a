package accounts_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"kuai/api/accounts"
	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/limit"
)

// world is a server with two organisations and somebody in every role.
type world struct {
	*account.Store
	db      *db.DB
	limits  *limit.Store
	handler http.Handler
	doc     *huma.OpenAPI
	micros  atomic.Int64

	first   account.First
	other   account.Organisation // of the outsider
	otherIn account.Project
	secrets map[string]string // by role
	users   map[string]string
}

// roles are all kinds of callers, in the order of the tables.
var roles = []string{"nobody", "outsider", "viewer", "member", "admin", "owner", "operator", "plain key", "reading key", "writing key"}

func (w *world) now() time.Time { return time.UnixMicro(w.micros.Load()).UTC() }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{db: dbtest.Open(t, dbtest.SQLite(t)), secrets: map[string]string{"nobody": ""}, users: map[string]string{}}
	w.micros.Store(time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC).UnixMicro())
	w.Store = account.New(w.db, account.Options{Now: w.now, Hash: account.HashCost{KiB: 64, Passes: 1, Lanes: 1}})
	w.limits = limit.NewStore(w.db, limit.New(nil), w.now)
	m := chi.NewRouter()
	w.doc = accounts.Register(m, accounts.Rooms{
		Accounts: w.Store, Limits: w.limits, DB: w.db, Now: w.now, Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		OIDC: account.NewOIDC(w.Store, account.OIDCConfig{Issuer: "http://127.0.0.1:1"}),
	})
	w.handler = wire.WithID(gate.WithKey(http.NewCrossOriginProtection().Handler(m)))

	ctx := t.Context()
	var err error
	w.first, _, err = w.Bootstrap(ctx)
	check(t, err)
	w.secrets["operator"] = w.first.Secret
	w.other, err = w.CreateOrganisation(ctx, account.Operator, "other")
	check(t, err)
	projects, err := w.Projects(ctx, w.other.ID, account.Page{})
	check(t, err)
	w.otherIn = projects.Data[0]
	for _, role := range []string{"outsider", "viewer", "member", "admin", "owner"} {
		u, err := w.CreateUser(ctx, account.Operator, account.NewUser{Email: role + "@example.org", Name: role, Password: "correct horse"})
		check(t, err)
		org, as := w.first.Org.ID, account.Role(role)
		if role == "outsider" {
			org, as = w.other.ID, account.RoleOwner
		}
		check(t, w.SetRole(ctx, account.Operator, org, u.ID, as))
		_, w.secrets[role], err = w.Login(ctx, account.From{}, u.Email, "correct horse")
		check(t, err)
		w.users[role] = u.ID
	}
	for name, n := range map[string]account.NewKey{
		"plain key":   {User: w.users["member"]},
		"reading key": {Scopes: []string{account.ScopeAccountsRead}},
		"writing key": {Scopes: []string{account.ScopeAccountsWrite}},
	} {
		n.Name, n.Project = name, w.first.Project.ID
		_, w.secrets[name], err = w.CreateKey(ctx, account.Operator, w.first.Org.ID, n)
		check(t, err)
	}
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// into decodes the body.
func (a answer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
}

// code is the code of an error.
func (a answer) code() string {
	var e struct{ Error struct{ Code string } }
	_ = json.Unmarshal(a.body, &e) // "" says that it is none
	return e.Error.Code
}

// do sends a request; header comes in pairs.
func (w *world) do(t *testing.T, role, method, path string, body any, header ...string) answer {
	t.Helper()
	var b bytes.Buffer
	switch v := body.(type) {
	case nil:
	case string:
		b.WriteString(v)
	default:
		check(t, json.NewEncoder(&b).Encode(v))
	}
	r := httptest.NewRequestWithContext(t.Context(), method, "/api/v1"+path, &b)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if s := w.secrets[role]; s != "" {
		r.Header.Set("Authorization", "Bearer "+s)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return answer{rec.Code, rec.Header(), rec.Body.Bytes()}
}

// object is JSON.
type object = map[string]any
