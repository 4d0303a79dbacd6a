package memory

import (
	"strings"
	"testing"
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
