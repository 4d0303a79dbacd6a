package price

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"kuai/platform/money"
)

// Limits of a price file.
const (
	MaxFile   = 1 << 20
	maxPrices = 10_000
	maxTiers  = 16
	maxModel  = 200 // bytes of a pattern
)

//go:embed default.yaml
var builtIn []byte

// BuiltIn is the prices that hold where an owner has imported none.
func BuiltIn() ([]Price, error) {
	prices, err := ReadFile(bytes.NewReader(builtIn))
	for i := range prices {
		prices[i].Source = "built-in"
		prices[i].ID = fmt.Sprintf("price_builtin_%d", i)
	}
	return prices, err
}

// file is a price file:
//
//	currency: USD
//	prices:
//	  - model: "MiniMax-M*"
//	    dimension: input_tokens
//	    price: "0.30"
//	    per: 1000000
//	    from: 2026-01-01T00:00:00Z   # or never, for ever since
//	    until: 2027-01-01T00:00:00Z  # or never, for good
//	    tiers: [{above: 200000, price: "0.60"}]
type file struct {
	Currency money.Currency `yaml:"currency"` // of entries without one
	Prices   []entry        `yaml:"prices"`
}

type entry struct {
	Currency  money.Currency `yaml:"currency"`
	Model     string         `yaml:"model"`
	Dimension Dimension      `yaml:"dimension"`
	Price     yaml.Node      `yaml:"price"`
	Per       int64          `yaml:"per"`
	From      time.Time      `yaml:"from"`
	Until     time.Time      `yaml:"until"`
	Tiers     []struct {
		Above int64     `yaml:"above"`
		Price yaml.Node `yaml:"price"`
	} `yaml:"tiers"`
}

// ReadFile reads a price file, in YAML or JSON. Unknown fields are refused:
// a misspelt one would cost money.
func ReadFile(r io.Reader) ([]Price, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("price: file: %w", err)
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("price: file: more than %d bytes", MaxFile)
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("price: file: %w", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("price: file: more than one document")
	}
	if len(f.Prices) == 0 || len(f.Prices) > maxPrices {
		return nil, fmt.Errorf("price: file: %d prices, want 1 to %d", len(f.Prices), maxPrices)
	}
	prices := make([]Price, len(f.Prices))
	for i, e := range f.Prices {
		if prices[i], err = e.price(f.Currency); err != nil {
			return nil, fmt.Errorf("price: file: prices[%d]: %w", i, err)
		}
	}
	return prices, nil
}

func (e entry) price(usual money.Currency) (Price, error) {
	p := Price{Currency: e.Currency, Model: e.Model, Dimension: e.Dimension, Per: e.Per, From: micro(e.From), Until: micro(e.Until)}
	if p.Currency == "" {
		p.Currency = usual
	}
	var err error
	if p.Price, err = amount(e.Price); err != nil {
		return p, err
	}
	if len(e.Tiers) > maxTiers {
		return p, fmt.Errorf("%d tiers, at most %d", len(e.Tiers), maxTiers)
	}
	for _, t := range e.Tiers {
		a, err := amount(t.Price)
		if err != nil {
			return p, err
		}
		p.Tiers = append(p.Tiers, Tier{t.Above, a})
	}
	return p, p.Check()
}

// micro is a time as the database keeps it, so that a file and its import are
// the same prices.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// amount reads the digits of a price as they stand there, quoted or not.
func amount(n yaml.Node) (money.Amount, error) {
	if n.Kind != yaml.ScalarNode {
		return 0, errors.New(`price: want an amount, such as "0.30"`)
	}
	return money.Parse(n.Value)
}

// Check refuses a price that makes no sense.
func (p Price) Check() error {
	if err := p.Currency.Check(); err != nil {
		return err
	}
	if p.Model == "" || len(p.Model) > maxModel || !utf8.ValidString(p.Model) || strings.ContainsFunc(p.Model, unicode.IsControl) {
		return fmt.Errorf("model %.40q: want a name of at most %d bytes, or a pattern with *", p.Model, maxModel)
	}
	if err := (Usage{p.Dimension: 0}).Check(); err != nil {
		return err
	}
	if p.Per < 1 || p.Per > MaxQuantity {
		return fmt.Errorf("per %d: want 1 to %d", p.Per, int64(MaxQuantity))
	}
	if p.Price < 0 {
		return fmt.Errorf("price %s: want 0 or more", p.Price)
	}
	above := int64(0)
	for _, t := range p.Tiers {
		if t.Above <= above || t.Above > MaxQuantity || t.Price < 0 {
			return errors.New("tiers: the bounds rise, and no price is below 0")
		}
		above = t.Above
	}
	if !sane(p.From) || !sane(p.Until) || (!p.Until.IsZero() && !p.Until.After(p.From)) {
		return errors.New("until: want a time after from, in the years 1970 to 9999")
	}
	return nil
}

// sane says whether a time can be kept.
func sane(t time.Time) bool {
	return t.IsZero() || (t.Unix() > 0 && t.Year() <= 9999)
}
