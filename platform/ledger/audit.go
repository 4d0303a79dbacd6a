package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kuai/platform/db"
	"kuai/platform/money"
	"kuai/platform/price"
)

const (
	// maxDifferences that are told one by one; more are counted.
	maxDifferences = 1000
	// danglingAfter a reservation's time is over, nobody sweeps.
	danglingAfter = time.Hour
)

// Difference is something that does not fit together.
type Difference struct {
	Check  string `json:"check"`  // which rule it breaks
	Object string `json:"object"` // whose: an organisation, a reservation, an event
	Want   string `json:"want"`   // what the other rows say
	Got    string `json:"got"`    // what stands there
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: %s: want %s, got %s", d.Check, d.Object, d.Want, d.Got)
}

// Report is what Audit has found.
type Report struct {
	At           time.Time    `json:"at"`
	Accounts     int64        `json:"accounts"`
	Reservations int64        `json:"reservations"`
	Postings     int64        `json:"postings"`
	Events       int64        `json:"events"`
	Changes      int64        `json:"changes"`
	Totals       []Total      `json:"totals"`
	Differences  []Difference `json:"differences"`
	More         int64        `json:"more"` // differences beyond those
}

// Total is what all accounts of a currency hold together. It sums to zero.
type Total struct {
	Currency   money.Currency `json:"currency"`
	Cash       money.Amount   `json:"cash"`
	Promo      money.Amount   `json:"promo"`
	Held       money.Amount   `json:"held"`
	Revenue    money.Amount   `json:"revenue"`
	TopUps     money.Amount   `json:"topups"`      // where money came from: below 0
	Vouchers   money.Amount   `json:"vouchers"`    // likewise
	Adjustment money.Amount   `json:"adjustments"` // likewise
}

// OK says whether all rows fit together.
func (r *Report) OK() bool { return len(r.Differences) == 0 && r.More == 0 }

func (r *Report) add(check, object, want, got string) {
	if len(r.Differences) >= maxDifferences {
		r.More++
		return
	}
	r.Differences = append(r.Differences, Difference{check, object, want, got})
}

// amount reports two amounts that should be the same.
func (r *Report) amount(check, object string, want, got money.Amount) {
	if want != got {
		r.add(check, object, want.String(), got.String())
	}
}

// same reports two texts that should be the same.
func (r *Report) same(check, object, want, got string) {
	if want != got {
		r.add(check, object, want, got)
	}
}

