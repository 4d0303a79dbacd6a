package api

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"kuai/api/openapi"
)

// described are the operations of a document, with {} for what stands in paths.
func described(t *testing.T, data []byte) (*openapi3.T, map[string]bool) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(data)
	ok(t, err)
	ok(t, doc.Validate(t.Context()))
	all := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			all[method+" "+bare(path)] = true
		}
	}
	return doc, all
}

var inPath = regexp.MustCompile(`\{[^}]*\}`)

func bare(path string) string { return inPath.ReplaceAllString(path, "{}") }

// undescribed are routes of no API: health, documents, and addresses that the
// server itself hands out.
var undescribed = regexp.MustCompile(`^\S+ (/healthz|/readyz|/metrics|/v1/openapi\.yaml|/v1/download/.*|/blobs/.*)$`)

// TestDialectsDescribed checks the same of the dialects, whose routes are all others.
func TestDialectsDescribed(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	_, all := described(t, openapi.Dialects)
	served := map[string]bool{}
	for _, r := range w.walk(t) {
		at := r.method + " " + bare(strings.Replace(r.pattern, "/*", "/{}", 1))
		if strings.HasPrefix(r.pattern, "/api/v1/") || undescribed.MatchString(at) {
			continue
		}
		if served[at] = true; !all[at] {
			t.Errorf("%s is described nowhere: add it to openapi/dialects.yaml", at)
		}
	}
	for at := range all {
		if !served[at] {
			t.Errorf("%s is described, and not served", at)
		}
	}
}

// TestDescribed checks that every route below /api/v1 is described, and that
// nothing else is.
func TestDescribed(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	_, ours := described(t, openapi.Kuai)
	_, accounts := described(t, w.ask(t, "nobody", "GET", "/api/v1/openapi-3.0.json", nil).Body.Bytes())
	served := map[string]bool{}
	for _, r := range w.walk(t) {
		at := r.method + " " + bare(r.pattern)
		if !strings.HasPrefix(r.pattern, "/api/v1/") || strings.HasPrefix(r.pattern, "/api/v1/openapi") {
			continue
		}
		served[at] = true
		if !ours[at] && !accounts[at] {
			t.Errorf("%s %s is described nowhere: add it to openapi/kuai.yaml", r.method, r.pattern)
		}
		if ours[at] && accounts[at] {
			t.Errorf("%s is described twice", at)
		}
	}
	for at := range ours {
		if !served[at] && !strings.Contains(at, " /api/v1/models") { // of a fleet, which this town has not
			t.Errorf("%s is described, and not served", at)
		}
	}
}

// TestAsDescribed compares requests and answers with the document.
func TestAsDescribed(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	doc, _ := described(t, openapi.Kuai)
	doc.Servers = openapi3.Servers{{URL: "http://example.com"}}
	router, err := gorillamux.NewRouter(doc)
	ok(t, err)
	decoders()
	id := w.clip(t, "ada")
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
	}{
		{"ada", "GET", "/characters", "", 200},
		{"ada", "GET", "/characters/lin/messages", "", 200},
		{"ada", "POST", "/characters/lin/messages", `{"text":"I live in Oslo."}`, 200},
		{"ada", "POST", "/characters/lin/messages", `{"again":true}`, 200},
		{"ada", "POST", "/characters/lin/messages", `{"text":""}`, 400},
		{"ada", "GET", "/characters/lin/messages?last=5", "", 200},
		{"ada", "GET", "/characters/lin/tree", "", 200},
		{"ada", "GET", "/characters/lin/branches", "", 200},
		{"ada", "POST", "/characters/lin/goto", `{"swipe":1}`, 200},
		{"ada", "PUT", "/characters/lin/checkpoints/here", `{"turn":1}`, 204},
		{"ada", "GET", "/characters/lin/memory?history=true", "", 200},
		{"ada", "PATCH", "/characters/lin/memory/1", `{"pinned":true}`, 200},
		{"ada", "POST", "/personas", `{"name":"Ada"}`, 201},
		{"ada", "GET", "/personas", "", 200},
		{"ada", "PATCH", "/personas/ada", `{"pronouns":"she"}`, 200},
		{"ada", "POST", "/groups", `{"name":"Tea","order":"list","members":["lin","pip"]}`, 201},
		{"ada", "GET", "/groups", "", 200},
		{"ada", "POST", "/groups/tea/messages", `{"text":"Hello"}`, 200},
		{"ada", "GET", "/groups/tea/messages", "", 200},
		{"ada", "PATCH", "/groups/tea", `{"mute":["pip"]}`, 200},
		{"ada", "GET", "/jobs", "", 200},
		{"ada", "GET", "/jobs/" + id, "", 200},
		{"ada", "GET", "/jobs/none", "", 404},
		{"ada", "GET", "/files", "", 200},
		{"ada", "GET", "/videos/options", "", 200},
		{"ada", "POST", "/videos/" + id + "/share", "", 200},
		{"ada", "GET", "/shares", "", 200},
		{"ada", "GET", "/balance", "", 200},
		{"ada", "GET", "/usage?group=dimension", "", 200},
		{"ada", "GET", "/changes", "", 200},
		{"ada", "GET", "/prices", "", 200},
		{"ada", "POST", "/webhooks", `{"url":"https://example.com/","events":[]}`, 200},
		{"ada", "GET", "/webhooks", "", 200},
		{"ada", "GET", "/webhooks/deliveries", "", 200},
		{"ada", "GET", "/sponsor", "", 200},
		{"oscar", "GET", "/sponsor/slots", "", 200},
		{"oscar", "POST", "/topups", `{"organisation":"` + w.orgs["acme"] + `","amount":"1","reason":"a gift"}`, 201},
		{"oscar", "POST", "/vouchers", `{"currency":"USD","amount":"1","expires_at":"2999-01-01T00:00:00Z"}`, 201},
		{"oscar", "GET", "/vouchers", "", 200},
		{"oscar", "GET", "/ledger/audit", "", 200},
		{"oscar", "GET", "/analytics/daily", "", 200},
		{"oscar", "GET", "/analytics/costs", "", 200},
		{"oscar", "GET", "/workers", "", 200},
		{"oscar", "GET", "/workers/tokens", "", 200},
	} {
		rec := w.ask(t, tt.who, tt.method, "/api/v1"+tt.path, tt.body)
		if rec.Code != tt.status {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, rec.Code, rec.Body, tt.status)
			continue
		}
		req := httptest.NewRequestWithContext(t.Context(), tt.method, "http://example.com/api/v1"+tt.path, http.NoBody)
		req.Header.Set("Content-Type", "application/json")
		if err := checkExchange(t, router, req, []byte(tt.body), rec.Result(), rec.Body.Bytes()); err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.path, err)
		}
	}
}
