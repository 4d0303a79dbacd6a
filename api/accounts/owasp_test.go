package accounts_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kuai/platform/account"
	"kuai/platform/limit"
)

// The tests of this file go through OWASP's API Security Top 10 of 2023, as far
// as they apply to accounts. API5, functions above one's role, is TestRights;
// API7, requests that a server is made to send, is nothing here: the only
// address that is fetched, the issuer's, comes from the configuration.

// TestOthersObjects is API1: identifiers of another organisation, in every
// place of a path, are not there for anyone, owners and keys alike.
func TestOthersObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	k, _, err := w.CreateKey(ctx, account.Operator, w.other.ID, account.NewKey{Project: w.otherIn.ID, Name: "theirs"})
	check(t, err)
	i, _, err := w.Invite(ctx, account.Operator, w.other.ID, "x@example.org", account.RoleMember)
	check(t, err)
	check(t, w.limits.Set(ctx, account.Operator, limit.Rule{Org: w.other.ID, Level: limit.Key, Subject: k.ID, Kind: limit.ImagesPerDay, Amount: 1}))
	mine, theirs := "/organisations/"+w.first.Org.ID, "/organisations/"+w.other.ID
	for _, tt := range []struct {
		method, path string
		body         any
	}{
		{"GET", "", nil},
		{"PATCH", "", object{"name": "x"}},
		{"DELETE", "", nil},
		{"GET", "/projects/" + w.otherIn.ID, nil},
		{"PATCH", "/projects/" + w.otherIn.ID, object{"name": "x"}},
		{"DELETE", "/projects/" + w.otherIn.ID, nil},
		{"GET", "/keys/" + k.ID, nil},
		{"DELETE", "/keys/" + k.ID, nil},
		{"POST", "/keys/" + k.ID + "/rotate", object{}},
		{"POST", "/keys", object{"name": "x", "project": w.otherIn.ID}},
		{"PUT", "/members/" + w.users["outsider"], object{"role": "viewer"}},
		{"DELETE", "/members/" + w.users["outsider"], nil},
		{"DELETE", "/invitations/" + i.ID, nil},
		{"PUT", "/limits", object{"level": "key", "subject": k.ID, "kind": "images_per_day", "amount": 9}},
		{"DELETE", "/limits/key/" + k.ID + "/images_per_day", nil},
	} {
		for _, role := range []string{"owner", "writing key"} {
			for _, org := range []string{mine, theirs} {
				if org == mine && tt.path == "" {
					continue
				}
				a := w.do(t, role, tt.method, org+tt.path, tt.body)
				narrower := role == "writing key" && strings.HasSuffix(tt.path, "/keys") // refused before anybody looks
				if a.status != http.StatusNotFound && (!narrower || a.status != http.StatusForbidden) {
					t.Errorf("%s %s%s as %s: got %d %s", tt.method, org, tt.path, role, a.status, a.body)
				}
			}
		}
	}
	// An identifier of nobody gets the same words as another's.
	a, b := w.do(t, "owner", "GET", theirs, nil), w.do(t, "owner", "GET", "/organisations/org_x", nil)
	if string(a.body) != string(b.body) {
		t.Errorf("another's: %s; nobody's: %s", a.body, b.body)
	}
	if got, err := w.Key(ctx, account.Operator, w.other.ID, k.ID); err != nil || !got.RevokedAt.IsZero() || got.Hint != k.Hint {
		t.Errorf("their key is now %+v, %v", got, err)
	}
	var all struct{ Data []account.Organisation }
	w.do(t, "owner", "GET", "/organisations", nil).into(t, &all)
	if len(all.Data) != 1 || all.Data[0].ID != w.first.Org.ID {
		t.Errorf("an owner sees %+v", all)
	}
}

// TestGuessing is API2: who guesses passwords or invitations is slowed down,
// by name and by address, and learns nothing on the way.
func TestGuessing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answers := map[string]bool{}
	slowed := 0
	for i := range 12 {
		for _, email := range []string{"owner@example.org", "nobody@example.org"} {
			a := w.do(t, "nobody", "POST", "/login", object{"email": email, "password": "guess"}, "X-Forwarded-For", "1.1.1.1")
			if a.status == http.StatusTooManyRequests {
				if slowed++; a.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				continue
			}
			if answers[string(a.body)] = true; a.status != http.StatusUnauthorized {
				t.Errorf("guess %d: %d", i, a.status)
			}
		}
	}
	if slowed != 4 || len(answers) != 1 {
		t.Errorf("%d of 24 slowed down, answers %v", slowed, answers)
	}
	// Whoever waits gets in; another name from another address at once.
	if a := w.do(t, "nobody", "POST", "/login", object{"email": "admin@example.org", "password": "correct horse"}); a.status != http.StatusOK {
		t.Errorf("another person: %d", a.status)
	}
	w.micros.Add(time.Minute.Microseconds())
	if a := w.do(t, "nobody", "POST", "/login", object{"email": "owner@example.org", "password": "correct horse"}); a.status != http.StatusOK {
		t.Errorf("after a minute: %d", a.status)
	}
	many := 0
	for i := range 70 {
		email := strings.Repeat("x", i+1) + "@example.org"
		if a := w.do(t, "nobody", "POST", "/login", object{"email": email, "password": "guess"}); a.status == http.StatusTooManyRequests {
			many++
		}
	}
	if many < 8 {
		t.Errorf("%d of 70 names from one address slowed down", many)
	}
}