// Audit computes every balance anew from the postings, every settlement from
// the events and every event from its prices, in one consistent view of the
// database, and reports each millionth that differs. It changes nothing, and
// needs no Ledger. now tells which reservations should have ended.
func Audit(ctx context.Context, d *db.DB, now time.Time) (*Report, error) {
	var r *Report
	err := d.Read(ctx, func(tx *db.Tx) (err error) {
		r, err = auditIn(ctx, tx, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: audit: %w", err)
	}
	return r, nil
}

func auditIn(ctx context.Context, tx *db.Tx, now time.Time) (*Report, error) {
	a := &audit{Report: &Report{At: now.UTC(), Differences: []Difference{}, Totals: []Total{}}, tx: tx}
	for _, check := range []func(context.Context) error{
		a.guards, a.accounts, a.reservations, a.strangers, a.prices, a.events, a.spend, a.changes, a.terms, a.vouchers, a.lapses,
	} {
		if err := check(ctx); err != nil {
			return nil, err
		}
	}
	return a.Report, nil
}

type audit struct {
	*Report
	tx        *db.Tx
	snapshots map[string]*price.Snapshot
}

func (a *audit) query(ctx context.Context, text string, scan func(*sql.Rows) error) error {
	return query(ctx, a.tx, text, nil, scan)
}

// guards finds tables that the database would let somebody change.
func (a *audit) guards(ctx context.Context) error {
	open, err := unprotected(ctx, a.tx)
	for _, table := range open {
		a.add("protection", table, "triggers", "none")
	}
	return err
}

// accounts compares what accounts hold with the sums of their postings.
func (a *audit) accounts(ctx context.Context) error {
	sums := map[string]map[string]money.Amount{}
	err := a.query(ctx, `SELECT org, account, CAST(SUM(amount) AS BIGINT) FROM (
 SELECT org, target AS account, amount FROM ledger_postings
 UNION ALL SELECT org, source, -amount FROM ledger_postings) AS moves GROUP BY org, account`, func(rows *sql.Rows) error {
		var org, name string
		var sum money.Amount
		err := rows.Scan(&org, &name, &sum)
		if sums[org] == nil {
			sums[org] = map[string]money.Amount{}
		}
		sums[org][name] = sum
		return err
	})
	if err != nil {
		return err
	}
	totals := map[money.Currency]*Total{}
	err = a.query(ctx, "SELECT org, currency, cash, promo, held_cash, held_promo, credit_limit, overdraft FROM ledger_accounts ORDER BY org", func(rows *sql.Rows) error {
		acc, err := scanAccount(rows)
		a.Accounts++
		got := sums[acc.org]
		delete(sums, acc.org)
		for _, name := range []string{cash, promo, heldCash, heldPromo} {
			a.amount("balance", acc.org+" "+name, got[name], *acc.balance(name))
		}
		if totals[acc.currency] == nil {
			totals[acc.currency] = &Total{Currency: acc.currency}
			a.Totals = append(a.Totals, Total{Currency: acc.currency})
		}
		totals[acc.currency].add(got)
		return err
	})
	for i := range a.Totals {
		a.Totals[i] = *totals[a.Totals[i].Currency]
	}
	for org := range sums {
		a.add("balance", org, "an account for its postings", "none")
	}
	return err
}

// add sums without a check: what overflows here has been told as a balance.
func (t *Total) add(sums map[string]money.Amount) {
	t.Cash += sums[cash]
	t.Promo += sums[promo]
	t.Held += sums[heldCash] + sums[heldPromo]
	t.Revenue += sums[revenue]
	t.TopUps += sums[topUps]
	t.Vouchers += sums[vouchers]
	t.Adjustment += sums[adjustment]
}

// flow is a kind of posting: from where to where.
type flow struct{ kind, source, target string }

// flows are the postings that there are.
var flows = map[flow]bool{
	{"reserve", cash, heldCash}:    true,
	{"reserve", promo, heldPromo}:  true,
	{"settle", heldCash, revenue}:  true,
	{"settle", heldPromo, revenue}: true,
	{"settle", heldCash, cash}:     true,
	{"settle", heldPromo, promo}:   true,
	{"settle", cash, revenue}:      true,
	{"settle", promo, revenue}:     true,
	{"late", cash, revenue}:        true,
	{"late", promo, revenue}:       true,
	{"release", heldCash, cash}:    true,
	{"release", heldPromo, promo}:  true,
	{"expire", heldCash, cash}:     true,
	{"expire", heldPromo, promo}:   true,
	{"topup", topUps, cash}:        true,
	{"voucher", vouchers, promo}:   true,
	{"lapse", promo, vouchers}:     true,
	{"adjust", adjustment, cash}:   true,
	{"adjust", adjustment, promo}:  true,
	{"adjust", cash, adjustment}:   true,
	{"adjust", promo, adjustment}:  true,
}

// strangers finds postings that belong to nothing, or that cannot be.
func (a *audit) strangers(ctx context.Context) error {
	err := a.query(ctx, "SELECT kind, source, target, COUNT(*), MIN(entry) FROM ledger_postings GROUP BY kind, source, target", func(rows *sql.Rows) error {
		var f flow
		var n int64
		var entry string
		err := rows.Scan(&f.kind, &f.source, &f.target, &n, &entry)
		a.Postings += n
		if err == nil && !flows[f] {
			a.add("posting", entry, "a known flow", fmt.Sprintf("%s from %s to %s", f.kind, f.source, f.target))
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.query(ctx, `SELECT DISTINCT entry, kind FROM ledger_postings AS p
 WHERE NOT EXISTS (SELECT 1 FROM ledger_reservations AS r WHERE r.id = p.entry AND r.org = p.org AND p.kind IN ('reserve','settle','late','release','expire'))
 AND NOT EXISTS (SELECT 1 FROM ledger_changes AS c WHERE c.id = p.entry AND c.org = p.org AND c.kind = p.kind)`, func(rows *sql.Rows) error {
		var entry, kind string
		err := rows.Scan(&entry, &kind)
		a.add("posting", entry+" "+kind, "a reservation or a change of the organisation", "none")
		return err
	})
}
