package kuai

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/ledger"
	"kuai/platform/price"
)

// doorman lets in whom the key names: an organisation, or admin.
type doorman struct{}

func (doorman) Admit(_ context.Context, r *http.Request, w gate.Work) (gate.Ticket, error) {
	key := gate.ReadKey(r.Header)
	if key == "" {
		return nil, fault.New(fault.Unauthenticated, "who are you?")
	}
	if w.Scope != gate.ScopeUsage {
		return nil, fault.New(fault.Forbidden, "scope %s", w.Scope)
	}
	return ticket{Ticket: nil, who: gate.Principal{Org: key, Key: "key_" + key, Admin: key == "admin"}}, nil
}

type ticket struct {
	gate.Ticket
	who gate.Principal
}

func (t ticket) Principal() gate.Principal              { return t.who }
func (ticket) Header(http.Header)                       {}
func (ticket) Settle(context.Context, gate.Usage) error { return nil }
func (ticket) Release(context.Context, string) error    { return nil }

// bank serves a ledger.
type bank struct {
	t      *testing.T
	ledger *ledger.Ledger
	url    string
}

func newBank(t *testing.T) *bank {
	t.Helper()
	l, err := ledger.New(t.Context(), dbtest.Open(t, dbtest.SQLite(t)), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := chi.NewRouter()
	RegisterMoney(m, l, doorman{})
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return &bank{t, l, s.URL + "/api/v1"}
}

// call asks as somebody, and returns the body of an answer with a status.
func (b *bank) call(who, method, path, body string, status int) string {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+who)
	r.Header.Set("Idempotency-Key", strconv.Quote(body))
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := io.ReadAll(w.Body)
	_ = w.Body.Close()
	if err != nil || w.StatusCode != status {
		b.t.Fatalf("%s: %s %s: status %d, want %d: %s", who, method, path, w.StatusCode, status, text)
	}
	return string(text)
}

// has calls, and looks for parts of the answer.
func (b *bank) has(who, method, path, body string, status int, want ...string) string {
	b.t.Helper()
	text := b.call(who, method, path, body, status)
	for _, part := range want {
		if !strings.Contains(text, part) {
			b.t.Errorf("%s: %s %s: no %s in %s", who, method, path, part, text)
		}
	}
	return text
}

