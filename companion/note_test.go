package companion

import (
	"slices"
	"testing"

	"kuai/companion/fact"
)

func TestNote(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		l    fact.Language
		f    fact.Fact
		want string
	}{
		{fact.English, fact.Fact{Subject: "user", Predicate: "lives_in", Object: "Oslo"}, "The user lives in Oslo."},
		{fact.English, fact.Fact{Subject: "sister", Predicate: "works_as", Object: "nurse"}, "The user's sister works as a nurse."},
		{fact.English, fact.Fact{Subject: "Lena", Predicate: "lives_in", Object: "Oslo"}, "Lena lives in Oslo."},
		{fact.English, fact.Fact{Subject: "sister's dog", Predicate: "pet_eats", Object: "rice"}, "The user's sister's dog eats rice."},
		{fact.English, fact.Fact{Subject: "user", Predicate: "likes", Object: "tea", Negated: true}, "No longer true: The user likes tea."},
		{fact.English, fact.Fact{Subject: "user", Predicate: "wonders", Object: "why"}, "user wonders why"},
		{fact.Chinese, fact.Fact{Subject: "姐姐", Predicate: "lives_in", Object: "杭州"}, "用户的姐姐住在杭州。"},
		{fact.Chinese, fact.Fact{Subject: "丽娜", Predicate: "allergic_to", Object: "花生"}, "丽娜对花生过敏。"},
	} {
		if got := Note(c.l, c.f); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestWordings(t *testing.T) {
	t.Parallel()
	got := Wordings(fact.English, fact.Fact{Subject: "sister", Predicate: "lives_in", Object: "Oslo"})
	if !slices.Contains(got, "Where does my sister live?") {
		t.Errorf("got %q", got)
	}
	if got := Wordings(fact.English, fact.Fact{Subject: "user", Predicate: "wonders"}); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestPerson(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"aunt": "aunt", "aunt's sake": "aunt", "father-in-law's apron": "father-in-law", "aunt's dog": "aunt's dog", "aunt's old dog": "aunt's old dog", "cats": "cat", "boss": "boss",
		"Mira's apron": "Mira's apron", "妈妈的围裙": "妈妈", "妈妈的狗": "妈妈的狗", "妈妈说": "妈妈", "儿子学我妈妈": "妈妈", "妈妈咪": "妈妈", "": "", "user": "user",
	} {
		if got := Person(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestWholeSubject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ subject, text, want string }{
		{"son", "My adopted son asked for a table.", "adopted son"},
		{"brother", "I asked my big brother", "big brother"},
		{"son", "My lovely son sleeps", "son"},
		{"brother", "my sister and brother", "brother"},
		{"son", "son", "son"},
		{"user", "my adopted son", "user"},
		{"Mira", "my adopted son", "Mira"},
		{"", "my son", ""},
	} {
		if got := Whole(c.subject, c.text); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.subject, c.text, got, c.want)
		}
	}
}

// TestAgreesOnce refuses replies that say the same thing twice.
func TestAgreesOnce(t *testing.T) {
	t.Parallel()
	q := fact.Query{Subject: fact.User, Predicate: "collects"}
	facts := []fact.Fact{{Subject: fact.User, Predicate: "collects", Object: "tin"}}
	for reply, want := range map[string]bool{"You collect tin.": true, "Silence, tin and tin.": false} {
		if got := Agrees(fact.English, "what do I collect", q, facts, reply); got != want {
			t.Errorf("%q: %v, want %v", reply, got, want)
		}
	}
}
