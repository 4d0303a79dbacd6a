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
	"kuai/platform/price"
)

// shelf holds the prices as they were last read.
type shelf struct {
	book  *price.Book
	stamp stamp
	read  time.Time
}

// stamp tells whether prices were imported since.
type stamp struct{ sequence, count int64 }

// pricesFresh is how long prices that another node has imported may go
// unnoticed. Prices of the future begin to hold to the microsecond.
const pricesFresh = 5 * time.Second

// book returns the prices.
func (l *Ledger) book(ctx context.Context, tx *db.Tx, now time.Time) (*price.Book, error) {
	l.mu.Lock()
	have := l.shelf
	l.mu.Unlock()
	if age := now.Sub(have.read); have.book != nil && age >= 0 && age < pricesFresh {
		return have.book, nil
	}
	var s stamp
	if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(sequence), 0), COUNT(*) FROM prices").Scan(&s.sequence, &s.count); err != nil {
		return nil, err
	}
	if have.book == nil || s != have.stamp {
		imported, err := readPrices(ctx, tx)
		if err != nil {
			return nil, err
		}
		have.book, have.stamp = price.NewBook(append(imported, l.builtIn...)), s
	}
	have.read = now
	tx.OnCommit(func() { // not before: the transaction may import some itself
		l.mu.Lock()
		defer l.mu.Unlock()
		l.shelf = have
	})
	return have.book, nil
}

func snapshotOf(book *price.Book, model string, now time.Time) priceOf {
	return func(c money.Currency) (*price.Snapshot, error) {
		s, err := book.Snapshot(c, model, now)
		if errors.Is(err, price.ErrNone) {
			return nil, fault.Wrap(err, fault.Unsupported, "model %q has no price in %s", model, c)
		}
		return s, err
	}
}

func readPrices(ctx context.Context, tx *db.Tx) ([]price.Price, error) {
	var all []price.Price
	err := query(ctx, tx, `SELECT id, sequence, currency, model, dimension, per, price, tiers, valid_from, valid_until, source FROM prices ORDER BY sequence, id`, nil, func(rows *sql.Rows) error {
		var p price.Price
		var tiers string
		var from, until int64
		if err := rows.Scan(&p.ID, &p.Sequence, &p.Currency, &p.Model, &p.Dimension, &p.Per, &p.Price, &tiers, &from, &until, &p.Source); err != nil {
			return err
		}
		p.From, p.Until = db.Time(from), db.Time(until)
		if err := json.Unmarshal([]byte(tiers), &p.Tiers); err != nil {
			return fmt.Errorf("price %s: %w", p.ID, err)
		}
		all = append(all, p)
		return nil
	})
	return all, err
}

// ImportPrices adds prices, which hold from their dates on and before older
// imports. None is ever taken away, so that what something cost can be told
// for good; a price ends by its date, or by a newer one.
func (l *Ledger) ImportPrices(ctx context.Context, tx *db.Tx, prices []price.Price, actor string) error {
	if err := checkText("actor", actor, maxName); err != nil {
		return err
	}
	var sequence int64
	if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(sequence), 0) + 1 FROM prices").Scan(&sequence); err != nil {
		return fmt.Errorf("ledger: import prices: %w", err)
	}
	var args []any
	for i, p := range prices {
		if err := p.Check(); err != nil {
			return fault.Wrap(err, fault.Invalid, "prices[%d]: %s", i, err)
		}
		tiers, err := json.Marshal(p.Tiers)
		if err != nil {
			return fmt.Errorf("ledger: import prices: %w", err)
		}
		args = append(args, db.NewID("price"), sequence, string(p.Currency), p.Model, string(p.Dimension), p.Per, int64(p.Price), string(tiers),
			db.Micros(p.From), db.Micros(p.Until), actor, db.Micros(l.clock()))
	}
	tx.OnCommit(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.shelf = shelf{} // this node sees them at once
	})
	err := insert(ctx, tx, "INSERT INTO prices (id, sequence, currency, model, dimension, per, price, tiers, valid_from, valid_until, source, created_at) VALUES ",
		"(?,?,?,?,?,?,?,?,?,?,?,?)", "", args)
	if err != nil {
		return fmt.Errorf("ledger: import prices: %w", err)
	}
	return nil
}

// Prices returns all prices, the ones that count first, those of the past and
// the built-in ones included.
func (l *Ledger) Prices(ctx context.Context, tx *db.Tx) ([]price.Price, error) {
	imported, err := readPrices(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("ledger: prices: %w", err)
	}
	return price.NewBook(append(imported, l.builtIn...)).Prices(), nil
}

// Quote returns what a model costs an organisation at the moment.
func (l *Ledger) Quote(ctx context.Context, tx *db.Tx, org, model string) (*price.Snapshot, error) {
	b, err := l.Balance(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	now := l.clock()
	book, err := l.book(ctx, tx, now)
	if err != nil {
		return nil, fmt.Errorf("ledger: quote: %w", err)
	}
	return snapshotOf(book, model, now)(b.Currency)
}
