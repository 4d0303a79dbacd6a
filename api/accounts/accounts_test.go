package accounts_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"kuai/api/accounts"
	"kuai/platform/account"
)

// TestDescription reads our description of ourselves with somebody else's eyes.
func TestDescription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(t, "nobody", http.MethodGet, "/openapi-3.0.json", nil)
	doc, err := openapi3.NewLoader().LoadFromData(a.body)
	check(t, err)
	check(t, doc.Validate(context.WithoutCancel(t.Context())))
	if doc.Paths.Len() < 20 {
		t.Errorf("%d paths described", doc.Paths.Len())
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			open := slices.Contains([]string{"/login", "/login/oidc", "/login/oidc/callback", "/invitations/accept"}, strings.TrimPrefix(path, "/api/v1"))
			if op.Summary == "" || op.Responses.Value("default") == nil || (op.Security == nil) != open {
				t.Errorf("%s %s: summary %q, security %v", method, path, op.Summary, op.Security)
			}
		}
	}
	if a := w.do(t, "nobody", http.MethodGet, "/openapi.json", nil); a.status != http.StatusOK || !strings.Contains(string(a.body), `"3.1`) {
		t.Errorf("got %d", a.status)
	}
}

// TestKeys makes, lists, rotates and revokes over HTTP.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := "/organisations/" + w.first.Org.ID + "/keys"
	var made struct {
		Key    account.Key
		Secret string
	}
	body := object{"name": "mine", "project": w.first.Project.ID, "scopes": []string{"chat"}, "networks": []string{"192.0.2.0/24"}, "expires_at": "2026-06-01T00:00:00Z"}
	a := w.do(t, "member", http.MethodPost, keys, body, "Idempotency-Key", "once")
	if a.status != http.StatusCreated {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	a.into(t, &made)
	if made.Key.User != w.users["member"] || len(made.Key.Networks) != 1 || made.Key.ExpiresAt.Month() != time.June || made.Secret == "" {
		t.Errorf("got %+v", made)
	}
	again := made
	again.Secret = ""
	w.do(t, "member", http.MethodPost, keys, body, "Idempotency-Key", "once").into(t, &again)
	if again.Secret != "" || again.Key.ID != made.Key.ID {
		t.Errorf("repeated: %+v", again)
	}
	body["name"] = "another"
	if a := w.do(t, "member", http.MethodPost, keys, body, "Idempotency-Key", "once"); a.status != http.StatusConflict {
		t.Errorf("another request under the same key: %d", a.status)
	}
	if a := w.do(t, "member", http.MethodGet, keys, nil); strings.Contains(string(a.body), made.Secret) || strings.Contains(string(a.body), "writing key") || !strings.Contains(string(a.body), made.Key.ID) {
		t.Errorf("a member sees %s", a.body)
	}
	w.do(t, "member", http.MethodPost, keys+"/"+made.Key.ID+"/rotate", object{"grace_seconds": 60}).into(t, &again)
	if again.Secret == "" || again.Secret == made.Secret {
		t.Error("rotated to nothing new")
	}
	if a := w.do(t, "member", http.MethodDelete, keys+"/"+made.Key.ID, nil); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.body)
	}
	_, err := w.Authenticate(t.Context(), again.Secret, netip.MustParseAddr("192.0.2.1"))
	if err == nil {
		t.Error("a revoked key counts")
	}
}

