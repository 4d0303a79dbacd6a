package ledger

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/money"
)

// Limits of vouchers.
const (
	maxUses     = 1_000_000
	maxVouchers = 1000 // in one answer
	maxCode     = 64   // bytes of a code that somebody types
)

// Voucher is a code that adds promotion to whoever redeems it: each
// organisation once, so many of them as it has uses. Only its hash is kept.
type Voucher struct {
	ID        string         `json:"id"`
	Code      string         `json:"code,omitempty"` // only when it is made
	Hint      string         `json:"hint"`           // the first characters of the code
	Currency  money.Currency `json:"currency"`
	Amount    money.Amount   `json:"amount"`
	Uses      int64          `json:"uses"`
	Used      int64          `json:"used"`
	ExpiresAt time.Time      `json:"expires_at,omitzero"`   // of the code
	Days      int64          `json:"credit_days,omitempty"` // that what it gave lasts; 0 is for good
	RevokedAt time.Time      `json:"revoked_at,omitzero"`
	Note      string         `json:"note,omitempty"`
	CreatedBy string         `json:"created_by"`
	CreatedAt time.Time      `json:"created_at"`
}

// codeLetters leaves out letters and digits that look alike.
const codeLetters = "ABCDEFGHJKMNPQRSTVWXYZ23456789"

const (
	codeLength = 20 // of 30 letters: 98 bits, which nobody guesses
	codeGroup  = 5
)

// newCode makes a code such as K7QWE-2M9XD-RTB4H-8YNPC.
func newCode() string {
	var b strings.Builder
	random := make([]byte, 1)
	for i := 0; i < codeLength; {
		_, _ = rand.Read(random) // never fails
		k := int(random[0])
		if k >= len(codeLetters)*(256/len(codeLetters)) {
			continue // so that all letters are equally likely
		}
		if i > 0 && i%codeGroup == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(codeLetters[k%len(codeLetters)])
		i++
	}
	return b.String()
}

// codeHash is what is kept of a code. Dashes, spaces and case do not matter.
func codeHash(code string) string {
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}

// CreateVoucher makes a voucher of v's Currency, Amount, Uses, ExpiresAt, Days,
// Note and CreatedBy. The code is in the result and nowhere else.
func (l *Ledger) CreateVoucher(ctx context.Context, tx *db.Tx, v Voucher) (Voucher, error) {
	now := l.clock()
	switch {
	case v.Amount <= 0 || v.Amount > money.Max:
		return v, fault.Param("amount", "a voucher is worth more than nothing, at most %s", money.Max)
	case v.Uses < 1 || v.Uses > maxUses:
		return v, fault.Param("uses", "uses is %d, want 1 to %d", v.Uses, maxUses)
	case v.Days < 0 || v.Days > maxCreditDays:
		return v, fault.Param("credit_days", "credit_days is %d, want 0 to %d", v.Days, maxCreditDays)
	case !v.ExpiresAt.IsZero() && !v.ExpiresAt.After(now):
		return v, fault.Param("expires_at", "it has expired already")
	}
	if v.Currency == "" {
		v.Currency = l.currency
	}
	if v.Currency.Check() != nil {
		return v, fault.Param("currency", "currency is %.8q, want three capital letters", string(v.Currency))
	}
	for name, value := range map[string]string{"note": v.Note, "created_by": v.CreatedBy} {
		if err := checkText(name, value, maxReason); err != nil {
			return v, err
		}
	}
	v.ID, v.Code, v.CreatedAt, v.Used, v.RevokedAt = db.NewID("vch"), newCode(), now, 0, time.Time{}
	v.ExpiresAt = v.ExpiresAt.Truncate(time.Microsecond)
	v.Hint = v.Code[:codeGroup]
	_, err := tx.ExecContext(ctx, `INSERT INTO vouchers (id, hash, hint, currency, amount, uses, used, expires_at, credit_days, revoked_at, note, created_by, created_at)
 VALUES (?,?,?,?,?,?,0,?,?,0,?,?,?)`, v.ID, codeHash(v.Code), v.Hint, string(v.Currency), int64(v.Amount), v.Uses, db.Micros(v.ExpiresAt), v.Days, v.Note, v.CreatedBy, db.Micros(v.CreatedAt))
	if err != nil {
		return v, fmt.Errorf("ledger: voucher: %w", err)
	}
	return v, nil
}

