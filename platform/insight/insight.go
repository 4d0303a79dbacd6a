// Package insight tells owners how their service does: who comes, who comes
// back, how long they stay, what they bring in and what they cost. It counts
// from usage events and from visits, which stand for what leaves no event, with
// SQL that both databases know. A look reads the events of its days by an index
// on their time, however many there are of others.
//
// Somebody is a user, or a key where no user stands behind it. A day is one of
// UTC. A session ends with half an hour of silence.
package insight

import (
	"context"
	"fmt"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/money"
	"kuai/platform/price"
)

const (
	dayMicros = 24 * int64(time.Hour/time.Microsecond)
	// silence ends a session, as web analytics have it.
	silence = 30 * int64(time.Minute/time.Microsecond)
	// maxDays of one answer.
	maxDays = 400
	// maxUsers of one answer.
	maxUsers = 100
	// longest is after how many days a cohort's return is last looked at.
	longest = 30

	// whoOf is an event's somebody. An index has it: migration 0501.
	whoOf = "CASE WHEN user_id <> '' THEN user_id ELSE key_id END"
)

// Query says what is looked at. What is "" is not asked about.
type Query struct {
	From, To time.Time // midnights in UTC; To is not in it
	Org      string
	Currency money.Currency // of the money: organisations with another one are left out of it
}

// Check says what is wrong with a query.
func (q Query) Check() error {
	days := q.To.Sub(q.From) / (24 * time.Hour)
	switch {
	case q.From.Unix() < 0 || days < 1 || days > maxDays:
		return fault.Param("from", "from is before to, by %d days at most", maxDays)
	case q.From.UnixMicro()%dayMicros != 0 || q.To.UnixMicro()%dayMicros != 0:
		return fault.Param("from", "from and to are days")
	}
	if err := q.Currency.Check(); err != nil {
		return fault.Param("currency", "%s", err)
	}
	return nil
}

// signs is a query of everybody's signs of life in a span: who, at.
func (q Query) signs(from, to int64) (text string, args []any) {
	text = "SELECT " + whoOf + " AS who, at FROM ledger_events WHERE at >= ? AND at < ?"
	visits := " UNION ALL SELECT who, at FROM insight_visits WHERE at >= ? AND at < ?"
	if q.Org == "" {
		return text + visits, []any{from, to, from, to}
	}
	return text + " AND org = ?" + visits + " AND org = ?", []any{from, to, q.Org, from, to, q.Org}
}

// Day is how a day went.
type Day struct {
	Day            string       `json:"day"`
	Users          int64        `json:"users"`
	Sessions       int64        `json:"sessions"`        // that began on it
	SessionSeconds float64      `json:"session_seconds"` // of one, on average
	Requests       int64        `json:"requests"`        // that were paid for
	Revenue        money.Amount `json:"revenue"`
	Cost           money.Amount `json:"cost"`
	RevenuePerUser money.Amount `json:"revenue_per_user"`
	CostPerUser    money.Amount `json:"cost_per_user"`
}

func dayOf(n int64) string { return time.UnixMicro(n * dayMicros).UTC().Format(time.DateOnly) }

// Daily returns each day of a query, those on which nobody came too.
func Daily(ctx context.Context, tx *db.Tx, q Query) ([]Day, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	first := q.From.UnixMicro() / dayMicros
	all := make([]Day, q.To.UnixMicro()/dayMicros-first)
	for i := range all {
		all[i].Day = dayOf(first + int64(i))
	}
	text, args := q.people()
	err := each(ctx, tx, func(row db.Scanner) error {
		var day, users int64
		err := row.Scan(&day, &users)
		if err == nil {
			all[day-first].Users = users
		}
		return err
	}, text, args...)
	if err != nil {
		return nil, fmt.Errorf("insight: users: %w", err)
	}
	text, args = q.sessions()
	err = each(ctx, tx, func(row db.Scanner) error {
		var day, sessions, took int64
		err := row.Scan(&day, &sessions, &took)
		if err == nil {
			all[day-first].Sessions = sessions
			all[day-first].SessionSeconds = float64(took) / 1e6 / float64(sessions)
		}
		return err
	}, text, args...)
	if err != nil {
		return nil, fmt.Errorf("insight: sessions: %w", err)
	}
	return all, q.dailyMoney(ctx, tx, all, first)
}

// people counts, of each day, who gave a sign.
func (q Query) people() (text string, args []any) {
	signs, args := q.signs(db.Micros(q.From), db.Micros(q.To))
	return fmt.Sprintf("SELECT at / %d AS day, COUNT(DISTINCT who) FROM (%s) signs GROUP BY at / %d", dayMicros, signs, dayMicros), args
}

