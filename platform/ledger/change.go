package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/money"
)

const (
	maxReason = 1000 // bytes
	// maxChanges in one answer.
	maxChanges = 1000
)

// Unlimited is a limit of credit that nothing reaches.
const Unlimited = money.Max

// Change is what somebody did to an organisation's account.
type Change struct {
	ID             string       `json:"id"`
	Org            string       `json:"org"`
	Kind           string       `json:"kind"` // topup, voucher, adjust, lapse, terms
	IdempotencyKey string       `json:"idempotency_key,omitempty"`
	Account        string       `json:"account,omitempty"` // cash or promo
	Amount         money.Amount `json:"amount"`            // below 0 takes away
	Detail         string       `json:"detail,omitempty"`
	Reason         string       `json:"reason"`
	Actor          string       `json:"actor"`
	At             time.Time    `json:"at"`
	Repeated       bool         `json:"repeated,omitempty"` // an earlier call with the key did it
}

// TopUp adds money that an organisation has paid. A second call with the same
// idempotency key returns the first one's change.
func (l *Ledger) TopUp(ctx context.Context, tx *db.Tx, c Change) (Change, error) {
	if c.Amount <= 0 {
		return c, fault.Param("amount", "a top-up is more than nothing")
	}
	c.Kind, c.Account = "topup", cash
	return l.change(ctx, tx, c, nil)
}

// Adjust corrects an account, cash unless Account says promo, up or down. It
// wants a reason. Cash may fall below zero by it, promo not.
func (l *Ledger) Adjust(ctx context.Context, tx *db.Tx, c Change) (Change, error) {
	c.Kind = "adjust"
	if c.Account == "" {
		c.Account = cash
	}
	switch {
	case c.Amount == 0:
		return c, fault.Param("amount", "an adjustment is more than nothing, or less")
	case c.Reason == "":
		return c, fault.Param("reason", "an adjustment needs a reason")
	case c.Account != cash && c.Account != promo:
		return c, fault.Param("account", "account is %q, want cash or promo", c.Account)
	}
	return l.change(ctx, tx, c, nil)
}

// Terms are what an organisation may do beyond what it has paid.
type Terms struct {
	Currency    money.Currency `json:"currency"` // "" keeps the one there is
	CreditLimit money.Amount   `json:"credit_limit"`
	Overdraft   bool           `json:"overdraft"` // work may cost more than was reserved
}

// SetTerms changes the terms of an organisation. Its currency can change as
// long as it has had no money.
func (l *Ledger) SetTerms(ctx context.Context, tx *db.Tx, c Change, t Terms) (Change, error) {
	c.Kind, c.Account, c.Amount = "terms", "", 0
	if t.CreditLimit < 0 || t.CreditLimit > Unlimited {
		return c, fault.Param("credit_limit", "a limit of credit is 0 to %s", Unlimited)
	}
	if t.Currency != "" && t.Currency.Check() != nil {
		return c, fault.Param("currency", "currency is %.8q, want three capital letters", string(t.Currency))
	}
	return l.change(ctx, tx, c, &t)
}

// change does one change with its postings.
func (l *Ledger) change(ctx context.Context, tx *db.Tx, c Change, t *Terms) (Change, error) {
	if err := c.check(); err != nil {
		return c, err
	}
	s, err := l.load(ctx, tx, nil)
	if err == nil {
		err = l.loadAccounts(ctx, tx, s, []string{c.Org}, tx.ForUpdate())
	}
	if err != nil {
		return c, fmt.Errorf("ledger: %s: %w", c.Kind, err)
	}
	if c.IdempotencyKey != "" {
		before, err := changeByKey(ctx, tx, c.Org, c.Kind, c.IdempotencyKey)
		if err == nil {
			return repeated(c, before)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return c, fmt.Errorf("ledger: %s: %w", c.Kind, err)
		}
	}
	c.ID, c.At = db.NewID("chg"), s.now
	a := s.accounts[c.Org]
	if t != nil {
		if err := s.terms(ctx, tx, a, t); err != nil {
			return c, err
		}
		detail, err := json.Marshal(t)
		if err != nil {
			return c, fmt.Errorf("ledger: terms: %w", err)
		}
		c.Detail = string(detail)
	} else if err := s.move(a, c); err != nil {
		return c, err
	}
	if err := l.store(ctx, tx, s); err != nil {
		return c, fmt.Errorf("ledger: %s: %w", c.Kind, err)
	}
	return c, insertChange(ctx, tx, c)
}

