package leak

import (
	"testing"

	"kuai/companion/fact"
)

// TestMeasure holds the bar: under one piece in twenty of what tests ask and
// tell stands in training.
func TestMeasure(t *testing.T) {
	t.Parallel()
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		x := Measure(l, 1500, 1)
		if x.Share > 0.05 || x.TestGrams < 1000 {
			t.Errorf("%+v", x)
		}
		t.Logf("%+v", x)
	}
}
