package memory

import (
	"strings"
	"testing"
	"time"
)

func TestAsksBack(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{
		"Please repeat the first poem that you wrote about the sea.": true,
		"What was the dish you suggested for Friday?":                true,
		"请把你写的第一首关于海的诗再说一遍。":                                         true,
		"你第一次是怎么形容巴黎的？":                                              true,
		"Where does my sister live?":                                 false,
		"When did I tell you about Oslo?":                            false,
		"我姐姐住在哪里？":                                                   false,
	} {
		if got := asksBack.MatchString(query); got != want {
			t.Errorf("%s: %v", query, got)
		}
	}
}

// TestReplied checks that a reply comes along with the request for it, and only
// where it is asked for.
func TestReplied(t *testing.T) {
	t.Parallel()
	th := open(t, t.TempDir())
	defer shut(t, th)
	say(t, th, "Write a little poem about the lighthouse, please.", "Blue it burns, and nobody counts the hours.", "It rains again.", "So it does.")
	if got := recall(t, th, "Please repeat the poem you wrote about the lighthouse."); !strings.Contains(got, "Blue it burns") {
		t.Errorf("no reply in:\n%s", got)
	}
	if got := recall(t, th, "Who keeps the lighthouse?"); strings.Contains(got, "Blue it burns") {
		t.Errorf("a reply that was not asked for:\n%s", got)
	}
}

// TestRepeats tells requests to say something again from what looks like them.
func TestRepeats(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text         string
		asked, named bool
	}{
		{"Please repeat the first poem that you wrote about the sea.", true, true},
		{"can you repeat that?", true, false},
		{"Sorry, what did you say?", true, false},
		{"say that again please", true, false},
		{"What was the dish you suggested for Friday?", true, true},
		{"what did you say about the moon", true, true},
		{"Could you tell me that story about the fox again?", true, true},
		{"What did I say about the moon?", false, false},
		{"what did I tell you", false, false},
		{"what did you tell me about the interview?", true, true},
		{"You always repeat yourself", false, false},
		{"I had to repeat the year", false, false},
		{"repeat my name", false, false},
		{"what have you told my sister I said", false, false},
		{"请把你写的第一首关于海的诗再说一遍。", true, true},
		{"你刚才说什么？", true, false},
		{"再说一遍", true, false},
		{"你第一次是怎么形容巴黎的？", true, true},
		{"你上次推荐的是什么菜？", true, true},
		{"我刚才说了什么？", false, false},
		{"别老是重复一遍", false, false},
		{"你跟我说说你的事", false, false},
	} {
		if asked, named := Repeats(tt.text); asked != tt.asked || named != tt.named {
			t.Errorf("%s: %v, %v", tt.text, asked, named)
		}
	}
}

// TestQuote repeats the first or the last of what was asked for twice, and never
// what was itself a repetition.
func TestQuote(t *testing.T) {
	t.Parallel()
	th := open(t, t.TempDir())
	defer shut(t, th)
	say(t, th,
		"Describe the sea in a few words.", "Grey and wide.",
		"Describe the sea in a few words.", "Loud and salty.",
		"Please repeat how you described the sea the first time.", "I said: “Grey and wide.”",
		"It rains.", "So it does.")
	for query, want := range map[string]string{
		"Please repeat how you described the sea the first time.": "Grey and wide.",
		"Please repeat how you described the sea.":                "Loud and salty.",
		"What did you say about football?":                        "",
		"How would you describe the sea?":                         "",
	} {
		p, err := th.Recall(t.Context(), query, time.Now(), 700, func(s string) int { return len(s) / 4 })
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Quote(); got != want {
			t.Errorf("%s: %q", query, got)
		}
	}
}
