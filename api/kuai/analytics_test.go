package kuai

import (
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/platform/audit"
)

// TestAnalytics asks for figures, over HTTP, after one visit.
func TestAnalytics(t *testing.T) {
	t.Parallel()
	b, d := serveRoutes(t, func(m chi.Router, o Operators) { RegisterAnalytics(m, o) })
	g := Visits(porter{}, d)
	for _, endpoint := range []string{"GET /api/v1/characters", "POST /api/v1/characters/{id}/messages"} {
		r := request(t, "ann")
		if _, err := g.Admit(t.Context(), r, gate.Work{Endpoint: endpoint}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
		want                    string
	}{
		{"", "GET", "/analytics/daily", "", 401, ""},
		{"acme", "GET", "/analytics/daily", "", 403, ""},
		{"acme", "PUT", "/analytics/costs", "{}", 403, ""},
		{"admin", "GET", "/analytics/daily", "", 200, `"users":1,"sessions":1`},
		{"admin", "GET", "/analytics/daily?organisation=ann&format=csv", "", 200, "day,users,sessions,session_seconds,requests,revenue,cost,revenue_per_user,cost_per_user\n"},
		{"admin", "GET", "/analytics/daily?organisation=other", "", 200, `"users":0`},
		{"admin", "GET", "/analytics/cohorts", "", 200, `"size":1,"d1":null`},
		{"admin", "GET", "/analytics/cohorts?format=csv", "", 200, ",1,,,\n"},
		{"admin", "GET", "/analytics/users?currency=CNY", "", 200, `"data":[],"currency":"CNY"`},
		{"admin", "GET", "/analytics/users?format=xml", "", 400, "format"},
		{"admin", "GET", "/analytics/daily?from=soon", "", 400, "from"},
		{"admin", "GET", "/analytics/daily?from=2026-01-02&to=2026-01-01", "", 400, "before"},
		{"admin", "GET", "/analytics/daily?currency=shells", "", 400, "currency"},
		{"admin", "PUT", "/analytics/costs", `{"costs":[{"dimension":"images","cost":"0.001","per":1}]}`, 200, `"cost":"0.001"`},
		{"admin", "PUT", "/analytics/costs", `{"costs":[{"dimension":"colours","cost":"1","per":1}]}`, 400, "colours"},
		{"admin", "GET", "/analytics/costs", "", 200, `"dimension":"images"`},
	} {
		b.has(tt.who, tt.method, tt.path, tt.body, tt.status, tt.want)
	}
}

// TestSponsor switches the place on, fills it, sees and clicks.
func TestSponsor(t *testing.T) {
	t.Parallel()
	b, d := serveRoutes(t, func(m chi.Router, o Operators) { RegisterSponsor(m, o) })
	b.has("acme", "GET", "/sponsor", "", 200, `{"slot":null}`)
	for _, tt := range [][2]string{{"PUT", "/sponsor"}, {"GET", "/sponsor/slots"}, {"POST", "/sponsor/slots"}, {"DELETE", "/sponsor/slots/x"}} {
		b.has("acme", tt[0], tt[1], "{}", 403)
	}
	b.has("admin", "POST", "/sponsor/slots", `{"sponsor":"Bakery","text":"Fresh bread","link":"javascript:alert(1)"}`, 400, `"link"`)
	slot := b.has("admin", "POST", "/sponsor/slots", `{"sponsor":"Bakery","text":"Fresh bread","link":"https://example.com/","weight":2}`, 200, `"live":true`)
	b.has("acme", "GET", "/sponsor", "", 200, `{"slot":null}`) // still off
	b.has("admin", "PUT", "/sponsor", `{"enabled":true}`, 200)
	view := field(b.has("acme", "GET", "/sponsor", "", 200, `"text":"Fresh bread"`), "view")
	for range 2 {
		b.has("acme", "POST", "/sponsor/views/"+view+"/seen", "", 204)
		b.has("acme", "POST", "/sponsor/views/"+view+"/click", "", 204)
	}
	b.has("acme", "POST", "/sponsor/views/none/seen", "", 404)
	b.has("admin", "GET", "/sponsor/slots", "", 200, `"enabled":true,"asked":1,"filled":1`, `"impressions":1,"clicks":1`)
	b.has("admin", "DELETE", "/sponsor/slots/"+field(slot, "id"), "", 204)
	b.has("acme", "GET", "/sponsor", "", 200, `{"slot":null}`)
	b.has("admin", "GET", "/sponsor/slots", "", 200, `"asked":2,"filled":1`)
	if records, err := audit.List(t.Context(), d, "*", 0, 100); err != nil || len(records) != 3 {
		t.Errorf("%d records in the audit log, %v", len(records), err)
	}
}

// field cuts a text field out of JSON.
func field(body, name string) string {
	_, rest, _ := strings.Cut(body, `"`+name+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
