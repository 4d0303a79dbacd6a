package companion

import (
	"slices"
	"strings"
	"testing"

	"kuai/companion/fact"
)

// TestRetrievals checks that the fact holds its value, that the line can be
// read, and that none of the others is the fact.
func TestRetrievals(t *testing.T) {
	t.Parallel()
	n := 0
	for x := range Retrievals(4, Test, 0.5) {
		facts := fact.ParseLines(x.Line)
		if len(facts) != 1 || !strings.Contains(strings.ToLower(x.Fact), strings.ToLower(facts[0].Object)) {
			t.Errorf("%q does not hold %q", x.Fact, x.Line)
		}
		if slices.Contains(x.Others, x.Fact) || len(x.Others) != retrievalOthers {
			t.Errorf("%q is among %q", x.Fact, x.Others)
		}
		if n++; n == 500 {
			break
		}
	}
}
