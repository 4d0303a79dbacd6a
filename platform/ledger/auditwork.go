package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"kuai/platform/db"
	"kuai/platform/money"
	"kuai/platform/price"
)

// sums are what the postings and events of one reservation say of it.
type sums struct {
	held, heldPromo   money.Amount // reserved
	outPromo, outCash money.Amount // what left held_promo and held_cash
	settle, release   money.Amount // moved by postings of these kinds
	expire, late      money.Amount
	revenue           money.Amount
	events, waived    money.Amount
	begun, ended      int64 // when
	lapsed            int64
}

// reservations compares each reservation with its postings and events.
func (a *audit) reservations(ctx context.Context) error {
	return a.query(ctx, `SELECT `+reservationColumns+`,
 COALESCE(held, 0), COALESCE(held_promo, 0), COALESCE(out_promo, 0), COALESCE(out_cash, 0),
 COALESCE(by_settle, 0), COALESCE(by_release, 0), COALESCE(by_expire, 0), COALESCE(by_late, 0), COALESCE(income, 0),
 COALESCE(used, 0), COALESCE(forgone, 0), COALESCE(begun, created_at), COALESCE(done, ended_at), COALESCE(lapsed, ended_at)
 FROM ledger_reservations
 LEFT JOIN (SELECT entry,
  CAST(SUM(CASE WHEN kind = 'reserve' THEN amount ELSE 0 END) AS BIGINT) AS held,
  CAST(SUM(CASE WHEN kind = 'reserve' AND source = 'promo' THEN amount ELSE 0 END) AS BIGINT) AS held_promo,
  CAST(SUM(CASE WHEN source = 'held_promo' THEN amount ELSE 0 END) AS BIGINT) AS out_promo,
  CAST(SUM(CASE WHEN source = 'held_cash' THEN amount ELSE 0 END) AS BIGINT) AS out_cash,
  CAST(SUM(CASE WHEN kind = 'settle' THEN amount ELSE 0 END) AS BIGINT) AS by_settle,
  CAST(SUM(CASE WHEN kind = 'release' THEN amount ELSE 0 END) AS BIGINT) AS by_release,
  CAST(SUM(CASE WHEN kind = 'expire' THEN amount ELSE 0 END) AS BIGINT) AS by_expire,
  CAST(SUM(CASE WHEN kind = 'late' THEN amount ELSE 0 END) AS BIGINT) AS by_late,
  CAST(SUM(CASE WHEN target = 'revenue' THEN amount ELSE 0 END) AS BIGINT) AS income,
  MIN(CASE WHEN kind = 'reserve' THEN at END) AS begun,
  MAX(CASE WHEN kind IN ('settle', 'late', 'release') THEN at END) AS done,
  MAX(CASE WHEN kind = 'expire' THEN at END) AS lapsed
  FROM ledger_postings GROUP BY entry) AS p ON p.entry = id
 LEFT JOIN (SELECT reservation, CAST(SUM(amount) AS BIGINT) AS used,
  CAST(SUM(CASE WHEN dimension = 'waived' THEN -amount ELSE 0 END) AS BIGINT) AS forgone
  FROM ledger_events GROUP BY reservation) AS e ON e.reservation = id`, func(rows *sql.Rows) error {
		var s sums
		r, err := scanReservation(rowsWith{rows, []any{
			&s.held, &s.heldPromo, &s.outPromo, &s.outCash, &s.settle, &s.release, &s.expire, &s.late, &s.revenue, &s.events, &s.waived, &s.begun, &s.ended, &s.lapsed,
		}})
		a.Reservations++
		if err == nil {
			a.reservation(r, s)
		}
		return err
	})
}

// rowsWith scans further columns behind those that a scan function knows.
type rowsWith struct {
	rows *sql.Rows
	more []any
}

func (r rowsWith) Scan(into ...any) error { return r.rows.Scan(append(into, r.more...)...) }

func (a *audit) reservation(r *Reservation, s sums) {
	a.amount("reservation amount", r.ID, s.held, r.Amount)
	a.amount("reservation promo", r.ID, s.heldPromo, r.promo)
	a.amount("reservation charge", r.ID, s.revenue, r.Charged)
	a.amount("events of reservation", r.ID, r.Charged, s.events)
	a.amount("waived of reservation", r.ID, r.Waived, s.waived)
	a.amount("overdrawn of reservation", r.ID, max(0, r.Charged-r.Amount), r.Overdrawn)
	a.same("begin of reservation", r.ID, db.Time(s.begun).String(), r.CreatedAt.String())
	if r.State == Open {
		a.amount("open reservation", r.ID+" promo", 0, s.outPromo)
		a.amount("open reservation", r.ID+" cash", 0, s.outCash)
		if overdue := a.At.Sub(r.ExpiresAt); overdue > danglingAfter {
			a.add("dangling reservation", r.ID, "an end by "+r.ExpiresAt.Format(time.RFC3339), "none")
		}
	} else {
		a.amount("ended reservation", r.ID+" promo", r.promo, s.outPromo)
		a.amount("ended reservation", r.ID+" cash", r.Amount-r.promo, s.outCash)
		if r.State == Expired {
			s.ended = s.lapsed
		}
		a.same("end of reservation", r.ID, db.Time(s.ended).String(), r.EndedAt.String())
	}
	a.steps(r, s)
}