// sessions counts sessions by the day on which they began, and adds up how long
// they took. A sign begins one unless another of the same person came shortly
// before it: so far before the first day signs are read as well.
func (q Query) sessions() (text string, args []any) {
	from := db.Micros(q.From)
	signs, args := q.signs(from-silence, db.Micros(q.To))
	return fmt.Sprintf(`WITH signs AS (%s),
		marks AS (SELECT who, at, CASE WHEN at - LAG(at) OVER (PARTITION BY who ORDER BY at) <= %d THEN 0 ELSE 1 END AS begins FROM signs),
		numbered AS (SELECT who, at, SUM(begins) OVER (PARTITION BY who ORDER BY at ROWS UNBOUNDED PRECEDING) AS n FROM marks),
		sessions AS (SELECT who, n, MIN(at) AS began, MAX(at) - MIN(at) AS took FROM numbered GROUP BY who, n)
		SELECT began / %d, COUNT(*), CAST(SUM(took) AS BIGINT) FROM sessions WHERE began >= ? GROUP BY began / %d`, signs, silence, dayMicros, dayMicros), append(args, from)
}

// each runs over the rows of a query.
func each(ctx context.Context, tx *db.Tx, do func(db.Scanner) error, query string, args ...any) error {
	_, err := db.List(ctx, tx, func(row db.Scanner) (struct{}, error) { return struct{}{}, do(row) }, query, args...)
	return err
}

// Cohort is those who came first on one day, and how many of them came again
// one, seven and thirty days later. What lies in the future is nil.
type Cohort struct {
	Day  string `json:"day"`
	Size int64  `json:"size"`
	D1   *int64 `json:"d1"`
	D7   *int64 `json:"d7"`
	D30  *int64 `json:"d30"`
}

// Cohorts returns those of the days of a query; the days after it, until now,
// tell who came back.
func Cohorts(ctx context.Context, tx *db.Tx, q Query, now time.Time) ([]Cohort, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	today := now.UnixMicro() / dayMicros
	text, args := q.cohorts(now)
	all, err := db.List(ctx, tx, func(row db.Scanner) (Cohort, error) {
		var c Cohort
		var day int64
		var back [3]int64
		err := row.Scan(&day, &c.Size, &back[0], &back[1], &back[2])
		c.Day = dayOf(day)
		for i, after := range []int64{1, 7, longest} {
			if day+after <= today {
				*[]**int64{&c.D1, &c.D7, &c.D30}[i] = &back[i]
			}
		}
		return c, err
	}, text, args...)
	if err != nil {
		return nil, fmt.Errorf("insight: cohorts: %w", err)
	}
	return all, nil
}

// cohorts counts, by their first day, who came first in the query's days: of
// whom an index finds no earlier sign.
func (q Query) cohorts(now time.Time) (text string, args []any) {
	from := db.Micros(q.From)
	signs, args := q.signs(from, min(db.Micros(now), db.Micros(q.To)+(longest+1)*dayMicros))
	never := func(table, who string) string {
		text := fmt.Sprintf("NOT EXISTS (SELECT 1 FROM %s WHERE %s = came.who AND at < ?", table, who)
		args = append(args, from)
		if q.Org != "" {
			text, args = text+" AND org = ?", append(args, q.Org)
		}
		return text + ")"
	}
	before := never("ledger_events", whoOf) + " AND " + never("insight_visits", "insight_visits.who")
	again := func(n int) string {
		return fmt.Sprintf("COUNT(DISTINCT CASE WHEN active.day = first.day + %d THEN first.who END)", n)
	}
	return fmt.Sprintf(`WITH active AS (SELECT DISTINCT who, at / %d AS day FROM (%s) signs),
		came AS (SELECT who, MIN(day) AS day FROM active GROUP BY who),
		first AS (SELECT who, day FROM came WHERE %s AND day < ?)
		SELECT first.day, COUNT(DISTINCT first.who), %s, %s, %s FROM first JOIN active ON active.who = first.who
		GROUP BY first.day ORDER BY first.day`, dayMicros, signs, before, again(1), again(7), again(longest)),
		append(args, db.Micros(q.To)/dayMicros)
}

// User is what one brought in and cost.
type User struct {
	Who      string       `json:"who"`
	Days     int64        `json:"days"` // on which they worked
	Requests int64        `json:"requests"`
	Revenue  money.Amount `json:"revenue"`
	Cost     money.Amount `json:"cost"`
}

// used is what was used of a dimension, by a day or by somebody.
type used struct {
	dimension price.Dimension
	quantity  int64
	amount    money.Amount
}

// Visit notes a sign of somebody that leaves no usage event.
func Visit(ctx context.Context, tx *db.Tx, at time.Time, org, who, kind string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO insight_visits (org, who, kind, at) VALUES (?, ?, ?, ?)", org, who, kind, db.Micros(at))
	if err != nil {
		return fmt.Errorf("insight: visit: %w", err)
	}
	return nil
}
