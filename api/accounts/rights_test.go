package accounts_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"kuai/platform/account"
	"kuai/platform/limit"
)

// right is an endpoint and what each role gets from it, in the order of roles.
type right struct {
	method, path string
	body         func(t *testing.T, w *world) (path string, body any) // nil: as it stands, {org} filled in
	want         [10]int
}

// rights has a row for every endpoint: nobody, outsider, viewer, member, admin,
// owner, operator, a key without a scope for accounts, one that reads, one that
// writes. What ends things comes last, since a row's calls follow each other.
var rights = []right{
	{"POST", "/login", login, [10]int{200, 200, 200, 200, 200, 200, 200, 200, 200, 200}},
	{"POST", "/invitations/accept", accept, [10]int{404, 404, 404, 404, 404, 404, 404, 404, 404, 404}},
	{"GET", "/login/oidc", nil, [10]int{503, 503, 503, 503, 503, 503, 503, 503, 503, 503}},
	{"GET", "/login/oidc/callback", nil, [10]int{401, 401, 401, 401, 401, 401, 401, 401, 401, 401}},
	{"GET", "/me", nil, [10]int{401, 200, 200, 200, 200, 200, 200, 200, 200, 200}},
	{"GET", "/me/sessions", nil, [10]int{401, 200, 200, 200, 200, 200, 403, 403, 403, 403}},
	{"POST", "/me/password", wrongPassword, [10]int{401, 400, 400, 400, 400, 400, 403, 403, 403, 403}},
	{"DELETE", "/me/sessions/{session}", nil, [10]int{401, 204, 204, 204, 204, 204, 403, 403, 403, 403}},
	{"GET", "/organisations", nil, [10]int{401, 200, 200, 200, 200, 200, 200, 403, 200, 200}},
	{"POST", "/organisations", name, [10]int{401, 403, 403, 403, 403, 403, 201, 403, 403, 403}},
	{"GET", "/organisations/{org}", nil, [10]int{401, 404, 200, 200, 200, 200, 200, 403, 200, 200}},
	{"PATCH", "/organisations/{org}", name, [10]int{401, 404, 403, 403, 403, 200, 200, 403, 403, 403}},
	{"POST", "/organisations/{org}/resume", nil, [10]int{401, 403, 403, 403, 403, 403, 200, 403, 403, 403}},
	{"POST", "/organisations/{org}/suspend", suspend, [10]int{401, 403, 403, 403, 403, 403, 200, 403, 403, 403}},
	{"GET", "/organisations/{org}/projects", nil, [10]int{401, 404, 200, 200, 200, 200, 200, 403, 200, 200}},
	{"POST", "/organisations/{org}/projects", name, [10]int{401, 404, 403, 403, 201, 201, 201, 403, 403, 201}},
	{"GET", "/organisations/{org}/projects/{project}", project, [10]int{401, 404, 200, 200, 200, 200, 200, 403, 200, 200}},
	{"PATCH", "/organisations/{org}/projects/{project}", project, [10]int{401, 404, 403, 403, 200, 200, 200, 403, 403, 200}},
	{"DELETE", "/organisations/{org}/projects/{project}", project, [10]int{401, 404, 403, 403, 204, 204, 204, 403, 403, 204}},
	{"GET", "/organisations/{org}/members", nil, [10]int{401, 404, 200, 200, 200, 200, 200, 403, 200, 200}},
	{"PUT", "/organisations/{org}/members/{user}", role, [10]int{401, 404, 403, 403, 204, 204, 204, 403, 403, 204}},
	{"DELETE", "/organisations/{org}/members/{user}", removed, [10]int{401, 404, 403, 403, 204, 204, 204, 403, 403, 204}},
	{"GET", "/organisations/{org}/invitations", nil, [10]int{401, 404, 403, 403, 200, 200, 200, 403, 200, 200}},
	{"POST", "/organisations/{org}/invitations", invite, [10]int{401, 404, 403, 403, 201, 201, 201, 403, 403, 201}},
	{"DELETE", "/organisations/{org}/invitations/{invitation}", invitation, [10]int{401, 404, 403, 403, 204, 204, 204, 403, 403, 204}},
	{"GET", "/organisations/{org}/keys", nil, [10]int{401, 404, 403, 200, 200, 200, 200, 403, 200, 200}},
	{"POST", "/organisations/{org}/keys", newKey, [10]int{401, 404, 403, 400, 201, 201, 201, 403, 403, 403}}, // a key makes none that may do more than itself
	{"GET", "/organisations/{org}/keys/{key}", key, [10]int{401, 404, 403, 404, 200, 200, 200, 403, 200, 200}},
	{"POST", "/organisations/{org}/keys/{key}/rotate", key, [10]int{401, 404, 403, 404, 200, 200, 200, 403, 403, 403}},
	{"DELETE", "/organisations/{org}/keys/{key}", key, [10]int{401, 404, 403, 404, 200, 200, 200, 403, 403, 200}},
	{"GET", "/organisations/{org}/limits", nil, [10]int{401, 404, 200, 200, 200, 200, 200, 403, 200, 200}},
	{"PUT", "/organisations/{org}/limits", rule, [10]int{401, 404, 403, 403, 200, 200, 200, 403, 403, 200}},
	{"DELETE", "/organisations/{org}/limits/{level}/{subject}/{kind}", dropRule, [10]int{401, 404, 403, 403, 204, 204, 204, 403, 403, 204}},
	{"GET", "/organisations/{org}/audit", nil, [10]int{401, 404, 403, 403, 200, 200, 200, 403, 200, 200}},
	{"GET", "/audit", nil, [10]int{401, 403, 403, 403, 403, 403, 200, 403, 403, 403}},
	{"GET", "/audit/verify", nil, [10]int{401, 403, 403, 403, 403, 403, 200, 403, 403, 403}},
	{"GET", "/users", nil, [10]int{401, 403, 403, 403, 403, 403, 200, 403, 403, 403}},
	{"POST", "/users", newUser, [10]int{401, 403, 403, 403, 403, 403, 201, 403, 403, 403}},
	{"POST", "/users/{user}/disable", stranger, [10]int{401, 403, 403, 403, 403, 403, 200, 403, 403, 403}},
	{"POST", "/users/{user}/enable", stranger, [10]int{401, 403, 403, 403, 403, 403, 200, 403, 403, 403}},
	{"POST", "/logout", nil, [10]int{401, 204, 204, 204, 204, 204, 403, 403, 403, 403}},
	{"POST", "/logout/all", again, [10]int{401, 204, 204, 204, 204, 204, 403, 403, 403, 403}},
	{"DELETE", "/organisations/{org}", again, [10]int{401, 404, 403, 403, 403, 403, 204, 401, 401, 401}}, // an operator's key belongs to it; then it is gone
}

