package account_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kuai/fault"
	"kuai/platform/account"
	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// TestKey follows a key from its making to its end.
func TestKey(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		ctx, org := t.Context(), w.first.Org.ID
		by := account.Operator
		by.Once = "k1"
		n := account.NewKey{
			Project: w.first.Project.ID, Name: "service", Scopes: []string{"videos", "chat", "chat"}, Models: []string{"m"},
			Networks: []string{"192.0.2.0/24", "2001:db8::1"}, ExpiresAt: w.clock.now().Add(time.Hour),
		}
		k, secret, err := w.CreateKey(ctx, by, org, n)
		wants(t, err, "")
		if !strings.HasPrefix(secret, k.Hint) || !strings.HasPrefix(secret, "sk-kuai-") || len(k.Hint) > 16 || len(k.Scopes) != 2 {
			t.Errorf("secret %q of %+v", secret, k)
		}
		again, none, err := w.CreateKey(ctx, by, org, n)
		wants(t, err, "")
		if again.ID != k.ID || none != "" {
			t.Errorf("repeated: %+v with secret %q", again, none)
		}
		from := netip.MustParseAddr("::ffff:192.0.2.9")
		p, err := w.Authenticate(ctx, secret, from)
		wants(t, err, "")
		if p.Key != k.ID || !p.May("chat") || p.May("files") || !p.MayModel("m") || p.MayModel("n") || p.Accounts != account.None || p.Admin {
			t.Errorf("got %+v", p)
		}
		for _, ip := range []string{"198.51.100.1", "2001:db8::2"} {
			_, err = w.Authenticate(ctx, secret, netip.MustParseAddr(ip))
			wants(t, err, fault.Unauthenticated)
		}
		_, err = w.Authenticate(ctx, secret, netip.Addr{})
		wants(t, err, fault.Unauthenticated)
		_, err = w.Authenticate(ctx, secret, netip.MustParseAddr("2001:db8::1"))
		wants(t, err, "")

		k, second, err := w.RotateKey(ctx, account.Operator, org, k.ID, time.Minute)
		wants(t, err, "")
		for _, s := range []string{secret, second} {
			_, err = w.Authenticate(ctx, s, from)
			wants(t, err, "")
		}
		w.clock.advance(time.Minute)
		_, err = w.Authenticate(ctx, secret, from)
		wants(t, err, fault.Unauthenticated)
		_, err = w.Authenticate(ctx, second, from)
		wants(t, err, "")

		wants(t, w.Flush(ctx), "")
		if k, err = w.Key(ctx, account.Operator, org, k.ID); err != nil || !k.UsedAt.Equal(w.clock.now()) {
			t.Errorf("last used %v, want %v; %v", k.UsedAt, w.clock.now(), err)
		}
		w.clock.advance(time.Hour)
		_, err = w.Authenticate(ctx, second, from)
		wants(t, err, fault.Unauthenticated) // expired

		k, third, err := w.CreateKey(ctx, account.Operator, org, account.NewKey{Project: w.first.Project.ID, Name: "n"})
		wants(t, err, "")
		w.must(t, third)
		_, err = w.RevokeKey(ctx, account.Operator, org, k.ID)
		wants(t, err, "")
		_, err = w.Authenticate(ctx, third, netip.Addr{})
		wants(t, err, fault.Unauthenticated)
		_, err = w.RevokeKey(ctx, account.Operator, org, k.ID)
		wants(t, err, "")
		_, _, err = w.RotateKey(ctx, account.Operator, org, k.ID, 0)
		wants(t, err, fault.Conflict)
		checkNoSecrets(t, w.db, secret, second, third, w.first.Secret)
	})
}

