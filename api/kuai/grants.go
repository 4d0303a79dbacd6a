package kuai

import (
	"cmp"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/ledger"
	amounts "kuai/platform/money"
)

// grant is a body that gives or takes money, or changes terms.
type grant struct {
	Org         string           `json:"organisation"`
	Amount      amounts.Amount   `json:"amount"`
	Account     string           `json:"account"` // of an adjustment: cash or promo
	Currency    amounts.Currency `json:"currency"`
	CreditLimit amounts.Amount   `json:"credit_limit"`
	Overdraft   bool             `json:"overdraft"`
	Reason      string           `json:"reason"`
}

// change reads a grant and does it.
func (b money) change(w http.ResponseWriter, r asking, action string, do func(tx *db.Tx, c ledger.Change, g grant) (ledger.Change, error)) (any, error) {
	var g grant
	if err := strict(w, r.Request, &g); err != nil {
		return nil, err
	}
	if g.Org == "" {
		return nil, fault.Param("organisation", "whose account?")
	}
	var c ledger.Change
	err := b.do(r, action, g.Org, func(tx *db.Tx) (string, any, error) {
		var err error
		c, err = do(tx, ledger.Change{
			Org: g.Org, Amount: g.Amount, Account: g.Account, Reason: g.Reason, Actor: r.actor(), IdempotencyKey: r.Header.Get("Idempotency-Key"),
		}, g)
		if c.Repeated {
			return "", nil, err
		}
		return c.ID, c, err
	})
	return c, err
}

func (b money) topUp(w http.ResponseWriter, r asking) (any, error) {
	return b.change(w, r, "ledger.topup", func(tx *db.Tx, c ledger.Change, _ grant) (ledger.Change, error) {
		return b.ledger.TopUp(r.Context(), tx, c)
	})
}

func (b money) adjust(w http.ResponseWriter, r asking) (any, error) {
	return b.change(w, r, "ledger.adjust", func(tx *db.Tx, c ledger.Change, _ grant) (ledger.Change, error) {
		return b.ledger.Adjust(r.Context(), tx, c)
	})
}

func (b money) terms(w http.ResponseWriter, r asking) (any, error) {
	return b.change(w, r, "ledger.terms", func(tx *db.Tx, c ledger.Change, g grant) (ledger.Change, error) {
		return b.ledger.SetTerms(r.Context(), tx, c, ledger.Terms{Currency: g.Currency, CreditLimit: g.CreditLimit, Overdraft: g.Overdraft})
	})
}

func (b money) voucher(w http.ResponseWriter, r asking) (any, error) {
	var in struct {
		Currency  amounts.Currency `json:"currency"`
		Amount    amounts.Amount   `json:"amount"`
		Uses      int64            `json:"uses"`
		ExpiresAt time.Time        `json:"expires_at"`
		Days      int64            `json:"credit_days"`
		Note      string           `json:"note"`
	}
	if err := strict(w, r.Request, &in); err != nil {
		return nil, err
	}
	var v ledger.Voucher
	err := b.do(r, "voucher.create", "", func(tx *db.Tx) (string, any, error) {
		var err error
		v, err = b.ledger.CreateVoucher(r.Context(), tx, ledger.Voucher{
			Currency: in.Currency, Amount: in.Amount, Uses: cmp.Or(in.Uses, 1), ExpiresAt: in.ExpiresAt, Days: in.Days, Note: in.Note, CreatedBy: r.actor(),
		})
		logged := v
		logged.Code = "" // a secret
		return v.ID, logged, err
	})
	return v, err
}

func (b money) vouchers(_ http.ResponseWriter, r asking) (any, error) {
	before, limit, err := r.page()
	if err != nil {
		return nil, err
	}
	all := []ledger.Voucher{}
	err = b.ledger.DB().Read(r.Context(), func(tx *db.Tx) error {
		some, err := b.ledger.Vouchers(r.Context(), tx, before, limit)
		all = append(all[:0], some...)
		return err
	})
	return list{all}, err
}

func (b money) revoke(_ http.ResponseWriter, r asking) (any, error) {
	id := chi.URLParam(r.Request, "id")
	err := b.do(r, "voucher.revoke", "", func(tx *db.Tx) (string, any, error) {
		return id, nil, b.ledger.RevokeVoucher(r.Context(), tx, id)
	})
	return map[string]any{"id": id, "revoked": true}, err
}

func (b money) redeem(w http.ResponseWriter, r asking) (any, error) {
	var in struct {
		Code string `json:"code"`
	}
	if err := strict(w, r.Request, &in); err != nil {
		return nil, err
	}
	var c ledger.Change
	err := b.do(r, "voucher.redeem", r.org, func(tx *db.Tx) (string, any, error) {
		var err error
		c, err = b.ledger.Redeem(r.Context(), tx, r.org, in.Code, r.actor())
		return c.ID, c, err
	})
	return c, err
}

// audit computes all money anew. It takes seconds where there is much.
func (b money) audit(_ http.ResponseWriter, r asking) (any, error) {
	report, err := ledger.Audit(r.Context(), b.ledger.DB(), time.Now())
	if err != nil {
		return nil, err
	}
	return struct {
		OK bool `json:"ok"`
		*ledger.Report
	}{report.OK(), report}, nil
}
