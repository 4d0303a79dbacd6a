package insight

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/money"
	"kuai/platform/price"
)

// happened is a usage event of the golden data: an hour, who, and what.
type happened struct {
	at        string
	user, key string
	org       string
	dimension price.Dimension
	quantity  int64
	amount    money.Amount
}

// golden is three weeks of two organisations. Ann comes on three days, Bob on
// two that are a week apart, a key once, Eve pays in another currency; Dan only
// talks with a character.
var golden = []happened{
	{"03-01 10:00", "ann", "k1", "o1", price.Requests, 1, 0},
	{"03-01 10:00", "ann", "k1", "o1", price.VideoMilliseconds, 2000, 90_000},
	{"03-01 10:20", "ann", "k1", "o1", price.Requests, 1, 0}, // the same session: 20 minutes
	{"03-01 10:51", "ann", "k1", "o1", price.Requests, 1, 0}, // another one
	{"03-01 23:50", "bob", "k2", "o1", price.Requests, 1, 0}, // over midnight: 20 minutes
	{"03-02 00:10", "bob", "k2", "o1", price.Requests, 1, 0},
	{"03-02 00:10", "bob", "k2", "o1", price.OutputTokens, 1_000_000, 1_100_000},
	{"03-02 09:00", "ann", "k1", "o1", price.Requests, 1, 0},
	{"03-02 09:00", "", "k9", "o1", price.Requests, 1, 0},
	{"03-02 09:00", "", "k9", "o1", price.VideoMilliseconds, 1000, 45_000},
	{"03-02 12:00", "eve", "k3", "o2", price.Requests, 1, 0},
	{"03-02 12:00", "eve", "k3", "o2", price.Images, 1, 25_000},
	{"03-08 08:00", "ann", "k1", "o1", price.Requests, 1, 0},
	{"03-08 08:00", "bob", "k2", "o1", price.Requests, 1, 0},
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04", "2026-"+s)
	if err != nil {
		t.Fatal(err)
	}
	return v.UTC()
}