// checkNoSecrets looks for secrets in every text of the database.
func checkNoSecrets(t *testing.T, d *db.DB, secrets ...string) {
	t.Helper()
	for _, table := range []string{"api_keys", "audit_log", "sessions", "invitations", "idempotency", "users"} {
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			rows, err := tx.QueryContext(t.Context(), "SELECT * FROM "+table)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }() // Err tells
			names, err := rows.Columns()
			if err != nil {
				return err
			}
			for rows.Next() {
				values := make([]any, len(names))
				for i := range values {
					values[i] = new(any)
				}
				if err := rows.Scan(values...); err != nil {
					return err
				}
				for i, v := range values {
					for _, s := range secrets {
						if strings.Contains(fmt.Sprint(*v.(*any)), s[14:]) {
							t.Errorf("%s.%s holds a secret", table, names[i])
						}
					}
				}
			}
			return rows.Err()
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAuthenticateOneAnswer checks that whatever is wrong with a secret, the
// answer is the same.
func TestAuthenticateOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)))
	k, revoked, err := w.CreateKey(t.Context(), account.Operator, w.first.Org.ID, account.NewKey{Project: w.first.Project.ID, Name: "n"})
	wants(t, err, "")
	_, err = w.RevokeKey(t.Context(), account.Operator, w.first.Org.ID, k.ID)
	wants(t, err, "")
	_, elsewhere, err := w.CreateKey(t.Context(), account.Operator, w.first.Org.ID, account.NewKey{Project: w.first.Project.ID, Name: "n", Networks: []string{"192.0.2.1"}})
	wants(t, err, "")
	answers := map[string]bool{}
	end := "A"
	if strings.HasSuffix(w.first.Secret, end) { // one secret in sixteen
		end = "E"
	}
	for _, s := range []string{"", "sk-kuai-", "x", revoked, elsewhere, w.first.Secret + "x", w.first.Secret[:len(w.first.Secret)-1] + end, strings.Replace(w.first.Secret, "sk-", "ss-", 1), strings.Repeat("y", 1<<20)} {
		_, err := w.Authenticate(t.Context(), s, netip.MustParseAddr("198.51.100.7"))
		wants(t, err, fault.Unauthenticated)
		answers[fmt.Sprint(err)] = true
	}
	if len(answers) != 1 {
		t.Errorf("answers differ: %v", answers)
	}
}

// TestKeyRights checks who may make, see and end which keys.
func TestKeyRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)))
	ctx, org, project := t.Context(), w.first.Org.ID, w.first.Project.ID
	admin := w.person(t, "a@example.org", account.RoleAdmin)
	member := w.person(t, "m@example.org", account.RoleMember)
	create := func(by account.Caller, n account.NewKey) (account.Key, string, error) {
		n.Project, n.Name = project, "k"
		return w.CreateKey(ctx, by, org, n)
	}
	_, _, err := create(member, account.NewKey{})
	wants(t, err, fault.Invalid) // a service's
	_, _, err = create(member, account.NewKey{User: admin.Principal.User})
	wants(t, err, fault.Invalid)
	_, _, err = create(admin, account.NewKey{Operator: true})
	wants(t, err, fault.Forbidden)
	_, _, err = create(admin, account.NewKey{User: "usr_nobody"})
	wants(t, err, fault.NotFound)
	mine, _, err := create(member, account.NewKey{User: member.Principal.User})
	wants(t, err, "")
	service, _, err := create(admin, account.NewKey{})
	wants(t, err, "")

	_, err = w.Key(ctx, member, org, service.ID)
	wants(t, err, fault.NotFound)
	_, err = w.RevokeKey(ctx, member, org, service.ID)
	wants(t, err, fault.NotFound)
	_, err = w.RevokeKey(ctx, admin, org, w.first.Key.ID)
	wants(t, err, fault.Forbidden) // an operator's
	_, _, err = w.RotateKey(ctx, admin, org, w.first.Key.ID, 0)
	wants(t, err, fault.Forbidden)
	_, _, err = w.RotateKey(ctx, member, org, mine.ID, time.Hour)
	wants(t, err, "")
	_, _, err = w.RotateKey(ctx, member, org, mine.ID, -1)
	wants(t, err, fault.Invalid)

	for name, n := range map[string]account.NewKey{
		"scope":     {Scopes: []string{"everything"}},
		"network":   {Networks: []string{"192.0.2.0/33"}},
		"mapped":    {Networks: []string{"::ffff:192.0.2.0/120"}},
		"model":     {Models: []string{""}},
		"past":      {ExpiresAt: w.clock.now()},
		"too much":  {Models: make([]string, 101)},
		"long name": {Models: []string{strings.Repeat("m", 201)}},
	} {
		if _, _, err := create(admin, n); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wants(t, err, fault.Invalid)
		}
	}
}

