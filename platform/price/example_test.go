package price_test

import (
	"fmt"
	"strings"
	"time"

	"kuai/platform/price"
)

// A file of prices, and what a request costs by them.
func Example() {
	prices, err := price.ReadFile(strings.NewReader(`
currency: USD
prices:
  - {model: "m-*", dimension: input_tokens, price: "0.30", per: 1000000}
  - {model: "m-*", dimension: cached_input_tokens, price: "0.03", per: 1000000}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)
	snapshot, err := price.NewBook(prices).Snapshot("USD", "m-large", now)
	if err != nil {
		fmt.Println(err)
		return
	}
	bill, err := snapshot.Bill(price.Usage{price.InputTokens: 1001, price.CachedInputTokens: 900})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range bill.Lines {
		fmt.Println(l.Quantity, l.Dimension, l.Amount)
	}
	fmt.Println("total", bill.Total, "USD")
	// Output:
	// 101 input_tokens 0.00003
	// 900 cached_input_tokens 0.000027
	// total 0.000057 USD
}
