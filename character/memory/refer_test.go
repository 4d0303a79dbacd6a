package memory

import (
	"testing"
	"time"

	"kuai/companion/fact"
)

// TestRefer checks whom pronouns mean: those whom the turns before mention, if
// their sex and kind fit, over branches and when a thread is opened again.
func TestRefer(t *testing.T) {
	t.Parallel()
	says := map[string]string{
		"My dog ate my shoe.":                      "",
		"My brother and my sister are visiting.":   "",
		"She works as a vet.":                      "she | works_as | vet",
		"His flat is in Turin.":                    "his | lives_in | Turin",
		"It eats carrots.":                         "it | pet_eats | carrots",
		"Where does she live?":                     "she | lives_in | ?",
		"她怕蛇。":                                     "她 | afraid_of | 蛇",
		"我女儿考完了。":                                  "",
		"My colleague says hello, they are happy.": "they | likes | cake",
	}
	r := &lines{says: says, read: map[string]int{}}
	dir := t.TempDir()
	th, err := Open(dir, Options{NoSync: true, Reader: r})
	if err != nil {
		t.Fatal(err)
	}
	say := func(texts ...string) {
		for _, s := range texts {
			if _, err := th.Append(Turn{Time: time.Unix(1e9, 0), Speaker: fact.User, Text: s}, Turn{Speaker: fact.Companion, Text: "I see."}); err != nil {
				t.Fatal(err)
			}
		}
	}
	say("She works as a vet.") // nobody was mentioned
	say("My dog ate my shoe.", "My brother and my sister are visiting.", "She works as a vet.", "His flat is in Turin.", "It eats carrots.")
	first := th.Head()
	say("我女儿考完了。", "她怕蛇。", "My colleague says hello, they are happy.")
	check := func() {
		t.Helper()
		want := []string{"sister | works_as | vet", "brother | lives_in | Turin", "dog | pet_eats | carrots", "女儿 | afraid_of | 蛇", "colleague | likes | cake"}
		got := th.Facts(false)
		if len(got) != len(want) {
			t.Fatalf("%d facts", len(got))
		}
		for i, f := range got {
			f.From = time.Time{}
			if fact.Line(f.Fact) != want[i] {
				t.Errorf("%s, not %s", fact.Line(f.Fact), want[i])
			}
		}
	}
	check()
	if err := th.SetHead(first); err != nil {
		t.Fatal(err)
	}
	if who, ok := th.refer("she", Turn{Parent: th.path.Head(), Text: "Where does she live?"}, nil); who != "sister" || !ok {
		t.Errorf("%q %v", who, ok)
	}
	if err := th.SetHead(th.log.Last()); err != nil {
		t.Fatal(err)
	}
	if err := th.Close(); err != nil {
		t.Fatal(err)
	}
	if th, err = Open(dir, Options{NoSync: true, Reader: r}); err != nil {
		t.Fatal(err)
	}
	check()
	if err := th.Close(); err != nil {
		t.Error(err)
	}
}