func load(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		for _, a := range [][2]string{{"o1", "USD"}, {"o2", "CNY"}} {
			if _, err := tx.ExecContext(t.Context(), `INSERT INTO ledger_accounts (org, currency, cash, promo, held_cash, held_promo, credit_limit, overdraft) VALUES (?, ?, 0, 0, 0, 0, 0, 0)`, a[0], a[1]); err != nil {
				return err
			}
		}
		for i, h := range golden {
			if _, err := tx.ExecContext(t.Context(), `INSERT INTO ledger_events (id, reservation, org, project, user_id, key_id, model, job, idempotency_key, dimension, quantity, price, per, amount, at)
				VALUES (?, ?, ?, 'p', ?, ?, 'm', '', '', ?, ?, 0, 1, ?, ?)`,
				fmt.Sprintf("e%d", i), fmt.Sprintf("r%d", i), h.org, h.user, h.key, string(h.dimension), h.quantity, int64(h.amount), db.Micros(at(t, h.at))); err != nil {
				return err
			}
		}
		for _, when := range []string{"03-01 12:00", "03-01 12:10", "03-02 12:00"} {
			if err := Visit(t.Context(), tx, at(t, when), "o1", "dan", "character"); err != nil {
				return err
			}
		}
		return SetCosts(t.Context(), tx, "USD", []Cost{{price.VideoMilliseconds, 10_000, 1000}, {price.OutputTokens, 400_000, 1_000_000}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestGolden compares all figures with those counted by hand, on both databases.
func TestGolden(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		load(t, d)
		q := Query{From: at(t, "03-01 00:00"), To: at(t, "03-04 00:00"), Currency: "USD"}
		n := func(v int64) *int64 { return &v }
		for _, tt := range []struct {
			name string
			run  func(context.Context, *db.Tx) (any, error)
			want any
		}{
			{"days", func(ctx context.Context, tx *db.Tx) (any, error) { return Daily(ctx, tx, q) }, []Day{
				// ann 20 min and 0, dan 10 min, bob 20 min
				{Day: "2026-03-01", Users: 3, Sessions: 4, SessionSeconds: 750, Requests: 4, Revenue: 90_000, Cost: 20_000, RevenuePerUser: 30_000, CostPerUser: 6_666},
				{Day: "2026-03-02", Users: 5, Sessions: 4, Requests: 3, Revenue: 1_145_000, Cost: 410_000, RevenuePerUser: 229_000, CostPerUser: 82_000},
				{Day: "2026-03-03"},
			}},
			{"days of an organisation", func(ctx context.Context, tx *db.Tx) (any, error) {
				return Daily(ctx, tx, Query{From: at(t, "03-02 00:00"), To: at(t, "03-03 00:00"), Currency: "CNY", Org: "o2"})
			}, []Day{{Day: "2026-03-02", Users: 1, Sessions: 1, Requests: 1, Revenue: 25_000, RevenuePerUser: 25_000}}},
			{"cohorts", func(ctx context.Context, tx *db.Tx) (any, error) { return Cohorts(ctx, tx, q, at(t, "03-10 12:00")) }, []Cohort{
				{Day: "2026-03-01", Size: 3, D1: n(3), D7: n(2)}, // ann, bob, dan; the second week only ann and bob
				{Day: "2026-03-02", Size: 2, D1: n(0), D7: n(0)}, // k9, eve
			}},
			{"cohorts of today", func(ctx context.Context, tx *db.Tx) (any, error) { return Cohorts(ctx, tx, q, at(t, "03-02 12:01")) }, []Cohort{
				{Day: "2026-03-01", Size: 3, D1: n(3)}, {Day: "2026-03-02", Size: 2},
			}},
			{"a day on which a session of the night goes on", func(ctx context.Context, tx *db.Tx) (any, error) {
				return Daily(ctx, tx, Query{From: at(t, "03-02 00:00"), To: at(t, "03-03 00:00"), Currency: "USD"})
			}, []Day{{Day: "2026-03-02", Users: 5, Sessions: 4, Requests: 3, Revenue: 1_145_000, Cost: 410_000, RevenuePerUser: 229_000, CostPerUser: 82_000}}},
			{"cohorts after others had come", func(ctx context.Context, tx *db.Tx) (any, error) {
				return Cohorts(ctx, tx, Query{From: at(t, "03-02 00:00"), To: at(t, "03-09 00:00"), Currency: "USD"}, at(t, "03-10 12:00"))
			}, []Cohort{{Day: "2026-03-02", Size: 2, D1: n(0), D7: n(0)}}},
			{"cohorts of an organisation", func(ctx context.Context, tx *db.Tx) (any, error) {
				return Cohorts(ctx, tx, Query{From: at(t, "03-02 00:00"), To: at(t, "03-09 00:00"), Currency: "USD", Org: "o1"}, at(t, "03-10 12:00"))
			}, []Cohort{{Day: "2026-03-02", Size: 1, D1: n(0), D7: n(0)}}},
			{"users", func(ctx context.Context, tx *db.Tx) (any, error) { return Users(ctx, tx, q) }, []User{
				{Who: "bob", Days: 2, Requests: 2, Revenue: 1_100_000, Cost: 400_000},
				{Who: "ann", Days: 2, Requests: 4, Revenue: 90_000, Cost: 20_000},
				{Who: "k9", Days: 1, Requests: 1, Revenue: 45_000, Cost: 10_000},
			}},
			{"currencies", func(ctx context.Context, tx *db.Tx) (any, error) { return Currencies(ctx, tx) }, []string{"CNY", "USD"}},
		} {
			var got any
			if err := d.Read(t.Context(), func(tx *db.Tx) (err error) { got, err = tt.run(t.Context(), tx); return err }); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	})
}

// TestBounded checks that no look reads all events or visits there are: each
// finds those of its days, and somebody's earlier ones, by an index.
func TestBounded(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		load(t, d)
		for _, org := range []string{"", "o1"} {
			q := Query{From: at(t, "03-02 00:00"), To: at(t, "03-04 00:00"), Currency: "USD", Org: org}
			for name, query := range map[string]func() (string, []any){
				"people": q.people, "sessions": q.sessions, "takings": q.takings, "best": q.best,
				"cohorts": func() (string, []any) { return q.cohorts(at(t, "03-10 12:00")) },
			} {
				text, args := query()
				plan := explain(t, d, text, args)
				if whole := wholeReads(d.Dialect(), plan); len(whole) > 0 {
					t.Errorf("%s of %q reads all: %s\n%s", name, org, strings.Join(whole, "; "), strings.Join(plan, "\n"))
				}
			}
		}
		text := "SELECT COUNT(*) FROM ledger_events WHERE quantity > ?" // the test sees one that does
		if plan := explain(t, d, text, []any{0}); len(wholeReads(d.Dialect(), plan)) == 0 {
			t.Errorf("a read of all is not seen: %s", strings.Join(plan, "\n"))
		}
	})
}