// steps checks that the postings are of the kinds that a reservation's state
// has behind it.
func (a *audit) steps(r *Reservation, s sums) {
	want := sums{} // of the kinds
	switch r.State {
	case Open:
	case Released:
		want.release = r.Amount
	case Expired:
		want.expire = r.Amount
	case Settled:
		if s.expire > 0 || (r.Amount == 0 && s.late > 0) {
			want.expire, want.late = r.Amount, r.Charged
		} else {
			want.settle = max(r.Amount, r.Charged) // what is charged, and the rest
		}
	default:
		a.add("state", r.ID, "open, settled, released or expired", string(r.State))
	}
	for _, k := range []struct {
		kind      string
		want, got money.Amount
	}{{"settle", want.settle, s.settle}, {"release", want.release, s.release}, {"expire", want.expire, s.expire}, {"late", want.late, s.late}} {
		a.amount(k.kind+" of "+string(r.State)+" reservation", r.ID, k.want, k.got)
	}
	if r.State != Settled {
		a.amount("charge of "+string(r.State)+" reservation", r.ID, 0, r.Charged)
	}
}

// prices reads the snapshots, each of which is named by its content, and
// compares them with the prices that they were taken from.
func (a *audit) prices(ctx context.Context) error {
	a.snapshots = map[string]*price.Snapshot{}
	err := a.query(ctx, "SELECT id, body FROM price_snapshots", func(rows *sql.Rows) error {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return err
		}
		s, err := price.ReadSnapshot(id, body)
		if err != nil {
			a.add("price snapshot", id, "the content it is named by", err.Error())
			return nil // that is the finding
		}
		a.snapshots[id] = s
		return nil
	})
	if err != nil {
		return err
	}
	imported, err := readPrices(ctx, a.tx)
	if err != nil {
		return err
	}
	prices := map[string]price.Rate{}
	for _, p := range imported {
		prices[p.ID] = price.Rate{ID: p.ID, Per: p.Per, Price: p.Price, Tiers: p.Tiers}
	}
	for id, s := range a.snapshots {
		for d, got := range s.Rates {
			if want, ok := prices[got.ID]; ok {
				a.same("price", got.ID+" in "+id+" for "+string(d), rateText(want), rateText(got))
			}
		}
	}
	return nil
}

func rateText(r price.Rate) string {
	text, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// events prices each event again, and compares it with its reservation.
func (a *audit) events(ctx context.Context) error {
	return a.query(ctx, `SELECT e.id, e.reservation, e.org, e.project, e.user_id, e.key_id, e.model, e.job, e.idempotency_key,
 e.dimension, e.quantity, e.price, e.per, e.amount, e.at, COALESCE(r.snapshot, ''), COALESCE(r.state, ''), COALESCE(r.ended_at, 0),
 COALESCE(r.org, ''), COALESCE(r.project, ''), COALESCE(r.user_id, ''), COALESCE(r.key_id, ''), COALESCE(r.model, ''), COALESCE(r.job, ''), COALESCE(r.idempotency_key, '')
 FROM ledger_events AS e LEFT JOIN ledger_reservations AS r ON r.id = e.reservation`, func(rows *sql.Rows) error {
		var id, reservation, snapshot string
		var state State
		var got, want [7]string
		var l price.Line
		var at, ended int64
		err := rows.Scan(&id, &reservation, &got[0], &got[1], &got[2], &got[3], &got[4], &got[5], &got[6],
			&l.Dimension, &l.Quantity, &l.Price, &l.Per, &l.Amount, &at, &snapshot, &state, &ended,
			&want[0], &want[1], &want[2], &want[3], &want[4], &want[5], &want[6])
		a.Events++
		if err != nil {
			return err
		}
		if state != Settled {
			a.add("event", id, "a settled reservation", fmt.Sprintf("%q", state))
			return nil
		}
		a.same("event", id, fmt.Sprintf("%q", want), fmt.Sprintf("%q", got))
		a.same("name of event", id, reservation+"."+string(l.Dimension), id)
		a.same("time of event", id, db.Time(ended).String(), db.Time(at).String())
		a.line(id, snapshot, l)
		return nil
	})
}

// line prices a line of a bill again.
func (a *audit) line(id, snapshot string, got price.Line) {
	want := price.Line{Dimension: got.Dimension, Quantity: got.Quantity, Per: 1}
	s := a.snapshots[snapshot]
	switch {
	case got.Dimension == waived: // compared with the reservation
		want.Quantity, want.Price, want.Amount = 1, got.Amount, got.Amount
	case s == nil:
		a.add("price of event", id, "snapshot "+snapshot, "none")
		return
	default:
		if rate, ok := s.Rates[got.Dimension]; ok {
			want.Price, want.Per = rate.Price, rate.Per
			var err error
			if want.Amount, err = rate.Cost(got.Quantity); err != nil {
				a.add("price of event", id, err.Error(), got.Amount.String())
				return
			}
		}
	}
	if got != want {
		a.add("price of event", id, fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got))
	}
}

