package speech

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/companion/fact"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"I am a nurse.":              "I'm a nurse.",
		"By the way, I am in room 3": "By the way, I'm in room 3",
		"Tell me how old I am.":      "Tell me how old I am.",
		"My job? I am a vet.":        "My job? I'm a vet.",
		"Do you know who I am with?": "Do you know who I am with?",
		"You are in room 12.":        "You're in room 12.",
	} {
		if got := Contract(in); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, got, want string }{
		{"capitals", Sentence("it rains. so? \"yes\"! no"), "It rains. So? \"Yes\"! No"},
		{"articles", Articles("a old man saw a ukulele and a egg"), "an old man saw a ukulele and an egg"},
		{"an article", WithArticle("architect"), "an architect"},
		{"its own article", WithArticle("some gloves"), "some gloves"},
		{"first and third", Agree("live|lives", 1) + Agree("live|lives", 2), "livelives"},
		{"all three", Agree("am|are|is", 0) + Agree("am|are|is", 1) + Agree("am|are|is", 2), "amareis"},
		{"after a comma", After(fact.English, "By the way, ", "My sister is ill.", "{S} is ill."), "By the way, my sister is ill."},
		{"after a full stop", After(fact.English, "Hey! ", "My sister is ill.", "{S} is ill."), "Hey! My sister is ill."},
		{"a name keeps its capital", After(fact.English, "So, ", "Lena is ill.", "{S} is ill."), "So, Lena is ill."},
		{"list", Enumerate(fact.English, []string{"a", "b", "c"}), "a, b and c"},
		{"list in Chinese", Enumerate(fact.Chinese, []string{"一", "二"}), "一、二"},
		{"number", Number(fact.English, 3) + Number(fact.Chinese, 2) + Number(fact.English, 20), "three两20"},
		{"measure", Measure("雨伞") + Measure("东西"), "把个"},
		{"day", Day(fact.English, time.Date(2024, 5, 3, 0, 0, 0, 0, time.UTC)), "May 3, 2024"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	want := []string{"May 22", "22 May", "May 22", "22 May", "5月22日", "5月22号", "May 22nd", "2024-05-22"}
	if diff := cmp.Diff(want, Dates(time.Date(2024, 5, 22, 0, 0, 0, 0, time.UTC), true)); diff != "" {
		t.Error(diff)
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"it's", "my", "sister", "2024", "05"}, Units(fact.English, "It's my sister! [2024-05]")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"我", "住", "abc", "3", "楼"}, Units(fact.Chinese, "我住abc，3楼。")); diff != "" {
		t.Error(diff)
	}
}
