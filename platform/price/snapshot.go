package price

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"kuai/platform/money"
)

// Rate is what a dimension costs: Price for each Per units, and for those
// above a tier's bound the tier's price instead. A unit more never makes the
// units before it dearer.
type Rate struct {
	ID    string       `json:"id"` // of the Price it comes from
	Per   int64        `json:"per"`
	Price money.Amount `json:"price"`
	Tiers []Tier       `json:"tiers,omitempty"` // rising
}

// Tier is the price, for the same number of units, above a bound.
type Tier struct {
	Above int64        `json:"above"`
	Price money.Amount `json:"price"`
}

// Cost is what a quantity costs, rounded half up once.
func (r Rate) Cost(quantity int64) (money.Amount, error) {
	var p money.Product
	from, price := int64(0), r.Price
	add := func(to int64) (err error) {
		if to > from {
			p, err = p.Plus(price, to-from)
		}
		return err
	}
	for _, t := range r.Tiers {
		if quantity <= t.Above {
			break
		}
		if err := add(t.Above); err != nil {
			return 0, err
		}
		from, price = t.Above, t.Price
	}
	if err := add(quantity); err != nil {
		return 0, err
	}
	return p.Per(r.Per)
}

// Snapshot is the prices of one model at one time, in one currency. It does
// not change, and is named by its content.
type Snapshot struct {
	ID       string // of its content
	Currency money.Currency
	Rates    map[Dimension]Rate
	Body     string // as JSON, as it is kept
}

// body is a snapshot as it is kept. Go writes maps in the order of their keys,
// so equal prices have equal bodies.
type body struct {
	Currency money.Currency     `json:"currency"`
	Rates    map[Dimension]Rate `json:"rates"`
}

func newSnapshot(c money.Currency, rates map[Dimension]Rate) (*Snapshot, error) {
	text, err := json.Marshal(body{c, rates})
	if err != nil {
		return nil, fmt.Errorf("price: %w", err)
	}
	return &Snapshot{ID: name(text), Currency: c, Rates: rates, Body: string(text)}, nil
}

func name(text []byte) string {
	sum := sha256.Sum256(text)
	return "snap_" + hex.EncodeToString(sum[:16])
}

// ReadSnapshot reads a snapshot that was kept, and checks it against its name.
func ReadSnapshot(id, text string) (*Snapshot, error) {
	if got := name([]byte(text)); got != id {
		return nil, fmt.Errorf("price: snapshot %s: its content is that of %s", id, got)
	}
	var b body
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		return nil, fmt.Errorf("price: snapshot %s: %w", id, err)
	}
	return &Snapshot{id, b.Currency, b.Rates, text}, nil
}

// Line is one dimension of a bill.
type Line struct {
	Dimension Dimension    `json:"dimension"`
	Quantity  int64        `json:"quantity"`
	Price     money.Amount `json:"price"` // of Per units, below the first tier
	Per       int64        `json:"per"`
	Amount    money.Amount `json:"amount"`
}

// Bill is what usage costs.
type Bill struct {
	Lines    []Line       `json:"lines"`
	Total    money.Amount `json:"total"`
	Unpriced []Dimension  `json:"unpriced,omitempty"` // counted without a price, for nothing
}

// Bill prices usage. Cached input tokens are some of the input tokens: they
// have a line of their own if they have a price, and cost what others do if
// not. It returns money.ErrOverflow, or an error of Usage.Check.
func (s *Snapshot) Bill(u Usage) (Bill, error) {
	if err := u.Check(); err != nil {
		return Bill{}, err
	}
	var b Bill
	for _, d := range Dimensions {
		q := u[d]
		if _, ok := s.Rates[CachedInputTokens]; ok {
			if d == InputTokens {
				q = max(0, q-u[CachedInputTokens])
			}
		} else if d == CachedInputTokens {
			continue
		}
		if q == 0 {
			continue
		}
		line := Line{Dimension: d, Quantity: q, Per: 1}
		if r, ok := s.Rates[d]; ok {
			line.Price, line.Per = r.Price, r.Per
			var err error
			if line.Amount, err = r.Cost(q); err != nil {
				return Bill{}, fmt.Errorf("price: %d %s: %w", q, d, err)
			}
			if b.Total, err = b.Total.Add(line.Amount); err != nil {
				return Bill{}, err
			}
		} else {
			b.Unpriced = append(b.Unpriced, d)
		}
		b.Lines = append(b.Lines, line)
	}
	return b, nil
}