// TestPages walks through a list page by page.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 6 {
		_, err := w.CreateProject(t.Context(), account.Operator, w.first.Org.ID, "p")
		check(t, err)
	}
	var all, reverse []string
	for _, path := range []string{"/organisations/" + w.first.Org.ID + "/projects", "/organisations/" + w.first.Org.ID + "/audit"} {
		after := ""
		for range 20 {
			var page struct {
				Data []struct {
					ID  string
					Seq json.Number
				}
				More bool `json:"has_more"`
				Next string
			}
			w.do(t, "admin", http.MethodGet, path+"?limit=3"+after, nil).into(t, &page)
			for _, d := range page.Data {
				if d.ID != "" {
					all = append(all, d.ID)
				} else {
					reverse = append(reverse, d.Seq.String())
				}
			}
			if !page.More {
				break
			}
			after = "&after=" + page.Next
		}
	}
	if len(all) != 7 || len(reverse) < 12 || len(all) != len(unique(all)) || len(reverse) != len(unique(reverse)) {
		t.Errorf("got projects %v and records %v", all, reverse)
	}
	for _, query := range []string{"?limit=0", "?limit=201", "?limit=x", "?limits=3"} {
		if a := w.do(t, "admin", http.MethodGet, "/organisations/"+w.first.Org.ID+"/projects"+query, nil); a.status != http.StatusBadRequest || a.code() != "invalid_value" {
			t.Errorf("%s: got %d %s", query, a.status, a.body)
		}
	}
}

func unique(list []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range list {
		set[s] = true
	}
	return set
}

// TestBrowser logs in as a browser does, with a cookie that neither scripts
// nor other sites can use.
func TestBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.do(t, "nobody", http.MethodPost, "/login", object{"email": "owner@example.org", "password": "correct horse"}, "X-Forwarded-Proto", "https")
	response := http.Response{Header: a.header}
	cookies := response.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode || cookies[0].Path != "/" {
		t.Fatalf("got %v", cookies)
	}
	held := cookies[0].Name + "=" + cookies[0].Value
	var me struct {
		Email string
		Roles map[string]string
	}
	w.do(t, "nobody", http.MethodGet, "/me", nil, "Cookie", held).into(t, &me)
	if me.Email != "owner@example.org" || me.Roles[w.first.Org.ID] != "owner" {
		t.Errorf("got %+v", me)
	}
	if a := w.do(t, "nobody", http.MethodPost, "/logout", nil, "Cookie", held, "Sec-Fetch-Site", "cross-site"); a.status != http.StatusForbidden {
		t.Errorf("another site logs out: %d", a.status)
	}
	a = w.do(t, "nobody", http.MethodPost, "/logout", nil, "Cookie", held, "Sec-Fetch-Site", "same-origin")
	if a.status != http.StatusNoContent || !strings.Contains(a.header.Get("Set-Cookie"), "Expires=Thu, 01 Jan 1970") {
		t.Errorf("got %d, %v", a.status, a.header)
	}
	if a := w.do(t, "nobody", http.MethodGet, "/me", nil, "Cookie", held); a.status != http.StatusUnauthorized {
		t.Errorf("after logging out: %d", a.status)
	}
}

// TestClientIP believes proxies of ours and nobody else.
func TestClientIP(t *testing.T) {
	t.Parallel()
	ours := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	got := map[string]string{}
	want := map[string]string{
		"198.51.100.1:5 | 1.1.1.1":                    "198.51.100.1",
		"10.0.0.1:5 | 1.1.1.1":                        "1.1.1.1",
		"10.0.0.1:5 | 6.6.6.6, 1.1.1.1":               "1.1.1.1", // the client wrote the first
		"10.0.0.1:5 | 1.1.1.1, 10.0.0.2":              "1.1.1.1",
		"10.0.0.1:5 | nonsense":                       "10.0.0.1",
		"10.0.0.1:5 | ":                               "10.0.0.1",
		"[fd00::1]:5 | ::ffff:1.1.1.1":                "1.1.1.1",
		"nonsense | 1.1.1.1":                          "invalid IP",
		"10.0.0.1:5 | 1.1.1.1, x, 10.0.0.2":           "10.0.0.2",
		"[::ffff:10.0.0.1]:5 | 2001:db8::1, 10.1.1.1": "2001:db8::1",
	}
	for in := range want {
		peer, forwarded, _ := strings.Cut(in, " | ")
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", forwarded)
		got[in] = accounts.ClientIP(r, ours).String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
