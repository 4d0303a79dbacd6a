package price

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"kuai/platform/money"
)

// ErrNone says that a model has no price in a currency at a time.
var ErrNone = errors.New("price: there is no price")

// Price is what one dimension of the models of a pattern costs, for a time.
type Price struct {
	ID        string         `json:"id"`
	Currency  money.Currency `json:"currency"`
	Model     string         `json:"model"` // a name, in which * stands for any characters
	Dimension Dimension      `json:"dimension"`
	Per       int64          `json:"per"` // units that Price is for
	Price     money.Amount   `json:"price"`
	Tiers     []Tier         `json:"tiers,omitempty"`
	From      time.Time      `json:"from,omitzero"`  // the zero time: ever since
	Until     time.Time      `json:"until,omitzero"` // the zero time: for good
	Source    string         `json:"source"`         // built-in, or who imported it
	Sequence  int64          `json:"sequence"`       // of the import; 0 is built in
}

// Book is a set of prices. Goroutines may share it.
//
// Of several prices for the same model the most exact pattern counts: the name
// itself, then the one with the most characters besides its stars. Of those the
// one that began last, and of those the one that was imported last.
type Book struct {
	prices []Price // the one that counts first

	mu    sync.Mutex
	found map[query]answer
}

type query struct {
	currency money.Currency
	model    string
}

// answer holds in [from, until); a zero until is for good.
type answer struct {
	snapshot    *Snapshot
	from, until time.Time
}

// maxFound bounds what is remembered: clients name models as they like.
const maxFound = 4096

// NewBook makes a book.
func NewBook(prices []Price) *Book {
	b := &Book{prices: slices.Clone(prices), found: map[query]answer{}}
	slices.SortStableFunc(b.prices, func(x, y Price) int {
		return cmp.Or(
			-cmp.Compare(weight(x.Model), weight(y.Model)),
			-x.From.Compare(y.From),
			-cmp.Compare(x.Sequence, y.Sequence),
			cmp.Compare(x.ID, y.ID),
		)
	})
	return b
}

// exact is more than any pattern's weight.
const exact = 1 << 20

func weight(pattern string) int {
	if !strings.Contains(pattern, "*") {
		return exact
	}
	return len(pattern) - strings.Count(pattern, "*")
}

// Prices are those of the book, the ones that count first.
func (b *Book) Prices() []Price { return slices.Clone(b.prices) }

// Snapshot returns what a model costs at a time. The error is ErrNone if not
// even one dimension has a price.
func (b *Book) Snapshot(c money.Currency, model string, at time.Time) (*Snapshot, error) {
	q := query{c, model}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a, ok := b.found[q]; ok && !at.Before(a.from) && (a.until.IsZero() || at.Before(a.until)) {
		return a.snapshot, nil
	}
	a, err := b.find(q, at)
	if err != nil {
		return nil, err
	}
	if len(b.found) >= maxFound {
		clear(b.found)
	}
	q.model = strings.Clone(model) // not the request it was cut from
	b.found[q] = a
	return a.snapshot, nil
}

// find looks through all prices, and at the dates between which they give the
// same answer.
func (b *Book) find(q query, at time.Time) (answer, error) {
	var a answer
	rates := map[Dimension]Rate{}
	for _, p := range b.prices {
		if p.Currency != q.currency || !Match(p.Model, q.model) {
			continue
		}
		for _, edge := range []time.Time{p.From, p.Until} {
			switch {
			case edge.IsZero():
			case edge.After(at):
				if a.until.IsZero() || edge.Before(a.until) {
					a.until = edge
				}
			case edge.After(a.from):
				a.from = edge
			}
		}
		if _, ok := rates[p.Dimension]; ok || p.From.After(at) || (!p.Until.IsZero() && !p.Until.After(at)) {
			continue
		}
		rates[p.Dimension] = Rate{p.ID, p.Per, p.Price, p.Tiers}
	}
	if len(rates) == 0 {
		return a, fmt.Errorf("%w in %s for model %q", ErrNone, q.currency, q.model)
	}
	var err error
	a.snapshot, err = newSnapshot(q.currency, rates)
	return a, err
}

// Match says whether a pattern, in which * stands for any characters, means a
// name. It takes time proportional to their lengths' product at worst.
func Match(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return pattern == name
	}
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
	return true
}
