package kuai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/ledger"
	"kuai/platform/price"
)

const (
	usualSpan = 30 * 24 * time.Hour // of usage
	usualPage = 100
)

// RegisterMoney adds the routes of balances, usage, prices and vouchers. Keys
// need the scope of usage; what gives or takes money is for those who run the
// installation, and stands in the audit log. Those alone may ask for another
// organisation than their own, or in an export for all.
func RegisterMoney(m chi.Router, l *ledger.Ledger, g gate.Gate) {
	b := money{l, g}
	m.Get("/api/v1/balance", b.as(anyone, b.balance))
	m.Get("/api/v1/usage", b.as(anyone, b.usage))
	m.Get("/api/v1/usage/export", b.as(anyone, b.export))
	m.Get("/api/v1/changes", b.as(anyone, b.changes))
	m.Get("/api/v1/prices", b.as(anyone, b.prices))
	m.Post("/api/v1/vouchers/redeem", b.as(anyone, b.redeem))

	m.Post("/api/v1/prices", b.as(operator, b.importPrices))
	m.Post("/api/v1/topups", b.as(operator, b.topUp))
	m.Post("/api/v1/adjustments", b.as(operator, b.adjust))
	m.Put("/api/v1/terms", b.as(operator, b.terms))
	m.Get("/api/v1/vouchers", b.as(operator, b.vouchers))
	m.Post("/api/v1/vouchers", b.as(operator, b.voucher))
	m.Delete("/api/v1/vouchers/{id}", b.as(operator, b.revoke))
	m.Get("/api/v1/ledger/audit", b.as(operator, b.audit))
}

type money struct {
	ledger *ledger.Ledger
	gate   gate.Gate
}

// asking is a request of somebody about an organisation.
type asking struct {
	*http.Request
	who gate.Principal
	org string
}

const (
	anyone   = false
	operator = true
)

// as makes a handler of f for callers who may. f returns what is answered, nil
// where it has answered itself.
func (b money) as(admin bool, f func(w http.ResponseWriter, r asking) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := gate.Enter(b.gate, w.Header(), r, gate.Work{Dialect: "kuai", Endpoint: wire.Route(r), Scope: gate.ScopeUsage})
		a := asking{r, who, cmp.Or(r.URL.Query().Get("organisation"), who.Org)}
		if err == nil && !who.Admin && (admin || a.org != who.Org) {
			err = fault.New(fault.Forbidden, "only who runs the installation may do this")
		}
		var out any
		if err == nil {
			out, err = f(w, a)
		}
		switch {
		case err != nil:
			openai.Failed(w, r, err)
		case out != nil && r.Method == http.MethodPost:
			wire.JSON(w, http.StatusCreated, out)
		case out != nil:
			wire.JSON(w, http.StatusOK, out)
		}
	}
}

// actor is who does something, in the ledger and in the audit log.
func (r asking) actor() string { return cmp.Or(r.who.Key, r.who.User) }

// list is an answer of several.
type list struct {
	Data any `json:"data"`
}

func (b money) balance(_ http.ResponseWriter, r asking) (any, error) {
	var out struct {
		ledger.Balance
		Spent ledger.Spending `json:"spent"`
	}
	err := b.ledger.DB().Read(r.Context(), func(tx *db.Tx) (err error) {
		if out.Balance, err = b.ledger.Balance(r.Context(), tx, r.org); err == nil {
			out.Spent, err = b.ledger.Spent(r.Context(), tx, ledger.Org, r.org)
		}
		return err
	})
	return out, err
}

// question reads what usage is asked for.
func (r asking) question() (ledger.Query, error) {
	q := r.URL.Query()
	now := time.Now()
	ask := ledger.Query{Org: r.org, Project: q.Get("project"), Key: q.Get("key"), Model: q.Get("model"), To: now}
	var err error
	for _, edge := range []struct {
		name string
		at   *time.Time
	}{{"to", &ask.To}, {"from", &ask.From}} {
		if s := q.Get(edge.name); s != "" {
			if *edge.at, err = ledger.ParseTime(s); err != nil {
				return ask, fault.Param(edge.name, "%s is %.40q, want a day or a time of RFC 3339", edge.name, s)
			}
		}
	}
	if q.Get("from") == "" {
		ask.From = ask.To.Add(-usualSpan)
	}
	if s := q.Get("group"); s != "" {
		for g := range strings.SplitSeq(s, ",") {
			ask.By = append(ask.By, ledger.Group(g))
		}
	}
	return ask, nil
}

