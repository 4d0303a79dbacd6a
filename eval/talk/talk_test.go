package talk

import (
	"math/rand/v2"
	"testing"

	"kuai/companion"
	"kuai/companion/fact"
)

func TestLooped(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"I like tea and I like rain and I like you":               false,
		"so it goes on so it goes on so it goes on so it goes on": true,
		"": false,
		"我在这儿，我在这儿，我在这儿，我在这儿，": true,
		"你好呀，今天过得怎么样？":         false,
	} {
		if got := looped(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestMixes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s    string
		l    fact.Language
		want bool
	}{
		{"Hello there", fact.English, false},
		{"Hello 你", fact.English, true},
		{"我住在 Oslo", fact.Chinese, false},
		{"Hello my friend", fact.Chinese, true},
		{"", fact.Chinese, false},
	} {
		if got := mixes(c.s, c.l); got != c.want {
			t.Errorf("%q: %v", c.s, got)
		}
	}
}

// TestDrawPairs checks that the wrong reply is another one, and about as long.
func TestDrawPairs(t *testing.T) {
	t.Parallel()
	for _, f := range pairFormats {
		for l := range languages {
			far := 0
			for _, p := range drawPairs(rand.New(rand.NewPCG(1, 2)), companion.Test, fact.Language(l), f.format, 30) {
				if p.right == p.other || p.right == "" || p.other == "" || len(p.before) == 0 || p.before[len(p.before)-1].Role != companion.User {
					t.Fatalf("%s: %+v", f.name, p)
				}
				if abs(len(p.right)-len(p.other)) > len(p.right)/2 {
					far++
				}
			}
			if far > 6 {
				t.Errorf("%s, %s: %d of 30 wrong replies are much longer or shorter", f.name, languages[l], far)
			}
		}
	}
}
