// Package money counts money in whole millionths of a unit, so that every sum
// is exact: there is no floating point anywhere, and what does not fit is an
// error and never a wrong figure.
package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Amount is money in millionths of a unit of one currency: 1,500,000 is 1.50.
// Which currency, the account says that it stands in.
type Amount int64

const (
	// Unit is one unit of a currency, such as one dollar.
	Unit Amount = 1_000_000
	// Max bounds what is read or granted: a trillion units. Nine such sums fit
	// into an Amount, so that sums of a few accounts cannot overflow.
	Max Amount = 1_000_000 * 1_000_000 * Unit

	decimals = 6  // of a unit
	maxText  = 32 // characters of an amount that is read
)

// Errors of this package.
var (
	ErrOverflow = errors.New("money: the amount is too large")
	ErrSyntax   = errors.New("money: an amount is digits with at most six decimals, such as 12.50")
)

// Add returns a + b, or ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if (b > 0 && a > math.MaxInt64-b) || (b < 0 && a < math.MinInt64-b) {
		return 0, ErrOverflow
	}
	return a + b, nil
}

// Sub returns a - b, or ErrOverflow.
func (a Amount) Sub(b Amount) (Amount, error) {
	if (b < 0 && a > math.MaxInt64+b) || (b > 0 && a < math.MinInt64+b) {
		return 0, ErrOverflow
	}
	return a - b, nil
}

// Sum adds amounts, or returns ErrOverflow.
func Sum(amounts ...Amount) (Amount, error) {
	var total Amount
	for _, a := range amounts {
		var err error
		if total, err = total.Add(a); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// Product is an exact sum of amounts times quantities, wider than an Amount,
// so that a line of several parts is rounded once, when it is divided.
type Product struct{ high, low uint64 }

// Plus adds price × quantity, neither of which may be negative.
func (p Product) Plus(price Amount, quantity int64) (Product, error) {
	if price < 0 || quantity < 0 {
		return p, fmt.Errorf("money: %d × %d: a price and a quantity are not negative", price, quantity)
	}
	high, low := bits.Mul64(uint64(price), uint64(quantity))
	var carry uint64
	low, carry = bits.Add64(p.low, low, 0)
	high, carry = bits.Add64(p.high, high, carry)
	if carry != 0 {
		return p, ErrOverflow
	}
	return Product{high, low}, nil
}

// Per divides by a positive quantity and rounds half up.
func (p Product) Per(quantity int64) (Amount, error) {
	if quantity <= 0 {
		return 0, fmt.Errorf("money: per %d: the quantity of a price is positive", quantity)
	}
	per := uint64(quantity)
	if p.high >= per {
		return 0, ErrOverflow
	}
	n, rest := bits.Div64(p.high, p.low, per)
	if rest >= per-rest { // twice the rest reaches the divisor
		n++ // at most 2^64-1 before: the next line finds what wraps
	}
	if n > math.MaxInt64 || (n == 0 && p.high != 0) {
		return 0, ErrOverflow
	}
	return Amount(n), nil
}

// String writes the amount exactly, with two decimals at least: 12.50, -0.000001.
func (a Amount) String() string {
	sign, n := "", uint64(a)
	if a < 0 {
		sign, n = "-", -n // two's complement: right for the smallest as well
	}
	fraction := fmt.Sprintf("%0*d", decimals, n%uint64(Unit))
	for len(fraction) > 2 && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	return sign + strconv.FormatUint(n/uint64(Unit), 10) + "." + fraction
}

// Parse reads what String writes, and amounts with fewer decimals or a plus.
// It returns ErrSyntax, or ErrOverflow beyond Max.
func Parse(s string) (Amount, error) {
	if len(s) > maxText {
		return 0, ErrSyntax
	}
	rest, negative := strings.CutPrefix(s, "-")
	if !negative {
		rest = strings.TrimPrefix(rest, "+")
	}
	whole, fraction, point := strings.Cut(rest, ".")
	if !digits(whole) || (point && !digits(fraction)) || len(fraction) > decimals {
		return 0, ErrSyntax
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	if err != nil || n > int64(Max) {
		return 0, ErrOverflow
	}
	if negative {
		n = -n
	}
	return Amount(n), nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// MarshalText writes the amount as String does, so that it is text in JSON:
// many programs would read a JSON number as floating point.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what Parse does.
func (a *Amount) UnmarshalText(text []byte) error {
	v, err := Parse(string(text))
	if err != nil {
		return err
	}
	*a = v
	return nil
}

// UnmarshalJSON reads an amount as text, or as a number by its digits.
func (a *Amount) UnmarshalJSON(text []byte) error {
	if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	return a.UnmarshalText(text)
}

// Currency is three capital letters of ISO 4217, such as USD or CNY.
type Currency string

// ErrCurrency is returned for what is no currency.
var ErrCurrency = errors.New("money: a currency is three capital letters, such as USD")

// Check returns ErrCurrency unless the currency is well formed.
func (c Currency) Check() error {
	if len(c) != 3 {
		return ErrCurrency
	}
	for i := range len(c) {
		if c[i] < 'A' || c[i] > 'Z' {
			return ErrCurrency
		}
	}
	return nil
}