func (b money) usage(_ http.ResponseWriter, r asking) (any, error) {
	q, err := r.question()
	if err != nil {
		return nil, err
	}
	var used []ledger.Used
	err = b.ledger.DB().Read(r.Context(), func(tx *db.Tx) (err error) {
		used, err = b.ledger.Usage(r.Context(), tx, q)
		return err
	})
	return list{used}, err
}

// started is a writer that knows whether an answer has begun.
type started struct {
	http.ResponseWriter
	begun bool
}

func (s *started) Write(p []byte) (int, error) {
	s.begun = true
	return s.ResponseWriter.Write(p)
}

func (b money) export(w http.ResponseWriter, r asking) (any, error) {
	q, err := r.question()
	if err != nil {
		return nil, err
	}
	if r.who.Admin && r.URL.Query().Get("organisation") == "" {
		q.Org = "" // all of them
	}
	format := ledger.Format(cmp.Or(r.URL.Query().Get("format"), "csv"))
	kind := map[ledger.Format]string{ledger.CSV: "text/csv; charset=utf-8", ledger.JSON: "application/json"}[format]
	if kind == "" {
		return nil, fault.Param("format", "format is %.20q, want csv or json", string(format))
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="usage-%s.%s"`, q.From.Format(time.DateOnly), format))
	out := &started{ResponseWriter: w}
	if err := b.ledger.Export(r.Context(), out, format, q); err != nil {
		if !out.begun {
			w.Header().Del("Content-Disposition")
			return nil, err
		}
		slog.WarnContext(r.Context(), "an export ended early", "error", err)
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to tell that an answer is not whole
	}
	return nil, nil //nolint:nilnil // answered
}

// page reads which part of a list is asked for.
func (r asking) page() (before string, limit int, err error) {
	limit = usualPage
	if s := r.URL.Query().Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil {
			return "", 0, fault.Param("limit", "limit is %.20q, want a number", s)
		}
	}
	return r.URL.Query().Get("before"), limit, nil
}

func (b money) changes(_ http.ResponseWriter, r asking) (any, error) {
	before, limit, err := r.page()
	if err != nil {
		return nil, err
	}
	all := []ledger.Change{}
	err = b.ledger.DB().Read(r.Context(), func(tx *db.Tx) error {
		some, err := b.ledger.Changes(r.Context(), tx, r.org, before, limit)
		all = append(all[:0], some...)
		return err
	})
	return list{all}, err
}

// prices lists all prices, or tells what a model costs at the moment.
func (b money) prices(_ http.ResponseWriter, r asking) (any, error) {
	var out any
	err := b.ledger.DB().Read(r.Context(), func(tx *db.Tx) error {
		if model := r.URL.Query().Get("model"); model != "" {
			s, err := b.ledger.Quote(r.Context(), tx, r.org, model)
			if err == nil {
				out = map[string]any{"model": model, "currency": s.Currency, "rates": s.Rates}
			}
			return err
		}
		all, err := b.ledger.Prices(r.Context(), tx)
		out = list{all}
		return err
	})
	return out, err
}

// do runs a change in a transaction, with its entry in the audit log unless
// change returns neither an object nor a detail: then nothing has changed.
func (b money) do(r asking, action, org string, change func(tx *db.Tx) (object string, detail any, err error)) error {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	return b.ledger.DB().Tx(r.Context(), func(tx *db.Tx) error {
		object, detail, err := change(tx)
		if err != nil || (object == "" && detail == nil) {
			return err
		}
		return audit.Append(r.Context(), tx, time.Now(), audit.Entry{Org: org, Actor: r.actor(), Action: action, Object: object, IP: ip, Detail: detail})
	})
}

func (b money) importPrices(w http.ResponseWriter, r asking) (any, error) {
	wire.Limit(w, r.Request, price.MaxFile)
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, wire.Broken(err, price.MaxFile)
	}
	prices, err := price.ReadFile(bytes.NewReader(text))
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%s", err)
	}
	err = b.do(r, "prices.import", "", func(tx *db.Tx) (string, any, error) {
		return "", map[string]int{"prices": len(prices)}, b.ledger.ImportPrices(r.Context(), tx, prices, r.actor())
	})
	return map[string]int{"imported": len(prices)}, err
}

// strict reads a body, and refuses fields that v does not have: where money is
// given, nothing that was asked for is passed over.
func strict(w http.ResponseWriter, r *http.Request, v any) error {
	wire.Limit(w, r, maxBody)
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return wire.Broken(err, maxBody)
	}
	if err == nil && d.More() {
		err = errors.New("more than one value")
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the request is not the JSON that is expected: %s", err)
	}
	return nil
}
