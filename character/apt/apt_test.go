package apt

import (
	"testing"

	"kuai/companion/fact"
)

func open(t *testing.T, l fact.Language) *Index {
	t.Helper()
	x, err := Open(l)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestFindsItself finds what users say in situations word for word, with values
// in the slots: the best place is it or one that is said in the same words.
func TestFindsItself(t *testing.T) {
	t.Parallel()
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		x := open(t, l)
		n, found := 0, 0
		for i := 0; i < len(x.first); i += len(x.first)/200 + 1 {
			p := x.first[i]
			said := x.situations[p.situation].Filled(p.line, nil)
			n++
			if all := x.Find(said, nil); len(all) > 0 && len(all[0].Replies) > 0 && all[0].features[3]+all[0].features[4] < 0.5 {
				found++
			}
		}
		if found < n*9/10 { // some values stand in two lists, some lines are of another's words
			t.Errorf("%v: %d of %d", l, found, n)
		}
	}
}

// TestFind tells what is nearly said from what is not: one word changes all.
func TestFind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		l     fact.Language
		said  string
		found bool
	}{
		{fact.English, "Do you ever get angry?", true},
		{fact.English, "I want to quit my job!", true},
		{fact.English, "I have a job interview tomorrow and I'm nervous", true},
		{fact.English, "The quarterly derivative swap matured against a rolling basis.", false},
		{fact.English, "What did you have for breakfast?", false},
		{fact.English, "", false},
		{fact.Chinese, "明天面试，好紧张", true},
		{fact.Chinese, "你会生气吗？", true},
		{fact.English, "My grandfather is in hospital.", false},
		{fact.Chinese, "期权的隐含波动率曲面今天很陡", false},
	} {
		all := open(t, tt.l).Find(tt.said, nil)
		if (len(all) > 0 && all[0].Score > 0.5) != tt.found {
			t.Errorf("%q: %+v", tt.said, all)
		}
	}
}

// TestNext goes on in a situation before it looks elsewhere.
func TestNext(t *testing.T) {
	t.Parallel()
	x := open(t, fact.English)
	n, elsewhere := 0, 0
	for i, s := range x.situations {
		if s.Rounds() < 2 {
			continue
		}
		after := &Place{x, i, 0, map[string]string{}}
		s.Bind(fact.English, s.Heard(0)[0], s.Filled(s.Heard(0)[0], nil), after.bound)
		said := s.Filled(s.Heard(1)[0], after.bound)
		all := x.Find(said, after)
		if len(all) == 0 {
			continue // no reply whose slots are known
		}
		if n++; all[0].Place.situation != i || all[0].Place.round != 1 {
			elsewhere++ // a value of this round is another of the first
		}
	}
	// another language's place means nothing here
	if all := open(t, fact.Chinese).Find("I want to quit my job", &Place{x, 1 << 30, 0, nil}); len(all) > 0 {
		t.Errorf("in Chinese: %+v", all)
	}
	if n < 50 || elsewhere > n/20 {
		t.Errorf("%d of %d went on elsewhere", elsewhere, n)
	}
}

// TestOf finds a character's own replies by its own words.
func TestOf(t *testing.T) {
	t.Parallel()
	const talk = "@drink: tea; ginger beer\n\nU: may I have {drink}?\nA: {drink}, coming up.\n\nU: really?\nA: Really.\n\nU: how is the lighthouse?\nA: Still standing.\n"
	x, err := Of(fact.English, talk)
	if err != nil || x == nil {
		t.Fatal(x, err)
	}
	for said, want := range map[string]string{
		"May I have a ginger beer?":     "Ginger beer, coming up.",
		"how's your lighthouse":         "Still standing.",
		"How is the lighthouse today?":  "Still standing.",
		"What is a lighthouse made of?": "",
	} {
		got := ""
		if all := x.Find(said, nil); len(all) > 0 && all[0].Score > 0.2 {
			got = all[0].Replies[0]
		}
		if got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
	if again, _ := Of(fact.English, talk); again != x {
		t.Error("made again")
	}
	for _, none := range []string{"", "U: nobody answers"} {
		if x, err := Of(fact.Chinese, none); x != nil || err != nil {
			t.Errorf("%q: %v, %v", none, x, err)
		}
	}
}

// FuzzOf takes any text for situations.
func FuzzOf(f *testing.F) {
	f.Add("@pet: cat; dog\n\nU: my {pet} is ill\nA: poor {a pet}, {pet2}!\nU: yes\nA: no", "my cat is ill")
	f.Add("U: {\nA: }", "{")
	f.Add("---\n@: ;\n\nU: {a x1}\nA: {x}", "\xff")
	f.Fuzz(func(t *testing.T, text, said string) {
		for _, l := range []fact.Language{fact.English, fact.Chinese} {
			if x, err := Of(l, text); err != nil {
				t.Fatal(err)
			} else if x != nil {
				for _, m := range x.Find(said, nil) {
					x.Find(said, &m.Place)
				}
			}
		}
	})
}

func FuzzFind(f *testing.F) {
	f.Add("I lost my keys again", "我的钥匙又丢了")
	f.Add("{pet} {", "\xff\x00 (?P<")
	f.Fuzz(func(t *testing.T, en, zh string) {
		open(t, fact.English).Find(en, nil)
		open(t, fact.Chinese).Find(zh, nil)
	})
}

func BenchmarkFind(b *testing.B) {
	x, err := Open(fact.English)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		x.Find("I have a job interview tomorrow and I'm nervous", nil)
	}
}
