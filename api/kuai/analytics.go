package kuai

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/insight"
	"kuai/platform/ledger"
	amounts "kuai/platform/money"
)

// RegisterAnalytics adds the routes by which operators see who comes, comes
// back, stays, pays and costs.
func RegisterAnalytics(m chi.Router, o Operators) {
	h := analytics{o}
	m.Get("/api/v1/analytics/daily", o.as(gate.ScopeUsage, h.daily))
	m.Get("/api/v1/analytics/cohorts", o.as(gate.ScopeUsage, h.cohorts))
	m.Get("/api/v1/analytics/users", o.as(gate.ScopeUsage, h.users))
	m.Get("/api/v1/analytics/costs", o.as(gate.ScopeUsage, h.costs))
	m.Put("/api/v1/analytics/costs", o.as(gate.ScopeUsage, h.setCosts))
}

type analytics struct{ Operators }

// defaultCurrency is that of whoever says nothing.
const defaultCurrency = amounts.Currency("USD")

// query reads what is looked at: the last 30 days where nothing is said.
func (r asking) query() (insight.Query, error) {
	v := r.URL.Query()
	today := time.Now().UTC().Truncate(24 * time.Hour)
	q := insight.Query{To: today.AddDate(0, 0, 1), Org: v.Get("organisation"), Currency: amounts.Currency(cmp.Or(v.Get("currency"), string(defaultCurrency)))}
	var err error
	if s := v.Get("to"); s != "" {
		if q.To, err = ledger.ParseTime(s); err != nil {
			return q, fault.Param("to", "to is %.40q, want a day", s)
		}
		q.To = q.To.AddDate(0, 0, 1) // with that day
	}
	q.From = q.To.Add(-usualSpan)
	if s := v.Get("from"); s != "" {
		if q.From, err = ledger.ParseTime(s); err != nil {
			return q, fault.Param("from", "from is %.40q, want a day", s)
		}
	}
	return q, q.Check()
}

// table answers with rows, as JSON or, with format=csv, as a file.
func table[T any](h analytics, r asking, name string, heads []string, read func(context.Context, *db.Tx, insight.Query) ([]T, error), cells func(T) []string) (any, error) {
	q, err := r.query()
	if err != nil {
		return nil, err
	}
	var rows []T
	var currencies []string
	err = h.DB.Read(r.Context(), func(tx *db.Tx) (err error) {
		if rows, err = read(r.Context(), tx, q); err == nil {
			currencies, err = insight.Currencies(r.Context(), tx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	switch f := r.URL.Query().Get("format"); f {
	case "", "json":
		if rows == nil {
			rows = []T{}
		}
		return struct {
			Data       []T              `json:"data"`
			Currency   amounts.Currency `json:"currency"`
			Currencies []string         `json:"currencies"`
		}{rows, q.Currency, currencies}, nil
	case "csv":
		return csvFile{fmt.Sprintf("%s-%s.csv", name, q.From.Format(time.DateOnly)), func(out *csv.Writer) {
			_ = out.Write(heads) // Flush tells
			for _, v := range rows {
				_ = out.Write(cells(v))
			}
		}}, nil
	default:
		return nil, fault.Param("format", "format is %.20q, want csv or json", f)
	}
}

// csvFile is an answer that Operators.as writes as a file.
type csvFile struct {
	name  string
	write func(*csv.Writer)
}

func (f csvFile) send(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", f.name))
	out := csv.NewWriter(w)
	f.write(out)
	out.Flush() // the client has gone
}

func text(n int64) string { return strconv.FormatInt(n, 10) }

func (h analytics) daily(_ http.ResponseWriter, r asking) (any, error) {
	return table(h, r, "daily", []string{"day", "users", "sessions", "session_seconds", "requests", "revenue", "cost", "revenue_per_user", "cost_per_user"}, insight.Daily, func(d insight.Day) []string {
		return []string{
			d.Day, text(d.Users), text(d.Sessions), strconv.FormatFloat(d.SessionSeconds, 'f', 1, 64), text(d.Requests),
			d.Revenue.String(), d.Cost.String(), d.RevenuePerUser.String(), d.CostPerUser.String(),
		}
	})
}

func (h analytics) cohorts(_ http.ResponseWriter, r asking) (any, error) {
	read := func(ctx context.Context, tx *db.Tx, q insight.Query) ([]insight.Cohort, error) {
		return insight.Cohorts(ctx, tx, q, time.Now())
	}
	back := func(n *int64) string {
		if n == nil {
			return ""
		}
		return text(*n)
	}
	return table(h, r, "cohorts", []string{"day", "size", "d1", "d7", "d30"}, read, func(c insight.Cohort) []string {
		return []string{c.Day, text(c.Size), back(c.D1), back(c.D7), back(c.D30)}
	})
}

func (h analytics) users(_ http.ResponseWriter, r asking) (any, error) {
	return table(h, r, "users", []string{"user", "days", "requests", "revenue", "cost"}, insight.Users, func(u insight.User) []string {
		return []string{u.Who, text(u.Days), text(u.Requests), u.Revenue.String(), u.Cost.String()}
	})
}

func (h analytics) costs(_ http.ResponseWriter, r asking) (any, error) {
	c := amounts.Currency(cmp.Or(r.URL.Query().Get("currency"), string(defaultCurrency)))
	all := []insight.Cost{}
	err := h.DB.Read(r.Context(), func(tx *db.Tx) error {
		some, err := insight.Costs(r.Context(), tx, c)
		all = append(all[:0], some...)
		return err
	})
	return list{all}, err
}

func (h analytics) setCosts(w http.ResponseWriter, r asking) (any, error) {
	var in struct {
		Currency amounts.Currency `json:"currency"`
		Costs    []insight.Cost   `json:"costs"`
	}
	if err := strict(w, r.Request, &in); err != nil {
		return nil, err
	}
	in.Currency = cmp.Or(in.Currency, defaultCurrency)
	err := h.DB.Tx(r.Context(), func(tx *db.Tx) error {
		if err := insight.SetCosts(r.Context(), tx, in.Currency, in.Costs); err != nil {
			return err
		}
		return audit.Append(r.Context(), tx, time.Now(), r.entry("analytics.costs", string(in.Currency), in.Costs))
	})
	return list{in.Costs}, err
}

// Visits is a gate that notes who talks with a character, which leaves no usage
// event: it is a sign of life for the analytics.
func Visits(g gate.Gate, d *db.DB) gate.Gate { return visits{g, d} }

type visits struct {
	gate.Gate
	db *db.DB
}

func (v visits) Admit(ctx context.Context, r *http.Request, w gate.Work) (gate.Ticket, error) {
	t, err := v.Gate.Admit(ctx, r, w)
	if err != nil || !strings.HasPrefix(w.Endpoint, http.MethodPost) || !strings.HasSuffix(w.Endpoint, "/messages") {
		return t, err
	}
	p := t.Principal()
	if err := v.db.Tx(ctx, func(tx *db.Tx) error {
		return insight.Visit(ctx, tx, time.Now(), p.Org, cmp.Or(p.User, p.Key), "character")
	}); err != nil {
		slog.WarnContext(ctx, "a visit was not noted", "error", err)
	}
	return t, nil
}