const voucherColumns = "id, hint, currency, amount, uses, used, expires_at, credit_days, revoked_at, note, created_by, created_at"

func scanVoucher(row scanner) (Voucher, error) {
	var v Voucher
	var expires, revoked, created int64
	err := row.Scan(&v.ID, &v.Hint, &v.Currency, &v.Amount, &v.Uses, &v.Used, &expires, &v.Days, &revoked, &v.Note, &v.CreatedBy, &created)
	v.ExpiresAt, v.RevokedAt, v.CreatedAt = db.Time(expires), db.Time(revoked), db.Time(created)
	return v, err
}

// Redeem adds a voucher's amount to an organisation's promotion. Its errors are
// NotFound for a code that there is none of, and Conflict for one that is used
// up, has expired, or that the organisation has redeemed before.
func (l *Ledger) Redeem(ctx context.Context, tx *db.Tx, org, code, actor string) (Change, error) {
	if len(code) > maxCode {
		return Change{}, fault.New(fault.NotFound, "there is no such voucher")
	}
	v, err := scanVoucher(tx.QueryRowContext(ctx, "SELECT "+voucherColumns+" FROM vouchers WHERE hash = ?"+tx.ForUpdate(), codeHash(code)))
	if errors.Is(err, sql.ErrNoRows) {
		return Change{}, fault.New(fault.NotFound, "there is no such voucher")
	}
	if err != nil {
		return Change{}, fmt.Errorf("ledger: redeem: %w", err)
	}
	b, err := l.Balance(ctx, tx, org)
	if err != nil {
		return Change{}, err
	}
	if _, err := changeByKey(ctx, tx, org, "voucher", v.ID); err == nil {
		return Change{}, fault.New(fault.Conflict, "the voucher was redeemed already")
	} else if !errors.Is(err, sql.ErrNoRows) {
		return Change{}, fmt.Errorf("ledger: redeem: %w", err)
	}
	switch {
	case !v.RevokedAt.IsZero():
		return Change{}, fault.New(fault.Conflict, "the voucher was taken back")
	case !v.ExpiresAt.IsZero() && !v.ExpiresAt.After(l.clock()):
		return Change{}, fault.New(fault.Conflict, "the voucher has expired")
	case v.Used >= v.Uses:
		return Change{}, fault.New(fault.Conflict, "the voucher is used up")
	case v.Currency != b.Currency:
		return Change{}, fault.New(fault.Conflict, "the voucher is in %s, the account in %s", v.Currency, b.Currency)
	}
	if _, err := tx.ExecContext(ctx, "UPDATE vouchers SET used = used + 1 WHERE id = ?", v.ID); err != nil {
		return Change{}, fmt.Errorf("ledger: redeem: %w", err)
	}
	c, err := l.change(ctx, tx, Change{Org: org, Kind: "voucher", IdempotencyKey: v.ID, Account: promo, Amount: v.Amount, Reason: v.Note, Actor: actor}, nil)
	if err != nil {
		return c, err
	}
	return c, lasts(ctx, tx, c, v.Days)
}

// RevokeVoucher makes a voucher worth nothing to whoever has not redeemed it.
func (l *Ledger) RevokeVoucher(ctx context.Context, tx *db.Tx, id string) error {
	result, err := tx.ExecContext(ctx, "UPDATE vouchers SET revoked_at = ? WHERE id = ? AND revoked_at = 0", db.Micros(l.clock()), id)
	if err != nil {
		return fmt.Errorf("ledger: revoke: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		if err != nil {
			return fmt.Errorf("ledger: revoke: %w", err)
		}
		return fault.New(fault.NotFound, "there is no such voucher, or it was taken back already")
	}
	return nil
}

// Vouchers returns vouchers, the newest first; before is an identifier that
// they are older than, or "".
func (l *Ledger) Vouchers(ctx context.Context, tx *db.Tx, before string, most int) ([]Voucher, error) {
	if most < 1 || most > maxVouchers {
		return nil, fault.Param("limit", "limit is %d, want 1 to %d", most, maxVouchers)
	}
	var all []Voucher
	err := query(ctx, tx, "SELECT "+voucherColumns+" FROM vouchers WHERE ? = '' OR id < ? ORDER BY id DESC LIMIT ?", []any{before, before, most}, func(rows *sql.Rows) error {
		v, err := scanVoucher(rows)
		all = append(all, v)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: vouchers: %w", err)
	}
	return all, nil
}