func login(*testing.T, *world) (string, any) {
	return "", object{"email": "viewer@example.org", "password": "correct horse"}
}

func accept(*testing.T, *world) (string, any) {
	return "", object{"secret": account.InvitationPrefix + strings.Repeat("A", 43), "name": "N", "password": "a long password"}
}

func wrongPassword(*testing.T, *world) (string, any) {
	return "", object{"old_password": "wrong", "password": "a long password"}
}

func name(*testing.T, *world) (string, any) { return "", object{"name": "another name"} }

// suspend takes the suspension of the row's call before back.
func suspend(t *testing.T, w *world) (string, any) {
	t.Helper()
	_, err := w.SuspendOrganisation(t.Context(), account.Operator, w.first.Org.ID, false)
	check(t, err)
	return "", nil
}

func project(t *testing.T, w *world) (string, any) {
	t.Helper()
	_, err := w.SuspendOrganisation(t.Context(), account.Operator, w.first.Org.ID, false)
	check(t, err)
	p, err := w.CreateProject(t.Context(), account.Operator, w.first.Org.ID, "p")
	check(t, err)
	return p.ID, object{"name": "another name"}
}

// somebody makes a new viewer.
func somebody(t *testing.T, w *world) string {
	t.Helper()
	u, err := w.CreateUser(t.Context(), account.Operator, account.NewUser{Email: w.now().Format("150405.000000") + "@example.org", Name: "S"})
	check(t, err)
	w.micros.Add(1)
	check(t, w.SetRole(t.Context(), account.Operator, w.first.Org.ID, u.ID, account.RoleViewer))
	return u.ID
}

