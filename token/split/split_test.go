package split

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlain checks the split of files that name none, as llama.cpp has it.
func TestPlain(t *testing.T) {
	t.Parallel()
	var got []string
	plain("don't 1234567 $5+3 <=> x٣45, 快。", func(word string) { got = append(got, word) })
	want := []string{
		"don", "'", "t", " ", "123", "456", "7", " ", "$", "5", "+", "3", " ", "<=>", " x", "٣45", ",", " 快", "。",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestByHand checks the expressions that are matched by hand against regexp2.
func TestByHand(t *testing.T) {
	t.Parallel()
	for expr, byHand := range patterns {
		match, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"Hello, world! don't DON'T we'LL  \n\t 12345 x٣45 快好。\r\n  end", "camelCaseWORDS 3.14 a//b\n\n  c", " \u00a0 é́x", "'s'D",
		} {
			var got, want []string
			byHand(text, func(word string) { got = append(got, word) })
			match(text, func(word string, _ bool) { want = append(want, word) })
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%.20q on %q (-want +got):\n%s", expr, text, d)
			}
		}
	}
}

// FuzzSplits checks that no split of a known name loses text.
func FuzzSplits(f *testing.F) {
	f.Add("Hello, 世界! don't  \n\t 1234")
	f.Add("\xff\xfe 'ſ")
	f.Fuzz(func(t *testing.T, text string) {
		for name, split := range names {
			var b strings.Builder
			split(text, func(word string) { b.WriteString(word) })
			if b.String() != text {
				t.Errorf("%q: %q came back as %q", name, text, b.String())
			}
		}
	})
}
