package report

import (
	"math"
	"strings"
	"testing"
)

// TestWilson compares intervals with published ones.
func TestWilson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{0, 10, 0, 0.2775}, {10, 10, 0.7225, 1}, {5, 10, 0.2366, 0.7634}, {81, 263, 0.2553, 0.3662}, {1, 1000, 0.0002, 0.0056},
	} {
		low, high := Wilson(c.k, c.n)
		if math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	var r Report
	r.Share("none", 0, 0, "of cases")
	r.Share("half", 5, 10, "of cases")
	var text, json strings.Builder
	if err := r.Text(&text); err != nil || !strings.Contains(text.String(), "0.5 (0.24-0.76)") {
		t.Errorf("%s, %v", text.String(), err)
	}
	if err := r.JSON(&json); err != nil || !strings.Contains(json.String(), `"cases": 10`) || !strings.Contains(json.String(), `"reason": "no cases"`) {
		t.Errorf("%s, %v", json.String(), err)
	}
}
