package platform

import (
	"path/filepath"
	"testing"

	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/ledger"
	"kuai/platform/money"
)

// TestOwner checks that the owner of an installation has credit, also of one
// that kuai admin made first, and that terms which an operator sets stay.
func TestOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kuai.db")
	d, err := db.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, made, err := account.New(d, account.Options{}).Bootstrap(t.Context()); err != nil || !made {
		t.Fatal(made, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []money.Amount{ledger.Unlimited, money.Unit, money.Unit} {
		p, err := Open(t.Context(), Options{Database: path})
		if err != nil {
			t.Fatal(err)
		}
		if p.First != nil {
			t.Error("a key was made a second time")
		}
		if i == 1 {
			err = p.DB.Tx(t.Context(), func(tx *db.Tx) error {
				_, err := p.Ledger.SetTerms(t.Context(), tx, ledger.Change{Org: p.Home.Org, Reason: "test", Actor: "test"}, ledger.Terms{CreditLimit: money.Unit})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		err = p.DB.Read(t.Context(), func(tx *db.Tx) error {
			b, err := p.Ledger.Balance(t.Context(), tx, p.Home.Org)
			if b.CreditLimit != want {
				t.Errorf("opened %d times: a limit of %v, want %v", i+1, b.CreditLimit, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
