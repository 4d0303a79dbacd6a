package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"kuai/platform/db"
	"kuai/platform/ledger"
	"kuai/platform/price"
)

// An organisation pays, a request reserves what it can cost at most and is
// charged for what it used.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d, err := db.Open(ctx, filepath.Join(dir, "kuai.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = d.Close() }()
	if err := spend(ctx, d); err != nil {
		fmt.Println(err)
	}
	// Output:
	// reserved 0.0015, charged 0.0003
	// 9.9997 USD are left, 0 differences
}

func spend(ctx context.Context, d *db.DB) error {
	l, err := ledger.New(ctx, d, ledger.Options{})
	if err != nil {
		return err
	}
	var r ledger.Reservation
	err = d.Tx(ctx, func(tx *db.Tx) error {
		if _, err := l.TopUp(ctx, tx, ledger.Change{Org: "acme", Amount: 10_000_000, Reason: "invoice 7", Actor: "operator"}); err != nil {
			return err
		}
		var err error
		r, err = l.Reserve(ctx, tx, ledger.Request{Org: "acme", Model: "tiny", Estimate: price.Usage{price.InputTokens: 2000, price.OutputTokens: 1000}})
		return err
	})
	if err != nil {
		return err
	}
	b := l.NewBatcher(ctx) // for many requests at once
	end, err := b.Settle(ctx, r.ID, price.Usage{price.InputTokens: 400, price.OutputTokens: 200})
	b.Close()
	if err != nil {
		return err
	}
	fmt.Printf("reserved %s, charged %s\n", r.Amount, end.Charged)
	var left ledger.Balance
	if err := d.Read(ctx, func(tx *db.Tx) (err error) {
		left, err = l.Balance(ctx, tx, "acme")
		return err
	}); err != nil {
		return err
	}
	report, err := ledger.Audit(ctx, d, r.ExpiresAt)
	if err == nil {
		fmt.Printf("%s %s are left, %d differences\n", left.Available, left.Currency, len(report.Differences))
	}
	return err
}
