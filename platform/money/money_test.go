package money

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want Amount
		text string // what it is written as; "" if it is refused
		err  error
	}{
		{in: "0", want: 0, text: "0.00"},
		{in: "12.5", want: 12_500_000, text: "12.50"},
		{in: "+1", want: 1_000_000, text: "1.00"},
		{in: "-0.000001", want: -1, text: "-0.000001"},
		{in: "0.30", want: 300_000, text: "0.30"},
		{in: "1000000000000", want: Max, text: "1000000000000.00"},
		{in: "-1000000000000", want: -Max, text: "-1000000000000.00"},
		{in: "1000000000000.000001", err: ErrOverflow},
		{in: "99999999999999999999", err: ErrOverflow},
		{in: "0.0000001", err: ErrSyntax},
		{in: "1e3", err: ErrSyntax},
		{in: "1.", err: ErrSyntax},
		{in: ".5", err: ErrSyntax},
		{in: "", err: ErrSyntax},
		{in: "-", err: ErrSyntax},
		{in: "--1", err: ErrSyntax},
		{in: "-+1", err: ErrSyntax},
		{in: "1,50", err: ErrSyntax},
		{in: " 1", err: ErrSyntax},
		{in: "１", err: ErrSyntax},
		{in: "000000000000000000000000000000001", err: ErrSyntax},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if !errors.Is(err, tt.err) || got != tt.want {
			t.Errorf("Parse(%q) = %d, %v, want %d, %v", tt.in, got, err, tt.want, tt.err)
		}
		if err == nil && got.String() != tt.text {
			t.Errorf("Parse(%q) is written %q, want %q", tt.in, got.String(), tt.text)
		}
	}
	if got, want := Amount(math.MinInt64).String(), "-9223372036854.775808"; got != want {
		t.Errorf("the smallest is written %s, want %s", got, want)
	}
}

func TestArithmetic(t *testing.T) {
	t.Parallel()
	const big, small = Amount(math.MaxInt64), Amount(math.MinInt64)
	tests := []struct {
		name string
		f    func() (Amount, error)
		want Amount
		err  error
	}{
		{"add", func() (Amount, error) { return Amount(2).Add(3) }, 5, nil},
		{"add over", func() (Amount, error) { return big.Add(1) }, 0, ErrOverflow},
		{"add under", func() (Amount, error) { return small.Add(-1) }, 0, ErrOverflow},
		{"add both ends", func() (Amount, error) { return big.Add(small) }, -1, nil},
		{"sub", func() (Amount, error) { return Amount(2).Sub(3) }, -1, nil},
		{"sub under", func() (Amount, error) { return small.Sub(1) }, 0, ErrOverflow},
		{"sub over", func() (Amount, error) { return big.Sub(-1) }, 0, ErrOverflow},
		{"sub the smallest", func() (Amount, error) { return Amount(0).Sub(small) }, 0, ErrOverflow},
		{"sum", func() (Amount, error) { return Sum(1, 2, -4) }, -1, nil},
		{"sum over", func() (Amount, error) { return Sum(big, 1, -1) }, 0, ErrOverflow},
	}
	for _, tt := range tests {
		if got, err := tt.f(); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d, %v, want %d, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

// FuzzPer compares with arithmetic of any width.
func FuzzPer(f *testing.F) {
	f.Add(int64(300_000), int64(5), int64(1_000_000), int64(0), int64(0)) // 1.5 rounds up
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(1), int64(math.MaxInt64), int64(math.MaxInt64))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(1), int64(1))
	f.Fuzz(func(t *testing.T, price, quantity, per, price2, quantity2 int64) {
		p, err := Product{}.Plus(Amount(price), quantity)
		if err == nil {
			p, err = p.Plus(Amount(price2), quantity2)
		}
		var got Amount
		if err == nil {
			got, err = p.Per(per)
		}
		if price < 0 || quantity < 0 || price2 < 0 || quantity2 < 0 || per <= 0 {
			if err == nil {
				t.Fatal("a negative factor was taken")
			}
			return
		}
		product := func(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }
		want := new(big.Int).Add(product(price, quantity), product(price2, quantity2))
		want.Add(want.Lsh(want, 1), big.NewInt(per)) // (2n + per) / 2per
		want.Div(want, new(big.Int).Lsh(big.NewInt(per), 1))
		if !want.IsInt64() {
			if !errors.Is(err, ErrOverflow) {
				t.Fatalf("%v, %v, want ErrOverflow", got, err)
			}
			return
		}
		if err != nil || int64(got) != want.Int64() {
			t.Fatalf("%d, %v, want %v", got, err, want)
		}
	})
}

// FuzzParse checks that what is read is written and read again the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "-12.500001", "+7.", "1e9", "1000000000000.1", "00.10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			return
		}
		if a > Max || a < -Max {
			t.Fatalf("%q gave %d, beyond Max", s, a)
		}
		b, err := Parse(a.String())
		if err != nil || a != b {
			t.Fatalf("%q: %v was read as %v, %v", s, a, b, err)
		}
	})
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var v struct{ A, B Amount }
	if err := json.Unmarshal([]byte(`{"A":"0.10","B":1234567890.123456}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.A != 100_000 || v.B != 1_234_567_890_123_456 {
		t.Errorf("got %d and %d", v.A, v.B)
	}
	got, err := json.Marshal(v)
	if want := `{"A":"0.10","B":"1234567890.123456"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for _, bad := range []string{`{"A":1e2}`, `{"A":null}`, `{"A":"x"}`, `{"A":true}`, `{"A":""}`} {
		if err := json.Unmarshal([]byte(bad), &v); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	for c, want := range map[Currency]bool{"USD": true, "usd": false, "US": false, "USDT": false, "": false} {
		if got := c.Check() == nil; got != want {
			t.Errorf("Currency(%q) is right: %v, want %v", c, got, want)
		}
	}
}
