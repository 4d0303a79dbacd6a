package ledger

import (
	"context"
	"fmt"

	"kuai/platform/db"
	"kuai/platform/money"
)

// Balance is what an organisation has.
type Balance struct {
	Org         string         `json:"org"`
	Currency    money.Currency `json:"currency"`
	Available   money.Amount   `json:"available"`    // that can be reserved
	Cash        money.Amount   `json:"cash"`         // 0 where something is owed
	Promo       money.Amount   `json:"promo"`        // out of vouchers
	Held        money.Amount   `json:"held"`         // by work that goes on
	CreditLimit money.Amount   `json:"credit_limit"` // how much may be owed
	CreditLeft  money.Amount   `json:"credit_left"`
	Owed        money.Amount   `json:"owed"`
	Overdraft   bool           `json:"overdraft"`
}

// Balance returns what an organisation has; one that never had money has none.
func (l *Ledger) Balance(ctx context.Context, tx *db.Tx, org string) (Balance, error) {
	s := &state{accounts: map[string]*account{}}
	if err := l.loadAccounts(ctx, tx, s, []string{org}, ""); err != nil {
		return Balance{}, fmt.Errorf("ledger: balance: %w", err)
	}
	return s.accounts[org].show()
}

func (a *account) show() (Balance, error) {
	held, err := a.heldCash.Add(a.heldPromo)
	if err != nil {
		return Balance{}, fmt.Errorf("ledger: balance of %s: %w", a.org, err)
	}
	owed := max(0, -a.cash)
	return Balance{
		Org: a.org, Currency: a.currency, Available: a.available(), Cash: max(0, a.cash), Promo: a.promo, Held: held,
		CreditLimit: a.credit, CreditLeft: max(0, a.credit-owed), Owed: owed, Overdraft: a.overdraft,
	}, nil
}

// Spending is what one organisation, project, user or key has spent, with what
// it holds for work that goes on.
type Spending struct {
	Day   money.Amount `json:"day"`
	Month money.Amount `json:"month"`
}

// Spent returns what was spent today and in this month, in UTC.
func (l *Ledger) Spent(ctx context.Context, tx *db.Tx, level Level, subject string) (Spending, error) {
	s := &state{now: l.clock(), used: map[string]*used{}}
	o := owner(level, subject)
	if err := s.loadUsed(ctx, tx, []string{o}); err != nil {
		return Spending{}, fmt.Errorf("ledger: spent: %w", err)
	}
	return Spending{s.used[o].day, s.used[o].month}, nil
}