// explain is how a database would answer a query. PostgreSQL would read a small
// table whole, unless it is told not to where it can be helped.
func explain(t *testing.T, d *db.DB, text string, args []any) (plan []string) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		if d.Dialect() == db.SQLite {
			plan, err = db.List(t.Context(), tx, func(row db.Scanner) (s string, err error) {
				var n int
				err = row.Scan(&n, &n, &n, &s)
				return s, err
			}, "EXPLAIN QUERY PLAN "+text, args...)
			return err
		}
		if _, err := tx.ExecContext(t.Context(), "SET LOCAL enable_seqscan = off"); err != nil {
			return err
		}
		plan, err = db.List(t.Context(), tx, func(row db.Scanner) (s string, err error) {
			err = row.Scan(&s)
			return s, err
		}, "EXPLAIN "+text, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

var (
	sqliteWhole   = regexp.MustCompile(`^SCAN (ledger_events|insight_visits|e)\b`)
	postgresTable = regexp.MustCompile(`Seq Scan on (ledger_events|insight_visits)\b`)
	postgresIndex = regexp.MustCompile(`Index (Only )?Scan (using|on) (ledger_events|insight_visits)`)
)

// wholeReads are the steps of a plan that read all events, or all visits.
func wholeReads(dialect db.Dialect, plan []string) (whole []string) {
	for i, step := range plan {
		byIndex := i+1 < len(plan) && strings.Contains(plan[i+1], "Index Cond")
		if dialect == db.SQLite && sqliteWhole.MatchString(step) || postgresTable.MatchString(step) || postgresIndex.MatchString(step) && !byIndex {
			whole = append(whole, strings.TrimSpace(step))
		}
	}
	return whole
}

// TestRefuses checks bad questions and bad costs.
func TestRefuses(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.SQLite(t))
	day := at(t, "03-01 00:00")
	for _, tt := range []struct {
		q    Query
		want string
	}{
		{Query{From: day, To: day, Currency: "USD"}, "before"},
		{Query{From: day, To: day.AddDate(2, 0, 0), Currency: "USD"}, "400"},
		{Query{From: day.Add(time.Hour), To: day.AddDate(0, 0, 3).Add(time.Hour), Currency: "USD"}, "days"},
		{Query{From: day, To: day.AddDate(0, 0, 1), Currency: "money"}, "currency"},
	} {
		if err := tt.q.Check(); err == nil || fault.From(err).Code != fault.Invalid || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want one that says %s", tt.q, err, tt.want)
		}
	}
	for _, costs := range [][]Cost{{{"colour", 1, 1}}, {{price.Images, -1, 1}}, {{price.Images, 1, 0}}, {{price.Images, 1, 1}, {price.Images, 2, 1}}} {
		err := d.Tx(t.Context(), func(tx *db.Tx) error { return SetCosts(t.Context(), tx, "USD", costs) })
		if fault.From(err).Code != fault.Invalid {
			t.Errorf("%+v: %v", costs, err)
		}
	}
}
