package fact

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func day(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }

func TestLine(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]Fact{
		"sister | lives_in | Oslo | 2026-05-03": {Subject: "sister", Predicate: "lives_in", Object: "Oslo", From: day(2026, 5, 3)},
		"user | not likes | 香菜":                 {Subject: User, Predicate: "likes", Object: "香菜", Negated: true},
	} {
		if got := Line(f); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if diff := cmp.Diff([]Fact{f}, ParseLines(want+"\n")); diff != "" {
			t.Error(diff)
		}
	}
	if got := Line(Fact{Subject: "a|b\n", Predicate: "likes", Object: strings.Repeat("猫", 100)}); len(got) > 2*maxField || strings.Count(got, "|") != 2 {
		t.Errorf("got %q", got)
	}
}

func TestParseLines(t *testing.T) {
	t.Parallel()
	in := "user | hates | rain\nuser | likes\n| likes | x\nuser | likes | tea | soon\n\nuser | likes | tea\nhello"
	if diff := cmp.Diff([]Fact{{Subject: User, Predicate: "likes", Object: "tea"}}, ParseLines(in)); diff != "" {
		t.Error(diff)
	}
	if n := len(ParseLines(strings.Repeat("user | likes | tea\n", 1000))); n != MaxLines {
		t.Errorf("%d facts", n)
	}
}

func TestPack(t *testing.T) {
	t.Parallel()
	items := []Item{{day(2026, 1, 2), "My sister\nmoved.", "user"}, {day(2026, 1, 3), "The user likes tea.", ""}}
	if diff := cmp.Diff("[2026-01-02] user: My sister moved.\n[2026-01-03] The user likes tea.\n", Pack(English, items)); diff != "" {
		t.Error(diff)
	}
	if Pack(Chinese, nil) != "（没有找到）\n" || Today(Chinese, day(2026, 1, 2)) != "今天 2026-01-02\n" {
		t.Error("an empty pack does not say so")
	}
}

// FuzzParseLines checks that what is read can be written and read again.
func FuzzParseLines(f *testing.F) {
	f.Add("sister | lives_in | Oslo | 2026-05-03\nuser | not likes | tea")
	f.Add("||||\x00\xff|")
	f.Fuzz(func(t *testing.T, s string) {
		for _, x := range ParseLines(s) {
			if got := ParseLines(Line(x)); len(got) != 1 || got[0] != x {
				t.Errorf("%+v became %+v", x, got)
			}
		}
	})
}

// FuzzParseQueries checks that what is read can be written and read again, and
// that nothing is both a fact and a question.
func FuzzParseQueries(f *testing.F) {
	f.Add("sister | lives_in | ?\nuser | trip | Kyoto | ?\nuser | ? | ? | 2026-05-03\nuser | exam | physics | ? - 1")
	f.Add("? | ? | ? | ?\nuser | name | ? | 0001-01-01\n||||\xff|")
	f.Fuzz(func(t *testing.T, s string) {
		for _, q := range ParseQueries(s) {
			if got := ParseQueries(q.Line()); len(got) != 1 || !cmp.Equal(got[0], q) {
				t.Errorf("%+v became %+v", q, got)
			}
			if facts := ParseLines(q.Line()); len(facts) != 0 {
				t.Errorf("%+v is a fact too: %+v", q, facts)
			}
		}
	})
}

func TestFits(t *testing.T) {
	t.Parallel()
	for in, want := range map[[2]string]bool{
		{"favorite_season", "late autumn"}: true, {"favorite_season", "Typical"}: false, {"favorite_season", "冬天"}: true, {"favorite_season", "生扶"}: false,
		{"gym_day", "Tuesdays"}: true, {"gym_day", "the sauna"}: false, {"class_day", "星期三"}: true,
		{"wakes_at", "6:40"}: true, {"wakes_at", "six"}: true, {"sleeps_at", "midnight"}: true, {"sleeps_at", "a friend's"}: false,
		{"room", "0412"}: true, {"room", "kitchen"}: false, {"age", "twenty-six"}: true, {"age", "四十二"}: true, {"floor", "third"}: true, {"floor", "顶"}: true, {"floor", "shop"}: false,
		{"birthday", "March 3"}: true, {"birthday", "五月二号"}: true, {"birthday", "lovely"}: false,
		{"cooked", "a"}: false, {"cooked", "gazpacho"}: true, {"likes", "it"}: false, {"likes", "It"}: false, {"likes", "我"}: false, {"name", "It-chan"}: true, {"likes", " "}: false, {"pet_name", "<"}: false, {"likes", "C#"}: true,
	} {
		if got := Fits(in[0], in[1]); got != want {
			t.Errorf("%s %q: %v", in[0], in[1], got)
		}
	}
	for _, p := range Predicates() {
		delete(forms, p.Name)
	}
	if len(forms) > 0 {
		t.Errorf("forms of unknown predicates: %v", forms)
	}
}
