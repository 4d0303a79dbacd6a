package companion

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/companion/fact"
)

func TestUnits(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"it's", "my", "sister", "2024", "05"}, units(fact.English, "It's my sister! [2024-05]")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"我", "住", "abc", "3", "楼"}, units(fact.Chinese, "我住abc，3楼。")); diff != "" {
		t.Error(diff)
	}
}

// TestLeakage holds the bar: under one piece in twenty of what tests ask and
// tell stands in training.
func TestLeakage(t *testing.T) {
	t.Parallel()
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		x := Leakage(l, 1500, 1)
		if x.Share > 0.05 || x.TestGrams < 1000 {
			t.Errorf("%+v", x)
		}
		t.Logf("%+v", x)
	}
}
