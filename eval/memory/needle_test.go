package memory

import (
	"strings"
	"testing"
)

const smallNeedles = `{"messages": [{"role": "user", "content": "Name two trees."}, {"role": "assistant", "content": "1. Oak\n2. Ash"}, {"role": "user", "content": "Again, please: the two trees."}], "label": "1. Oak\n2. Ash", "length_class": 2048}
`

// TestReadNeedles reads cases, leaves out one that is cut off and refuses what
// is none.
func TestReadNeedles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		n        int
		bad      bool
	}{
		{"two", smallNeedles + "\n" + strings.TrimSpace(smallNeedles), 2, false},
		{"cut off", smallNeedles + smallNeedles[:100], 1, false},
		{"broken", smallNeedles[:100] + "\n" + smallNeedles, 0, true},
		{"no label", `{"messages": []}`, 0, true},
		{"another label", strings.Replace(smallNeedles, `"label": "1. Oak`, `"label": "1. Elm`, 1), 0, true},
		{"none", "", 0, false},
	} {
		n, bad := 0, false
		for _, err := range ReadNeedles(strings.NewReader(c.in)) {
			if err != nil {
				bad = true
			} else {
				n++
			}
		}
		if n != c.n || bad != c.bad {
			t.Errorf("%s: %d cases, error %v", c.name, n, bad)
		}
	}
}

// TestNeedles has a parrot repeat generated needles: they are found.
func TestNeedles(t *testing.T) {
	t.Parallel()
	rep, err := Needles(t.Context(), parrot{}, MakeNeedles(1, 3, 10_000), NeedlesConfig{Dir: t.TempDir(), Unit: "characters"})
	if err != nil {
		t.Fatal(err)
	}
	got := values(rep)
	for _, name := range []string{"repeated_2000_en", "repeated_10000_zh", "found_2000_zh", "found_10000_en", "repeated_at_25", "repeated_at_50", "repeated_at_75"} {
		if got[name] < 0.5 {
			t.Errorf("%s: %v", name, got[name])
		}
	}
	if _, err := Needles(t.Context(), parrot{}, MakeNeedles(1, 1, 2_000), NeedlesConfig{Whole: true}); err == nil {
		t.Error("a parrot reads no dialogue")
	}
	if _, err := Needles(t.Context(), parrot{}, ReadNeedles(strings.NewReader(smallNeedles[:100])), NeedlesConfig{}); err == nil {
		t.Error("a file with no whole case is no measurement")
	}
}

func FuzzReadNeedles(f *testing.F) {
	f.Add(smallNeedles)
	f.Add(smallNeedles[:50])
	f.Fuzz(func(_ *testing.T, s string) {
		for c, err := range ReadNeedles(strings.NewReader(s)) {
			if err == nil {
				_, _ = c.place(), c.language()
			}
		}
	})
}
