package reader

import (
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
