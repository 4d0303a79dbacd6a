// Package price says what things cost. Prices are data with dates from which
// they hold: a file that is built in, files that an owner imports. What a
// request costs is decided by the snapshot of prices taken when it came in, so
// that nothing that changes later reaches it.
//
// A bill has a line for each dimension. A line is rounded once, half up, to a
// millionth of the currency's unit; no token is ever rounded by itself.
package price

import (
	"fmt"
	"maps"
	"slices"
)

// Dimension is something that is counted and has a price.
type Dimension string

// The dimensions, in the order of a bill.
const (
	InputTokens       Dimension = "input_tokens"
	CachedInputTokens Dimension = "cached_input_tokens" // of the input tokens
	OutputTokens      Dimension = "output_tokens"
	EmbeddingTokens   Dimension = "embedding_tokens"
	Images            Dimension = "images"
	VideoMilliseconds Dimension = "video_milliseconds"
	AudioCharacters   Dimension = "audio_characters"
	Requests          Dimension = "requests"
)

// Dimensions are all of them, in the order of a bill.
var Dimensions = []Dimension{
	InputTokens, CachedInputTokens, OutputTokens, EmbeddingTokens,
	Images, VideoMilliseconds, AudioCharacters, Requests,
}

// MaxQuantity bounds a quantity: with that many of anything something is wrong.
const MaxQuantity = 1_000_000_000_000_000

// Usage is how much of each dimension was used, or will be at most.
type Usage map[Dimension]int64

// Check refuses unknown dimensions and impossible quantities.
func (u Usage) Check() error {
	for _, d := range slices.Sorted(maps.Keys(u)) {
		if !slices.Contains(Dimensions, d) {
			return fmt.Errorf("price: %q is no dimension", d)
		}
		if q := u[d]; q < 0 || q > MaxQuantity {
			return fmt.Errorf("price: %d %s: a quantity is 0 to %d", q, d, int64(MaxQuantity))
		}
	}
	return nil
}