func role(t *testing.T, w *world) (string, any) {
	t.Helper()
	return somebody(t, w), object{"role": "member"}
}

func removed(t *testing.T, w *world) (string, any) {
	t.Helper()
	return somebody(t, w), nil
}

func stranger(t *testing.T, w *world) (string, any) {
	t.Helper()
	return somebody(t, w), nil
}

func invite(*testing.T, *world) (string, any) {
	return "", object{"email": "new@example.org", "role": "member"}
}

func invitation(t *testing.T, w *world) (string, any) {
	t.Helper()
	i, _, err := w.Invite(t.Context(), account.Operator, w.first.Org.ID, "n@example.org", account.RoleMember)
	check(t, err)
	return i.ID, nil
}

func newKey(_ *testing.T, w *world) (string, any) {
	return "", object{"name": "k", "project": w.first.Project.ID, "service": true}
}

func key(t *testing.T, w *world) (string, any) {
	t.Helper()
	k, _, err := w.CreateKey(t.Context(), account.Operator, w.first.Org.ID, account.NewKey{Project: w.first.Project.ID, Name: "k"})
	check(t, err)
	return k.ID, object{"grace_seconds": 60}
}

func rule(_ *testing.T, w *world) (string, any) {
	return "", object{"level": "project", "subject": w.first.Project.ID, "kind": "images_per_day", "amount": 5}
}

func dropRule(t *testing.T, w *world) (string, any) {
	t.Helper()
	check(t, w.limits.Set(t.Context(), account.Operator, limit.Rule{Org: w.first.Org.ID, Level: limit.Project, Subject: w.first.Project.ID, Kind: limit.ImagesPerDay, Amount: 5}))
	return "project/" + w.first.Project.ID + "/images_per_day", nil
}

func newUser(*testing.T, *world) (string, any) {
	return "", object{"email": "new@example.org", "name": "New"}
}

// again logs everybody in anew whom the rows before have logged out.
func again(t *testing.T, w *world) (string, any) {
	t.Helper()
	for role := range w.users {
		_, secret, err := w.Login(t.Context(), account.From{}, role+"@example.org", "correct horse")
		check(t, err)
		w.secrets[role] = secret
	}
	return "", nil
}

// fill puts identifiers into a path.
func (w *world) fill(path, id string) string {
	path = strings.Replace(path, "{org}", w.first.Org.ID, 1)
	path = strings.Replace(path, "{level}/{subject}/{kind}", id, 1)
	for _, p := range []string{"{project}", "{user}", "{key}", "{invitation}"} {
		path = strings.Replace(path, p, id, 1)
	}
	return strings.Replace(path, "{session}", "ses_of_nobody", 1)
}

// TestRights calls every endpoint in every role. An endpoint that is in no row,
// or a row without its endpoint, fails too.
func TestRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	known := map[string]bool{}
	for path, item := range w.doc.Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete} {
			if op != nil {
				known[method+" "+strings.TrimPrefix(path, "/api/v1")] = true
			}
		}
	}
	for _, row := range rights {
		name := row.method + " " + row.path
		if !known[name] {
			t.Errorf("%s: no such endpoint", name)
		}
		delete(known, name)
		for i, role := range roles {
			id, body := "", any(nil)
			if row.body != nil {
				id, body = row.body(t, w)
			}
			if row.method == http.MethodGet || row.method == http.MethodDelete {
				body = nil
			}
			a := w.do(t, role, row.method, w.fill(row.path, id), body)
			if a.status != row.want[i] {
				t.Errorf("%s as %s: got %d %s, want %d", name, role, a.status, a.body, row.want[i])
			}
			if a.status >= 400 && (a.code() == "" || a.header.Get("X-Request-Id") == "") {
				t.Errorf("%s as %s: no error in our shape: %s", name, role, a.body)
			}
			if got := a.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s as %s: Cache-Control %q", name, role, got)
			}
		}
	}
	for name := range known {
		t.Errorf("%s: in no row of the table", name)
	}
}