// spend compares what owners have spent by day with the events, and what they
// hold with the open reservations.
func (a *audit) spend(ctx context.Context) error {
	day := fmt.Sprintf("/ %d", dayMicros)
	var text strings.Builder
	text.WriteString(`SELECT owner, day, CAST(SUM(spent) AS BIGINT), CAST(SUM(held) AS BIGINT) FROM (SELECT owner, day, spent, held FROM ledger_spend`)
	for level, column := range map[Level]string{Org: "org", Project: "project", User: "user_id", Key: "key_id"} {
		fmt.Fprintf(&text, ` UNION ALL SELECT '%s:' || %s, at %s, -amount, 0 FROM ledger_events WHERE %s <> ''
 UNION ALL SELECT '%s:' || %s, created_at %s, 0, -amount FROM ledger_reservations WHERE state = 'open' AND %s <> ''`,
			level, column, day, column, level, column, day, column)
	}
	text.WriteString(") AS all_of_it GROUP BY owner, day HAVING SUM(spent) <> 0 OR SUM(held) <> 0")
	return a.query(ctx, text.String(), func(rows *sql.Rows) error {
		var o string
		var d int64
		var t tally
		err := rows.Scan(&o, &d, &t.spent, &t.held)
		object := o + " on " + db.Time(d*dayMicros).Format(time.DateOnly)
		a.amount("spending beyond the events", object, 0, t.spent)
		a.amount("held beyond open reservations", object, 0, t.held)
		return err
	})
}

// changes compares changes with their postings.
func (a *audit) changes(ctx context.Context) error {
	return a.query(ctx, `SELECT c.id, c.kind, c.account, c.amount, c.at, COALESCE(p.source, ''), COALESCE(p.target, ''), COALESCE(p.amount, 0), COALESCE(p.at, 0)
 FROM ledger_changes AS c LEFT JOIN ledger_postings AS p ON p.entry = c.id AND p.kind = c.kind AND p.line = 0`, func(rows *sql.Rows) error {
		var id, kind, account, source, target string
		var amount, posted money.Amount
		var at, postedAt int64
		err := rows.Scan(&id, &kind, &account, &amount, &at, &source, &target, &posted, &postedAt)
		a.Changes++
		if err != nil || kind == "terms" {
			return err
		}
		if source == account {
			posted = -posted
		} else {
			a.same("account of change", id, account, target)
		}
		a.amount("posting of change", id, amount, posted)
		a.same("time of change", id, db.Time(postedAt).String(), db.Time(at).String())
		return nil
	})
}

// terms compares accounts with the last change of their terms.
func (a *audit) terms(ctx context.Context) error {
	return a.query(ctx, `SELECT a.org, a.currency, a.credit_limit, a.overdraft, COALESCE((SELECT c.detail FROM ledger_changes AS c
 WHERE c.org = a.org AND c.kind = 'terms' ORDER BY c.at DESC, c.id DESC LIMIT 1), '') FROM ledger_accounts AS a`, func(rows *sql.Rows) error {
		var org, detail string
		var got Terms
		var overdraft int64
		if err := rows.Scan(&org, &got.Currency, &got.CreditLimit, &overdraft, &detail); err != nil {
			return err
		}
		got.Overdraft = overdraft != 0
		want := Terms{Currency: got.Currency} // an account without terms
		if detail != "" {
			if err := json.Unmarshal([]byte(detail), &want); err != nil {
				a.add("terms", org, "JSON", detail)
				return nil //nolint:nilerr // that is the finding
			}
		}
		if got != want {
			a.add("terms", org, fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got))
		}
		return nil
	})
}

// vouchers compares vouchers with those who redeemed them.
func (a *audit) vouchers(ctx context.Context) error {
	return a.query(ctx, `SELECT v.id, v.used, v.amount, v.currency, COUNT(c.id), COALESCE(MIN(c.amount), v.amount), COALESCE(MAX(c.amount), v.amount), COALESCE(MIN(o.currency), v.currency)
 FROM vouchers AS v LEFT JOIN ledger_changes AS c ON c.kind = 'voucher' AND c.idempotency_key = v.id
 LEFT JOIN ledger_accounts AS o ON o.org = c.org GROUP BY v.id, v.used, v.amount, v.currency`, func(rows *sql.Rows) error {
		var id, currency, theirs string
		var used, redeemed int64
		var amount, least, most money.Amount
		err := rows.Scan(&id, &used, &amount, &currency, &redeemed, &least, &most, &theirs)
		a.same("uses of voucher", id, fmt.Sprint(redeemed), fmt.Sprint(used))
		a.amount("voucher", id, amount, least)
		a.amount("voucher", id, amount, most)
		a.same("currency of voucher", id, currency, theirs)
		return err
	})
}
