package memory

import (
	"strings"
	"testing"

	"kuai/character/memory/term"
)

func TestHeard(t *testing.T) {
	t.Parallel()
	var words term.Analyzer
	h := heard{share: 0.6}
	for _, c := range []struct {
		text string
		want bool
	}{
		{"I have a pet cat named Arizona.", false},
		{"Yes, I have a pet cat, named Arizona!", true},
		{"I have a pet turtle named Spike.", false},
		{"我家的猫叫小黑", false},
		{"我家的猫叫小黑。", true},
		{strings.Repeat("cat ", 9), false}, // one word in common, said often
	} {
		if got := h.before(words.Terms(nil, c.text)); got != c.want {
			t.Errorf("%q: heard %v", c.text, got)
		}
	}
	if (&heard{}).before(words.Terms(nil, "cat")) {
		t.Error("a share of 0 is for no matter")
	}
}