func (c *Change) check() error {
	if c.Org == "" {
		return fault.Param("org", "whose account?")
	}
	if c.Amount > money.Max || c.Amount < -money.Max {
		return fault.Param("amount", "an amount is at most %s", money.Max)
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{{"org", c.Org, maxName}, {"idempotency_key", c.IdempotencyKey, maxKey}, {"reason", c.Reason, maxReason}, {"actor", c.Actor, maxName}} {
		if err := checkText(f.name, f.value, f.most); err != nil {
			return err
		}
	}
	return nil
}

// repeated is the outcome of a change whose idempotency key was there before.
func repeated(c, before Change) (Change, error) {
	if before.Amount != c.Amount || before.Account != c.Account {
		return c, fault.New(fault.Conflict, "the idempotency key was used for another %s", c.Kind)
	}
	before.Repeated = true
	return before, nil
}

// move posts the amount of a change.
func (s *state) move(a *account, c Change) error {
	from := map[string]string{"topup": topUps, "voucher": vouchers, "adjust": adjustment, "lapse": vouchers}[c.Kind]
	p := posting{from, c.Account, c.Amount}
	if c.Amount < 0 {
		p = posting{c.Account, from, -c.Amount}
	}
	after, postings, err := a.post(p)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the account would hold too much")
	}
	if after.promo < 0 {
		return fault.New(fault.Conflict, "only %s of promotion are left", a.promo)
	}
	s.post(a, after, entry{c.ID, c.Kind, c.Org, postings})
	return nil
}

func (s *state) terms(ctx context.Context, tx *db.Tx, a *account, t *Terms) error {
	if t.Currency == "" {
		t.Currency = a.currency
	}
	if t.Currency != a.currency {
		had := 0
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM ledger_events WHERE org = ? LIMIT 1) AS e)
 + (SELECT COUNT(*) FROM (SELECT 1 FROM ledger_changes WHERE org = ? AND kind <> 'terms' LIMIT 1) AS c)`, a.org, a.org).Scan(&had); err != nil {
			return fmt.Errorf("ledger: terms: %w", err)
		}
		if had > 0 || *a != (account{org: a.org, currency: a.currency, credit: a.credit, overdraft: a.overdraft}) {
			return fault.New(fault.Conflict, "the organisation has had money in %s", a.currency)
		}
	}
	a.currency, a.credit, a.overdraft = t.Currency, t.CreditLimit, t.Overdraft
	s.touched[a.org] = true
	return nil
}

const changeColumns = "id, org, kind, idempotency_key, account, amount, detail, reason, actor, at"

func insertChange(ctx context.Context, tx *db.Tx, c Change) error {
	err := insert(ctx, tx, "INSERT INTO ledger_changes ("+changeColumns+") VALUES ", "(?,?,?,?,?,?,?,?,?,?)", "",
		[]any{c.ID, c.Org, c.Kind, c.IdempotencyKey, c.Account, int64(c.Amount), c.Detail, c.Reason, c.Actor, db.Micros(c.At)})
	if err != nil {
		return fmt.Errorf("ledger: %s: %w", c.Kind, err)
	}
	return nil
}

// scanner is a row.
type scanner interface{ Scan(...any) error }

func scanChange(row scanner) (Change, error) {
	var c Change
	var at int64
	err := row.Scan(&c.ID, &c.Org, &c.Kind, &c.IdempotencyKey, &c.Account, &c.Amount, &c.Detail, &c.Reason, &c.Actor, &at)
	c.At = db.Time(at)
	return c, err
}

func changeByKey(ctx context.Context, tx *db.Tx, org, kind, key string) (Change, error) {
	return scanChange(tx.QueryRowContext(ctx, "SELECT "+changeColumns+" FROM ledger_changes WHERE org = ? AND kind = ? AND idempotency_key = ? AND idempotency_key <> ''", org, kind, key))
}

// Changes returns what was done to an account, the newest first; before is an
// identifier that they are older than, or "".
func (l *Ledger) Changes(ctx context.Context, tx *db.Tx, org, before string, most int) ([]Change, error) {
	if most < 1 || most > maxChanges {
		return nil, fault.Param("limit", "limit is %d, want 1 to %d", most, maxChanges)
	}
	var all []Change
	err := query(ctx, tx, "SELECT "+changeColumns+" FROM ledger_changes WHERE org = ? AND (? = '' OR id < ?) ORDER BY id DESC LIMIT ?",
		[]any{org, before, before, most}, func(rows *sql.Rows) error {
			c, err := scanChange(rows)
			all = append(all, c)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("ledger: changes: %w", err)
	}
	return all, nil
}