// TestKeyOfKey checks that a key makes no key that may do more than itself.
func TestKeyOfKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)))
	ctx, org, project := t.Context(), w.first.Org.ID, w.first.Project.ID
	expires := w.clock.now().Add(time.Hour)
	_, secret, err := w.CreateKey(ctx, account.Operator, org, account.NewKey{
		Project: project, Name: "parent", Scopes: []string{"chat", "accounts:write"}, Models: []string{"m"}, Networks: []string{"192.0.2.0/24"}, ExpiresAt: expires,
	})
	wants(t, err, "")
	p, err := w.Authenticate(ctx, secret, netip.MustParseAddr("192.0.2.1"))
	wants(t, err, "")
	base := account.NewKey{Project: project, Name: "child", Scopes: []string{"chat"}, Models: []string{"m"}, Networks: []string{"192.0.2.128/25"}, ExpiresAt: expires}
	for name, tt := range map[string]struct {
		change func(*account.NewKey)
		want   fault.Code
	}{
		"less":           {func(*account.NewKey) {}, ""},
		"another scope":  {func(n *account.NewKey) { n.Scopes = []string{"videos"} }, fault.Forbidden},
		"all scopes":     {func(n *account.NewKey) { n.Scopes = nil }, fault.Forbidden},
		"star":           {func(n *account.NewKey) { n.Scopes = []string{"*"} }, fault.Forbidden},
		"accounts alone": {func(n *account.NewKey) { n.Scopes = []string{"accounts:read"} }, ""},
		"another model":  {func(n *account.NewKey) { n.Models = []string{"m", "n"} }, fault.Forbidden},
		"all models":     {func(n *account.NewKey) { n.Models = nil }, fault.Forbidden},
		"wider network":  {func(n *account.NewKey) { n.Networks = []string{"192.0.0.0/16"} }, fault.Forbidden},
		"everywhere":     {func(n *account.NewKey) { n.Networks = nil }, fault.Forbidden},
		"longer":         {func(n *account.NewKey) { n.ExpiresAt = expires.Add(1) }, fault.Forbidden},
		"for ever":       {func(n *account.NewKey) { n.ExpiresAt = time.Time{} }, fault.Forbidden},
	} {
		n := base
		tt.change(&n)
		_, _, err := w.CreateKey(ctx, account.Caller{Principal: p}, org, n)
		if t.Run(name, func(t *testing.T) { wants(t, err, tt.want) }); t.Failed() {
			return
		}
	}
	other, _, err := w.CreateKey(ctx, account.Operator, org, account.NewKey{Project: project, Name: "wide"})
	wants(t, err, "")
	_, _, err = w.RotateKey(ctx, account.Caller{Principal: p}, org, other.ID, 0)
	wants(t, err, fault.Forbidden) // its secret would be more than the key has
}

// TestCache checks that an answer holds without the database, and no longer
// than it may when another process changes something.
func TestCache(t *testing.T) {
	t.Parallel()
	url := dbtest.SQLite(t)
	w := newWorld(t, dbtest.Open(t, url))
	other := account.New(dbtest.Open(t, url), account.Options{Now: w.clock.now})
	w.must(t, w.first.Secret)
	_, err := other.RevokeKey(t.Context(), account.Operator, w.first.Org.ID, w.first.Key.ID)
	wants(t, err, "")
	w.must(t, w.first.Secret)
	w.clock.advance(5 * time.Second)
	_, err = w.Authenticate(t.Context(), w.first.Secret, netip.Addr{})
	wants(t, err, fault.Unauthenticated)
}

// TestDatabaseAway checks that a database that is gone is told from a bad key.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), dbtest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = w.Authenticate(t.Context(), w.first.Secret, netip.Addr{})
	if err == nil {
		t.Fatal("a closed database answers")
	}
	if e := fault.From(err); e.Code == fault.Unauthenticated {
		t.Errorf("got %v", err)
	}
}

// TestAuditTells checks that the log names actor, action and object.
func TestAuditTells(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, dbtest.SQLite(t)))
	admin := w.person(t, "a@example.org", account.RoleAdmin)
	admin.IP = netip.MustParseAddr("192.0.2.3")
	k, _, err := w.CreateKey(t.Context(), admin, w.first.Org.ID, account.NewKey{Project: w.first.Project.ID, Name: "k"})
	wants(t, err, "")
	records, err := audit.List(t.Context(), w.db, w.first.Org.ID, 0, 1)
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	r := records[0]
	var detail struct{ Name string }
	if err := json.Unmarshal(r.Detail, &detail); err != nil {
		t.Error(err)
	}
	if r.Action != "key.create" || r.Actor != admin.Principal.User || r.Object != k.ID || r.IP != "192.0.2.3" || detail.Name != "k" {
		t.Errorf("got %+v", r)
	}
}
