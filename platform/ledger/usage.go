package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/money"
	"kuai/platform/price"
)

const (
	// maxGroups in one answer: a chart has fewer.
	maxGroups = 20_000
	// maxSpan of one answer.
	maxSpan = 400 * 24 * time.Hour
)

// Group is something that usage is summed by.
type Group string

// Groups.
const (
	ByDay       Group = "day"
	ByOrg       Group = "organisation"
	ByProject   Group = "project"
	ByUser      Group = "user"
	ByKey       Group = "key"
	ByModel     Group = "model"
	ByDimension Group = "dimension"
)

// columns of the groups.
var columns = map[Group]string{
	ByDay: fmt.Sprintf("at / %d", dayMicros), ByOrg: "org", ByProject: "project", ByUser: "user_id", ByKey: "key_id", ByModel: "model", ByDimension: "dimension",
}

// Query asks for usage. What is "" is not asked about.
type Query struct {
	Org, Project, Key, Model string
	From, To                 time.Time // To is not in it
	By                       []Group
}

// Used is what was used, summed. It has the fields that the query groups by.
type Used struct {
	Day       string          `json:"day,omitempty"` // such as 2026-03-31, in UTC
	Org       string          `json:"organisation,omitempty"`
	Project   string          `json:"project,omitempty"`
	User      string          `json:"user,omitempty"`
	Key       string          `json:"key,omitempty"`
	Model     string          `json:"model,omitempty"`
	Dimension price.Dimension `json:"dimension,omitempty"`
	Quantity  int64           `json:"quantity,omitempty"` // only where grouped by dimension
	Amount    money.Amount    `json:"amount"`
	Requests  int64           `json:"requests"`
}

// where is the condition of a query, and its arguments.
func (q Query) where() (text string, args []any) {
	text, args = "at >= ? AND at < ?", []any{db.Micros(q.From), db.Micros(q.To)}
	for _, c := range []struct{ column, value string }{{"org", q.Org}, {"project", q.Project}, {"key_id", q.Key}, {"model", q.Model}} {
		if c.value != "" {
			text += " AND " + c.column + " = ?"
			args = append(args, c.value)
		}
	}
	return text, args
}

func (q Query) check() error {
	if q.From.Unix() < 0 || !q.From.Before(q.To) || q.To.Sub(q.From) > maxSpan {
		return fault.Param("from", "from is before to, by %d days at most", int(maxSpan/(24*time.Hour)))
	}
	for i, g := range q.By {
		if columns[g] == "" || slices.Contains(q.By[:i], g) {
			return fault.Param("group", "%.20q is no group, or there twice", string(g))
		}
	}
	return nil
}

// Usage returns what was used and what it cost, summed by groups, in their order.
func (l *Ledger) Usage(ctx context.Context, tx *db.Tx, q Query) ([]Used, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	var names []string
	for _, g := range q.By {
		names = append(names, columns[g])
	}
	group := strings.Join(names, ", ")
	text, tail := "SELECT ", ""
	if group != "" {
		text, tail = text+group+", ", " GROUP BY "+group+" ORDER BY "+group
	}
	where, args := q.where()
	text += "COALESCE(CAST(SUM(quantity) AS BIGINT), 0), COALESCE(CAST(SUM(amount) AS BIGINT), 0), COUNT(DISTINCT reservation) FROM ledger_events WHERE " +
		where + tail + fmt.Sprint(" LIMIT ", maxGroups+1)
	all := []Used{}
	err := query(ctx, tx, text, args, func(rows *sql.Rows) error {
		u, err := scanUsed(rows, q.By)
		all = append(all, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: usage: %w", err)
	}
	if len(all) > maxGroups {
		return nil, fault.Param("group", "that are more than %d groups: ask for fewer days, or export", maxGroups)
	}
	return all, nil
}

func scanUsed(rows *sql.Rows, by []Group) (Used, error) {
	var u Used
	var day int64
	fields := map[Group]any{ByDay: &day, ByOrg: &u.Org, ByProject: &u.Project, ByUser: &u.User, ByKey: &u.Key, ByModel: &u.Model, ByDimension: &u.Dimension}
	var into []any
	for _, g := range by {
		into = append(into, fields[g])
	}
	err := rows.Scan(append(into, &u.Quantity, &u.Amount, &u.Requests)...)
	if slices.Contains(by, ByDay) {
		u.Day = time.UnixMicro(day * dayMicros).UTC().Format(time.DateOnly)
	}
	if !slices.Contains(by, ByDimension) {
		u.Quantity = 0 // tokens and images have no sum
	}
	return u, err
}

// ParseTime reads a day, which begins at midnight UTC, or a time as RFC 3339
// writes it.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("ledger: %.40q is no time: want 2026-03-31, or 2026-03-31T08:00:00Z", s)
}
