package ledger

import (
	"kuai/platform/money"
)

// Names of accounts: those of an organisation, and where money comes from and
// goes to.
const (
	cash       = "cash"
	promo      = "promo"
	heldCash   = "held_cash"
	heldPromo  = "held_promo"
	revenue    = "revenue"
	topUps     = "topup"
	vouchers   = "voucher"
	adjustment = "adjustment"
)

// account is what an organisation has.
type account struct {
	org                              string
	currency                         money.Currency
	cash, promo, heldCash, heldPromo money.Amount
	credit                           money.Amount // how much may be owed
	overdraft                        bool
}

// posting moves an amount, which is above zero, between two accounts.
type posting struct {
	source, target string
	amount         money.Amount
}

// balance is where an account of the organisation stands, nil for others.
func (a *account) balance(name string) *money.Amount {
	switch name {
	case cash:
		return &a.cash
	case promo:
		return &a.promo
	case heldCash:
		return &a.heldCash
	case heldPromo:
		return &a.heldPromo
	}
	return nil
}

// post returns the account after postings, leaving out those of nothing, and
// the ones that are left. Nothing changes if one does not fit.
func (a account) post(all ...posting) (account, []posting, error) {
	var done []posting
	for _, p := range all {
		if p.amount == 0 {
			continue
		}
		var err error
		if b := a.balance(p.source); b != nil {
			if *b, err = b.Sub(p.amount); err != nil {
				return a, nil, err
			}
		}
		if b := a.balance(p.target); b != nil {
			if *b, err = b.Add(p.amount); err != nil {
				return a, nil, err
			}
		}
		done = append(done, p)
	}
	return a, done, nil
}

// spendable is what cash and credit allow; it is never below zero.
func (a *account) spendable() money.Amount {
	n, err := a.cash.Add(a.credit)
	if err != nil { // both are beyond any bill
		return money.Max
	}
	return max(0, n)
}

// available is what can be reserved.
func (a *account) available() money.Amount {
	n, err := a.promo.Add(a.spendable())
	if err != nil {
		return money.Max
	}
	return n
}

// split divides an amount into a part of promo and a part of cash, promo first.
func (a *account) split(amount money.Amount) (ofPromo, ofCash money.Amount) {
	ofPromo = min(amount, a.promo)
	return ofPromo, amount - ofPromo
}

// hold reserves an amount and returns the part of promo. ok is false if it
// does not fit.
func (a account) hold(amount money.Amount) (after account, postings []posting, ofPromo money.Amount, ok bool, err error) {
	ofPromo, ofCash := a.split(amount)
	if ofCash > a.spendable() {
		return a, nil, 0, false, nil
	}
	after, postings, err = a.post(posting{promo, heldPromo, ofPromo}, posting{cash, heldCash, ofCash})
	return after, postings, ofPromo, true, err
}

// unhold gives back what a reservation held.
func (a account) unhold(amount, ofPromo money.Amount) (account, []posting, error) {
	return a.post(posting{heldPromo, promo, ofPromo}, posting{heldCash, cash, amount - ofPromo})
}

// charge takes what was used out of a reservation, and the rest goes back.
// What is beyond the reservation is taken from the balance.
func (a account) charge(amount, ofPromo, used money.Amount) (account, []posting, error) {
	held := min(used, amount)
	fromPromo := min(held, ofPromo)
	fromCash := held - fromPromo
	a, back, err := a.post(
		posting{heldPromo, revenue, fromPromo}, posting{heldCash, revenue, fromCash},
		posting{heldPromo, promo, ofPromo - fromPromo}, posting{heldCash, cash, amount - ofPromo - fromCash},
	)
	if err != nil {
		return a, nil, err
	}
	a, beyond, err := a.take(used - held)
	return a, append(back, beyond...), err
}

// take charges the balance itself.
func (a account) take(amount money.Amount) (account, []posting, error) {
	ofPromo, ofCash := a.split(amount)
	return a.post(posting{promo, revenue, ofPromo}, posting{cash, revenue, ofCash})
}