// TestExtraFields is API3: fields that an input does not have, be they of the
// object itself, are refused and change nothing.
func TestExtraFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	org := "/organisations/" + w.first.Org.ID
	for _, tt := range []struct {
		role, method, path, field string
		body                      object
	}{
		{"owner", "PATCH", org, "status", object{"name": "n", "status": "active"}},
		{"owner", "PATCH", org, "id", object{"name": "n", "id": "org_x"}},
		{"admin", "POST", org + "/keys", "operator", object{"name": "k", "project": w.first.Project.ID, "operator": true}},
		{"admin", "POST", org + "/keys", "created_by", object{"name": "k", "project": w.first.Project.ID, "created_by": "x"}},
		{"operator", "POST", "/users", "operator", object{"email": "x@example.org", "name": "x", "operator": true}},
		{"admin", "POST", org + "/invitations", "expires_at", object{"email": "x@example.org", "role": "member", "expires_at": "2099-01-01T00:00:00Z"}},
		{"admin", "PUT", org + "/limits", "organisation", object{"level": "key", "subject": "k", "kind": "images_per_day", "amount": 1, "organisation": w.other.ID}},
	} {
		a := w.do(t, tt.role, tt.method, tt.path, tt.body)
		if a.status != http.StatusBadRequest || !strings.Contains(string(a.body), tt.field) {
			t.Errorf("%s %s with %q: got %d %s", tt.method, tt.path, tt.field, a.status, a.body)
		}
	}
	for _, role := range []string{"admin", "owner"} { // nothing that is secret comes out either
		for _, path := range []string{"/members", "/keys", "/invitations", "/audit"} {
			a := w.do(t, role, "GET", org+path, nil)
			for _, secret := range []string{"argon2id", `"hash":"$`, w.secrets["operator"][10:], w.secrets["writing key"][10:], "password\":"} {
				if strings.Contains(string(a.body), secret) {
					t.Errorf("%s shows %q", path, secret)
				}
			}
		}
	}
}

// TestResources is API4: bodies, lists, names and numbers have limits.
func TestResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	org := "/organisations/" + w.first.Org.ID
	for name, tt := range map[string]struct {
		path   string
		body   any
		status int
	}{
		"large body":    {org + "/projects", `{"name":"` + strings.Repeat("x", 70_000) + `"}`, http.StatusRequestEntityTooLarge},
		"long name":     {org + "/projects", object{"name": strings.Repeat("x", 401)}, http.StatusBadRequest},
		"long name 2":   {org + "/projects", object{"name": strings.Repeat("快", 101)}, http.StatusBadRequest},
		"empty name":    {org + "/projects", object{"name": " "}, http.StatusBadRequest},
		"no name":       {org + "/projects", object{}, http.StatusBadRequest},
		"no JSON":       {org + "/projects", "{", http.StatusBadRequest},
		"deep JSON":     {org + "/projects", strings.Repeat("[", 60_000), http.StatusBadRequest},
		"wrong type":    {org + "/projects", object{"name": 7}, http.StatusBadRequest},
		"many scopes":   {org + "/keys", object{"name": "k", "project": w.first.Project.ID, "scopes": make([]string, 101)}, http.StatusBadRequest},
		"long password": {"/login", object{"email": "owner@example.org", "password": strings.Repeat("x", 257)}, http.StatusBadRequest},
		"long grace":    {org + "/keys/key_x/rotate", object{"grace_seconds": 1 << 40}, http.StatusBadRequest},
		"long id":       {"/organisations/" + strings.Repeat("x", 65) + "/projects", object{"name": "x"}, http.StatusNotFound},
		"bad role":      {org + "/invitations", object{"email": "x@example.org", "role": "king"}, http.StatusBadRequest},
		"bad email":     {org + "/invitations", object{"email": "x", "role": "member"}, http.StatusBadRequest},
	} {
		a := w.do(t, "owner", "POST", tt.path, tt.body)
		if a.status != tt.status || a.code() == "" {
			t.Errorf("%s: got %d %.200s, want %d", name, a.status, a.body, tt.status)
		}
	}
	if a := w.do(t, "owner", "POST", org+"/projects", object{"name": "x"}, "Idempotency-Key", strings.Repeat("k", 256)); a.status != http.StatusBadRequest {
		t.Errorf("a long idempotency key: %d", a.status)
	}
}

// TestFlows is API6: what a script could do too often ends: invitations are
// bounded, and one that was used does not work again.
func TestFlows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var i struct{ Secret string }
	w.do(t, "admin", "POST", "/organisations/"+w.first.Org.ID+"/invitations", object{"email": "new@example.org", "role": "viewer"}).into(t, &i)
	join := object{"secret": i.Secret, "name": "New", "password": "a long password"}
	if a := w.do(t, "nobody", "POST", "/invitations/accept", join); a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if a := w.do(t, "nobody", "POST", "/invitations/accept", join); a.status != http.StatusNotFound {
		t.Errorf("used twice: %d", a.status)
	}
	slowed := false
	for range 12 {
		slowed = slowed || w.do(t, "nobody", "POST", "/invitations/accept", join).status == http.StatusTooManyRequests
	}
	if !slowed {
		t.Error("invitations can be tried without end")
	}
}

// TestConfiguration is API8: answers are not kept by caches, errors tell
// nothing of the inside, methods and types that are not there say so.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check(t, w.db.Close())
	a := w.do(t, "owner", "GET", "/organisations/"+w.first.Org.ID, nil)
	if a.status < 500 || strings.Contains(string(a.body), "sql") || strings.Contains(string(a.body), "database is closed") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := w.do(t, "nobody", "POST", "/login", "email=x", "Content-Type", "application/x-www-form-urlencoded"); a.status != http.StatusUnsupportedMediaType && a.status != http.StatusBadRequest {
		t.Errorf("a form: %d", a.status)
	}
	if a := w.do(t, "nobody", "TRACE", "/me", nil); a.status != http.StatusMethodNotAllowed {
		t.Errorf("TRACE: %d", a.status)
	}
}
