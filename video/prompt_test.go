package video

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTokenizeWords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string
	}{
		{"English", "A fox jumps, at night!", []string{"a", "fox", "jumps", "at", "night"}},
		{"Chinese", "一只狐狸在跳。", []string{"一", "只", "狐", "狸", "在", "跳"}},
		{"mixed", "fox狐3 d", []string{"fox", "狐", "3", "d"}},
		{"empty", " \n\t", []string{""}},
		{"invalid UTF-8", "a\xffb", []string{"a", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := Tokenize(tt.text, 8192)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, p.Words); diff != "" {
				t.Errorf("words (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokenizeLimits(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		strings.Repeat("a ", MaxPromptTokens+1),
		strings.Repeat("a", MaxPromptBytes+1),
		strings.Repeat("狐", MaxPromptTokens+1),
	} {
		if _, err := Tokenize(text, 8192); !errors.Is(err, ErrLongPrompt) {
			t.Errorf("Tokenize(%.10q...) = %v, want ErrLongPrompt", text, err)
		}
	}
}

// TestTokenizeNear checks that a misspelt word shares rows with the right one
// and an unrelated word does not.
func TestTokenizeNear(t *testing.T) {
	t.Parallel()
	shared := func(a, b string) int {
		in := map[int32]bool{}
		for _, r := range wordRows(a, 1<<20) {
			in[r] = true
		}
		n := 0
		for _, r := range wordRows(b, 1<<20) {
			if in[r] {
				n++
			}
		}
		return n
	}
	if n := shared("elephant", "elefant"); n < 3 {
		t.Errorf("elephant and elefant share %d rows, want at least 3", n)
	}
	if n := shared("elephant", "fox"); n != 0 {
		t.Errorf("elephant and fox share %d rows, want 0", n)
	}
}

func FuzzTokenize(f *testing.F) {
	for _, s := range []string{"a fox jumps", "一只狐狸", "\xff\xfe", "", strings.Repeat("x", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Tokenize(s, 100)
		if err != nil {
			return
		}
		if len(p.Words) != len(p.Rows) || len(p.Words) == 0 || len(p.Words) > MaxPromptTokens {
			t.Fatalf("%d words and %d bags of rows", len(p.Words), len(p.Rows))
		}
		for _, bag := range p.Rows {
			for _, r := range bag {
				if r < 0 || r >= 100 {
					t.Fatalf("row %d out of range", r)
				}
			}
		}
	})
}