// TestMoney tops up, spends and looks at it, over HTTP.
func TestMoney(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.has("acme", "GET", "/balance", "", 200, `"available":"0.00"`, `"currency":"USD"`)
	for range 2 { // the second time with the same idempotency key
		b.has("admin", "POST", "/topups", `{"organisation":"acme","amount":"10","reason":"invoice 7"}`, 201, `"amount":"10.00"`, `"actor":"key_admin"`)
	}
	b.has("admin", "POST", "/adjustments", `{"organisation":"acme","amount":"-1.50","reason":"a mistake"}`, 201)
	b.has("admin", "PUT", "/terms", `{"organisation":"acme","credit_limit":"5","overdraft":true}`, 200)
	b.has("admin", "POST", "/prices", "currency: USD\nprices: [{model: m, dimension: images, price: 2, per: 1}]", 201, `"imported":1`)
	b.has("acme", "GET", "/prices?model=m", "", 200, `"images":{"id":"price_`, `"price":"2.00"`)
	b.has("acme", "GET", "/prices", "", 200, `"source":"key_admin"`, `"source":"built-in"`)

	var v ledger.Voucher
	if err := json.Unmarshal([]byte(b.call("admin", "POST", "/vouchers", `{"amount":"3","uses":2,"note":"welcome"}`, 201)), &v); err != nil || v.Code == "" {
		t.Fatalf("%+v, %v", v, err)
	}
	b.has("acme", "POST", "/vouchers/redeem", `{"code":"`+v.Code+`"}`, 201, `"account":"promo"`)
	b.has("acme", "POST", "/vouchers/redeem", `{"code":"`+v.Code+`"}`, 409)
	if text := b.has("admin", "GET", "/vouchers", "", 200, `"used":1`); strings.Contains(text, v.Code) {
		t.Error("a code is told twice")
	}
	b.has("admin", "DELETE", "/vouchers/"+v.ID, "", 200)
	b.has("other", "POST", "/vouchers/redeem", `{"code":"`+v.Code+`"}`, 409)
	b.has("acme", "GET", "/balance", "", 200, `"available":"16.50"`, `"cash":"8.50"`, `"promo":"3.00"`, `"credit_left":"5.00"`)

	err := b.ledger.DB().Tx(t.Context(), func(tx *db.Tx) error {
		r, err := b.ledger.Reserve(t.Context(), tx, ledger.Request{Org: "acme", Key: "key_acme", Model: "m", Estimate: price.Usage{price.Images: 4}})
		if err == nil {
			_, err = b.ledger.Settle(t.Context(), tx, r.ID, price.Usage{price.Images: 3})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.has("acme", "GET", "/balance", "", 200, `"available":"10.50"`, `"promo":"0.00"`, `"spent":{"day":"6.00","month":"6.00"}`)
	b.has("acme", "GET", "/usage?group=model,dimension", "", 200, `{"model":"m","dimension":"images","quantity":3,"amount":"6.00","requests":1}`)
	b.has("acme", "GET", "/usage/export?format=json", "", 200, `"key":"key_acme"`)
	b.has("admin", "GET", "/usage/export", "", 200, "time,event,organisation", ",acme,")
	b.has("acme", "GET", "/changes?limit=2", "", 200, `"kind":"voucher"`)
	b.has("admin", "GET", "/ledger/audit", "", 200, `"ok":true`, `"revenue":"6.00"`)

	records, err := audit.List(t.Context(), b.ledger.DB(), "*", 0, 100)
	if err != nil || len(records) != 7 {
		t.Errorf("%d records in the audit log, %v", len(records), err)
	}
	for _, r := range records {
		if strings.Contains(string(r.Detail), v.Code) {
			t.Errorf("the audit log holds a code: %s", r.Detail)
		}
	}
}

// TestMoneyRefuses checks who may do what, and bad requests.
func TestMoneyRefuses(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
		want                    string
	}{
		{"", "GET", "/balance", "", 401, ""},
		{"acme", "GET", "/balance?organisation=other", "", 403, ""},
		{"admin", "GET", "/balance?organisation=other", "", 200, `"org":"other"`},
		{"acme", "GET", "/usage/export?organisation=other", "", 403, ""},
		{"acme", "POST", "/topups", `{"organisation":"acme","amount":"10"}`, 403, ""},
		{"acme", "POST", "/prices", "", 403, ""},
		{"acme", "PUT", "/terms", "{}", 403, ""},
		{"acme", "GET", "/vouchers", "", 403, ""},
		{"acme", "GET", "/ledger/audit", "", 403, ""},
		{"admin", "POST", "/topups", `{"amount":"10"}`, 400, "organisation"},
		{"admin", "POST", "/topups", `{"organisation":"o","amount":"-10"}`, 400, "amount"},
		{"admin", "POST", "/topups", `{"organisation":"o","amount":1e3}`, 400, "decimals"},
		{"admin", "POST", "/topups", `{"organisation":"o","amuont":"1"}`, 400, "amuont"},
		{"admin", "POST", "/topups", `{"organisation":"o","amount":"1"} {}`, 400, "one value"},
		{"admin", "POST", "/topups", `{"organisation":"` + strings.Repeat("o", maxBody) + `"}`, 413, ""},
		{"admin", "POST", "/prices", "prices: 7", 400, "price"},
		{"admin", "POST", "/vouchers", `{"amount":"1","uses":-1}`, 400, "uses"},
		{"admin", "DELETE", "/vouchers/none", "", 404, ""},
		{"acme", "POST", "/vouchers/redeem", `{"code":"none"}`, 404, ""},
		{"acme", "GET", "/usage?from=yesterday", "", 400, "from"},
		{"acme", "GET", "/usage?from=2026-01-02&to=2026-01-01", "", 400, "from"},
		{"acme", "GET", "/usage?group=colour", "", 400, "colour"},
		{"acme", "GET", "/usage/export?format=xml", "", 400, "format"},
		{"acme", "GET", "/changes?limit=0", "", 400, "limit"},
	} {
		b.has(tt.who, tt.method, tt.path, tt.body, tt.status, tt.want)
	}
}
