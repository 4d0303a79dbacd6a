package talk

import (
	"testing"

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
