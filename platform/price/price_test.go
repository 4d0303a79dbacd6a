package price

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/platform/money"
)

func read(t *testing.T, text string) []Price {
	t.Helper()
	p, err := ReadFile(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCost(t *testing.T) {
	t.Parallel()
	tiered := Rate{Per: 1000, Price: 500, Tiers: []Tier{{10, 1000}, {20, 0}}}
	tests := []struct {
		name     string
		rate     Rate
		quantity int64
		want     money.Amount
	}{
		{"nothing", Rate{Per: 1, Price: 7}, 0, 0},
		{"a million tokens", Rate{Per: 1_000_000, Price: 300_000}, 1_000_000, 300_000},
		{"a token", Rate{Per: 1_000_000, Price: 300_000}, 1, 0},
		{"half rounds up", Rate{Per: 1_000_000, Price: 500_000}, 1, 1},
		{"less than half rounds down", Rate{Per: 1_000_000, Price: 499_999}, 1, 0},
		{"once a line, not a token", Rate{Per: 1_000_000, Price: 300_000}, 5, 2}, // 1.5
		{"below a tier", tiered, 10, 5},
		{"parts are rounded together", tiered, 11, 6}, // 5 + 1
		{"the second tier", tiered, 20, 15},
		{"a free tier", tiered, 1000, 15},
		{"most of both", Rate{Per: MaxQuantity, Price: money.Max}, MaxQuantity, money.Max},
	}
	for _, tt := range tests {
		got, err := tt.rate.Cost(tt.quantity)
		if err != nil || got != tt.want {
			t.Errorf("%s: %d, %v, want %d", tt.name, got, err, tt.want)
		}
	}
	if _, err := (Rate{Per: 1, Price: money.Max}).Cost(MaxQuantity); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("too much: %v, want ErrOverflow", err)
	}
}

func TestBill(t *testing.T) {
	t.Parallel()
	book := NewBook(read(t, `
currency: USD
prices:
  - {model: a, dimension: input_tokens, price: 2, per: 1}
  - {model: a, dimension: cached_input_tokens, price: 0.5, per: 1}
  - {model: a, dimension: output_tokens, price: 10, per: 1}
  - {model: b, dimension: input_tokens, price: 2, per: 1}
`))
	tests := []struct {
		name, model string
		usage       Usage
		want        Bill
	}{
		{"nothing", "a", nil, Bill{}},
		{"cached ones are some of the input", "a", Usage{InputTokens: 10, CachedInputTokens: 4, OutputTokens: 1}, Bill{
			Lines: []Line{
				{InputTokens, 6, 2_000_000, 1, 12_000_000},
				{CachedInputTokens, 4, 500_000, 1, 2_000_000},
				{OutputTokens, 1, 10_000_000, 1, 10_000_000},
			}, Total: 24_000_000,
		}},
		{"cached ones without a price cost as others", "b", Usage{InputTokens: 10, CachedInputTokens: 4}, Bill{
			Lines: []Line{{InputTokens, 10, 2_000_000, 1, 20_000_000}}, Total: 20_000_000,
		}},
		{"what has no price is told", "b", Usage{Images: 3}, Bill{
			Lines: []Line{{Dimension: Images, Quantity: 3, Per: 1}}, Unpriced: []Dimension{Images},
		}},
	}
	for _, tt := range tests {
		s, err := book.Snapshot("USD", tt.model, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Bill(tt.usage)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	s, err := book.Snapshot("USD", "a", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []Usage{{"toasters": 1}, {Images: -1}, {Images: MaxQuantity + 1}} {
		if _, err := s.Bill(bad); err == nil {
			t.Errorf("%v was billed", bad)
		}
	}
}

// TestBook looks prices up: patterns, dates, imports, and their order.
func TestBook(t *testing.T) {
	t.Parallel()
	prices := read(t, `
currency: USD
prices:
  - {model: "*", dimension: images, price: 1, per: 1}
  - {model: "img-*", dimension: images, price: 2, per: 1}
  - {model: "img-*", dimension: images, price: 3, per: 1, from: 2026-02-01T00:00:00Z, until: 2026-03-01T00:00:00Z}
  - {model: "img-9", dimension: images, price: 4, per: 1}
  - {model: "img-*", dimension: images, price: 5, per: 1, from: 2026-02-01T00:00:00Z, until: 2026-02-10T00:00:00Z}
  - {currency: CNY, model: "img-1", dimension: images, price: 6, per: 1, from: 2026-02-01T00:00:00Z}
`)
	for i := range prices {
		prices[i].Sequence = int64(i)
	}
	book := NewBook(prices)
	day := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC) }
	tests := []struct {
		name     string
		currency money.Currency
		model    string
		at       time.Time
		want     money.Amount
	}{
		{"any model", "USD", "other", day(1, 1), 1},
		{"a pattern", "USD", "img-1", day(1, 31), 2},
		{"the later import of two that began together", "USD", "img-1", day(2, 1), 5},
		{"its end is not in it", "USD", "img-1", day(2, 10), 3},
		{"the last moment", "USD", "img-1", day(3, 1).Add(-time.Microsecond), 3},
		{"afterwards the older one again", "USD", "img-1", day(3, 1), 2},
		{"a name before patterns", "USD", "img-9", day(2, 1), 4},
		{"another currency", "CNY", "img-1", day(2, 1), 6},
	}
	for range 2 { // the second time from what is remembered
		for _, tt := range tests {
			s, err := book.Snapshot(tt.currency, tt.model, tt.at)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if got := s.Rates[Images].Price; got != tt.want*money.Unit {
				t.Errorf("%s: %v, want %d", tt.name, got, tt.want)
			}
			again, err := ReadSnapshot(s.ID, s.Body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s, again); diff != "" {
				t.Errorf("%s: read again (-want +got):\n%s", tt.name, diff)
			}
		}
		slices.Reverse(tests)
	}
	for _, at := range []time.Time{day(1, 31), {}} {
		if _, err := book.Snapshot("CNY", "img-1", at); !errors.Is(err, ErrNone) {
			t.Errorf("before there is a price: %v, want ErrNone", err)
		}
	}
	if _, err := ReadSnapshot("snap_0", `{"currency":"USD"}`); err == nil {
		t.Error("a snapshot under another's name was read")
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "", true},
		{"a*", "a", true},
		{"a*a", "a", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c", false},
		{"*x*x*", "x", false},
		{"**", "anything", true},
		{"org/*-hd", "org/m-hd", true},
		{strings.Repeat("*a", 90) + "b", strings.Repeat("a", 200), false},
	}
	for _, tt := range tests {
		if got := Match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("Match(%q, %q) = %v", tt.pattern, tt.name, got)
		}
	}
}

func TestReadFileRefuses(t *testing.T) {
	t.Parallel()
	entry := func(s string) string { return "currency: USD\nprices:\n  - {" + s + "}\n" }
	const good = "model: m, dimension: images, price: 1, per: 1"
	tests := []struct{ name, text, want string }{
		{"nothing", "", "EOF"},
		{"no prices", "currency: USD\n", "0 prices"},
		{"two documents", entry(good) + "---\n" + entry(good), "more than one document"},
		{"a misspelt field", entry(good + ", form: 2026-01-01"), "form"},
		{"no currency", "prices:\n  - {" + good + "}\n", "currency"},
		{"small currency", entry(good + ", currency: usd"), "currency"},
		{"no model", entry("dimension: images, price: 1, per: 1"), "model"},
		{"a model with a line end", entry(`model: "a\nb", dimension: images, price: 1, per: 1`), "model"},
		{"no such dimension", entry("model: m, dimension: toasters, price: 1, per: 1"), "toasters"},
		{"no unit", entry("model: m, dimension: images, price: 1"), "per 0"},
		{"no price", entry("model: m, dimension: images, per: 1"), "price"},
		{"a negative price", entry("model: m, dimension: images, price: -1, per: 1"), "price"},
		{"an exponent", entry("model: m, dimension: images, price: 1e-3, per: 1"), "decimals"},
		{"seven decimals", entry("model: m, dimension: images, price: 0.1234567, per: 1"), "decimals"},
		{"until before from", entry(good + ", from: 2026-02-01, until: 2026-01-01"), "until"},
		{"a time before 1970", entry(good + ", from: 1969-01-01"), "1970"},
		{"falling tiers", entry(good + ", tiers: [{above: 5, price: 1}, {above: 5, price: 2}]"), "tiers"},
		{"prices as one", "prices: 7\n", "price.entry"},
		{"too long", "# " + strings.Repeat("x", MaxFile), "more than"},
	}
	for _, tt := range tests {
		if _, err := ReadFile(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestBuiltIn(t *testing.T) {
	t.Parallel()
	prices, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	book := NewBook(prices)
	for _, c := range []money.Currency{"USD", "CNY", "EUR"} {
		s, err := book.Snapshot(c, "anything", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range Dimensions {
			if _, ok := s.Rates[d]; !ok {
				t.Errorf("%s: %s has no price", c, d)
			}
		}
	}
}

// FuzzReadFile checks that what is read can be billed without a surprise.
func FuzzReadFile(f *testing.F) {
	text, err := os.ReadFile("default.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)/2])
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte(`{"currency":"USD","prices":[{"model":"m","dimension":"images","price":"1.5","per":1,"tiers":[{"above":1,"price":1}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		prices, err := ReadFile(bytes.NewReader(text))
		if err != nil {
			return
		}
		book := NewBook(prices)
		for _, p := range prices {
			if err := p.Check(); err != nil {
				t.Fatalf("read what it should refuse: %v", err)
			}
			at := p.From
			if at.IsZero() {
				at = time.Unix(1, 0)
			}
			s, err := book.Snapshot(p.Currency, p.Model, at)
			if err != nil {
				if p.Until.IsZero() || p.Until.After(at) {
					t.Fatalf("%+v has no price: %v", p, err)
				}
				continue
			}
			if _, err := s.Bill(Usage{p.Dimension: 12345}); err != nil && !errors.Is(err, money.ErrOverflow) {
				t.Fatal(err)
			}
		}
	})
}
