package companion

import (
	"math/rand/v2"
	"testing"

	"kuai/companion/fact"
)

// TestCompany checks that every written conversation is one, that none is told
// twice, and that those held out are not trained on.
func TestCompany(t *testing.T) {
	t.Parallel()
	for l := range languageKeys {
		first := map[string]Split{}
		for _, split := range []Split{Train, Test} {
			for _, s := range Company(split, fact.Language(l)) {
				if s[0].Role == System {
					s = s[1:]
				}
				if s[len(s)-1].Role != Assistant {
					t.Errorf("%q ends with another than the companion", s[0].Text)
				}
				if other, ok := first[s[0].Text]; ok && other != split {
					t.Errorf("%q is in both splits", s[0].Text)
				}
				first[s[0].Text] = split
			}
		}
		if len(first) == 0 {
			t.Errorf("no conversations in %s", languageKeys[l])
		}
	}
	for _, bad := range []string{"U: hi", "A: hi\nU: hi", "U: hi\nU: you\nA: hi", "U: hi\nA: ", "U: hi\nS: You are Lin.\nA: hi", "hi", "X: hi\nA: hi"} {
		if c, ok := parseConversation(bad); ok {
			t.Errorf("%q is a conversation: %v", bad, c)
		}
	}
	if c, ok := parseConversation("S: You are Lin.\nU: hi: you\nA: hello"); !ok || c.system != "You are Lin." || c.turns[0] != "hi: you" {
		t.Errorf("%v", c)
	}
	w := &writer{r: rand.New(rand.NewPCG(1, 1)), split: Train}
	if s, ok := w.together(); !ok || s[len(s)-1].Role != Assistant || s[len(s)-1].Weight != replyWeight {
		t.Errorf("%v", s)
	}
}

// TestAnswers tells what is said as if it were remembered from what is not.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		l     fact.Language
		reply string
		want  bool
	}{
		{fact.English, "Your favorite dish is salsa.", true},
		{fact.English, "Your sister lives in Oslo.", true},
		{fact.English, "Your train has a gift for drama.", false},
		{fact.English, "Soup, always soup.", false},
		{fact.Chinese, "你的爱好是写信。", true},
		{fact.Chinese, "屏幕最会偷时间了。", false},
	} {
		if got := Answers(tt.l, tt.reply); got != tt.want {
			t.Errorf("%q: %v", tt.reply, got)
		}
	}
}
