// Package near compares slices of floats in tests, with one measure for the
// whole code base: the root mean square of the error over that of the wanted
// values.
package near

import (
	"math"
	"testing"
)

// Check reports an error unless got is within rel of want: the RMS of the
// difference divided by the RMS of want (by 1 where want is all zero). A NaN,
// an infinity or a difference in length fails, and the worst index is printed.
func Check(tb testing.TB, name string, got, want []float32, rel float64) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	var diff, norm, worst float64
	at := 0
	for i, w := range want {
		g := float64(got[i])
		if math.IsNaN(g) || math.IsInf(g, 0) {
			tb.Errorf("%s[%d] is %v, want %v", name, i, got[i], w)
			return
		}
		d := g - float64(w)
		diff += d * d
		norm += float64(w) * float64(w)
		if math.Abs(d) > worst {
			worst, at = math.Abs(d), i
		}
	}
	if norm == 0 {
		norm = max(1, float64(len(want)))
	}
	if e := math.Sqrt(diff / norm); !(e <= rel) {
		tb.Errorf("%s: relative RMS error %.3g, want at most %.3g; worst at %d: got %v, want %v", name, e, rel, at, got[at], want[at])
	}
}
