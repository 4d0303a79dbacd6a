package insight

import (
	"context"
	"fmt"
	"slices"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/money"
	"kuai/platform/price"
)

// Cost is what work costs the owner: electricity, machines, others' services.
type Cost struct {
	Dimension price.Dimension `json:"dimension"`
	Cost      money.Amount    `json:"cost"`
	Per       int64           `json:"per"` // of so many
}

// Costs returns what the owner has said of a currency.
func Costs(ctx context.Context, tx *db.Tx, c money.Currency) ([]Cost, error) {
	all, err := db.List(ctx, tx, func(row db.Scanner) (v Cost, err error) {
		err = row.Scan(&v.Dimension, &v.Cost, &v.Per)
		return v, err
	}, "SELECT dimension, cost, per FROM insight_costs WHERE currency = ? ORDER BY dimension", string(c))
	if err != nil {
		return nil, fmt.Errorf("insight: costs: %w", err)
	}
	return all, nil
}

// SetCosts replaces all costs of a currency.
func SetCosts(ctx context.Context, tx *db.Tx, c money.Currency, costs []Cost) error {
	if err := c.Check(); err != nil {
		return fault.Param("currency", "%s", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM insight_costs WHERE currency = ?", string(c)); err != nil {
		return fmt.Errorf("insight: costs: %w", err)
	}
	for i, v := range costs {
		switch {
		case !slices.Contains(price.Dimensions, v.Dimension) || slices.ContainsFunc(costs[:i], func(o Cost) bool { return o.Dimension == v.Dimension }):
			return fault.Param("dimension", "%.40q is no dimension, or there twice", string(v.Dimension))
		case v.Cost < 0 || v.Cost > money.Max || v.Per < 1 || v.Per > price.MaxQuantity:
			return fault.Param("cost", "a cost is 0 or more, of 1 or more")
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO insight_costs (currency, dimension, cost, per) VALUES (?, ?, ?, ?)", string(c), string(v.Dimension), int64(v.Cost), v.Per); err != nil {
			return fmt.Errorf("insight: costs: %w", err)
		}
	}
	return nil
}

// of adds up what usage costs: each dimension is rounded once.
func of(costs []Cost, u used) (money.Amount, error) {
	for _, c := range costs {
		if c.Dimension != u.dimension {
			continue
		}
		p, err := money.Product{}.Plus(c.Cost, max(0, u.quantity))
		if err != nil {
			return 0, err
		}
		return p.Per(c.Per)
	}
	return 0, nil
}

// used is a query of what was used in a currency in the query's days.
func (q Query) used() (text string, args []any) {
	text = fmt.Sprintf(`SELECT %s AS who, at / %d AS day, dimension, quantity, amount
		FROM ledger_events e JOIN ledger_accounts a ON a.org = e.org WHERE a.currency = ? AND at >= ? AND at < ?`, whoOf, dayMicros)
	args = []any{string(q.Currency), db.Micros(q.From), db.Micros(q.To)}
	if q.Org != "" {
		text, args = text+" AND e.org = ?", append(args, q.Org)
	}
	return text, args
}

// takings sums what was used by day and dimension.
func (q Query) takings() (text string, args []any) {
	used, args := q.used()
	return fmt.Sprintf("SELECT day, dimension, CAST(SUM(quantity) AS BIGINT), CAST(SUM(amount) AS BIGINT) FROM (%s) used GROUP BY day, dimension ORDER BY day, dimension", used), args
}

// best sums, by dimension, what those used who brought in the most.
func (q Query) best() (text string, args []any) {
	used, args := q.used()
	return fmt.Sprintf(`WITH used AS (%s),
		best AS (SELECT who, SUM(amount) AS revenue, COUNT(DISTINCT day) AS days FROM used GROUP BY who ORDER BY revenue DESC, who LIMIT %d)
		SELECT best.who, best.days, dimension, CAST(SUM(quantity) AS BIGINT), CAST(SUM(amount) AS BIGINT) FROM best JOIN used ON used.who = best.who
		GROUP BY best.who, best.days, best.revenue, dimension ORDER BY best.revenue DESC, best.who, dimension`, used, maxUsers), args
}

// add adds what was used to revenue and cost.
func add(costs []Cost, u used, revenue, cost *money.Amount) error {
	c, err := of(costs, u)
	if err == nil {
		*cost, err = cost.Add(c)
	}
	if err == nil {
		*revenue, err = revenue.Add(u.amount)
	}
	return err
}

// dailyMoney fills in what the days brought in and cost.
func (q Query) dailyMoney(ctx context.Context, tx *db.Tx, all []Day, first int64) error {
	costs, err := Costs(ctx, tx, q.Currency)
	if err != nil {
		return err
	}
	text, args := q.takings()
	err = each(ctx, tx, func(row db.Scanner) error {
		var day int64
		var u used
		if err := row.Scan(&day, &u.dimension, &u.quantity, &u.amount); err != nil {
			return err
		}
		d := &all[day-first]
		if u.dimension == price.Requests {
			d.Requests = u.quantity
		}
		return add(costs, u, &d.Revenue, &d.Cost)
	}, text, args...)
	if err != nil {
		return fmt.Errorf("insight: money: %w", err)
	}
	for i := range all {
		if d := &all[i]; d.Users > 0 {
			d.RevenuePerUser, d.CostPerUser = d.Revenue/money.Amount(d.Users), d.Cost/money.Amount(d.Users)
		}
	}
	return nil
}

// Users returns those who brought in the most.
func Users(ctx context.Context, tx *db.Tx, q Query) ([]User, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	costs, err := Costs(ctx, tx, q.Currency)
	if err != nil {
		return nil, err
	}
	all := []User{}
	text, args := q.best()
	err = each(ctx, tx, func(row db.Scanner) error {
		var id string
		var days int64
		var u used
		if err := row.Scan(&id, &days, &u.dimension, &u.quantity, &u.amount); err != nil {
			return err
		}
		if len(all) == 0 || all[len(all)-1].Who != id {
			all = append(all, User{Who: id, Days: days})
		}
		last := &all[len(all)-1]
		if u.dimension == price.Requests {
			last.Requests = u.quantity
		}
		return add(costs, u, &last.Revenue, &last.Cost)
	}, text, args...)
	if err != nil {
		return nil, fmt.Errorf("insight: users: %w", err)
	}
	return all, nil
}

// Currencies are those that accounts have.
func Currencies(ctx context.Context, tx *db.Tx) ([]string, error) {
	return db.List(ctx, tx, func(row db.Scanner) (c string, err error) {
		err = row.Scan(&c)
		return c, err
	}, "SELECT DISTINCT currency FROM ledger_accounts ORDER BY currency")
}
