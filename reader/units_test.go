package reader

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"My sister's dog doesn't eat at 7:30.": {"my", "sister", "'s", "dog", "doesn't", "eat", "at", "7:30", "."},
		"我姐姐住在Oslo 3楼！":                        {"我", "姐", "姐", "住", "在", "oslo", "3", "楼", "！"},
		"":                                     nil,
		"Hi. I'm O’Brien's.":                   {"hi", ".", "i'm", "o’brien", "'s", "."},
		"\xff!":                                {"\xff", "!"},
	} {
		var got []string
		for _, u := range Units(in) {
			got = append(got, u.Word)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

// TestTextOf checks that what a model points at is whole words, also those with
// hyphens.
func TestTextOf(t *testing.T) {
	t.Parallel()
	const turn = "My father-in-law's T-shirt, well - cross-country"
	units := Units(turn)
	for word, want := range map[string]string{"law": "father-in-law", "in": "father-in-law", "shirt": "T-shirt", "well": "well", "cross": "cross-country", "my": "My"} {
		at := slices.IndexFunc(units, func(u Unit) bool { return u.Word == word })
		if at < 0 {
			t.Errorf("no unit %q in %v", word, units)
			continue
		}
		if got := textOf(turn, units, span{at, at}); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
