package memory

import (
	"strings"
	"testing"

	"kuai/companion/fact"
)

// TestHeed checks what is kept of turns in the order of a conversation, beside
// what a reader says of them.
func TestHeed(t *testing.T) {
	t.Parallel()
	told := []struct{ text, read, known string }{
		{"I live in Porto and I work as a nurse.", "user | lives_in | Porto\nuser | works_as | nurse", "user lives_in Porto, user works_as nurse"},
		{"Do I live in Oslo?", "user | lives_in | Oslo", "user lives_in Porto, user works_as nurse"},
		{"do I live in Oslo", "user | lives_in | Oslo", "user lives_in Porto, user works_as nurse"},
		{"Did you know I collect maps? Is that odd?", "user | collects | maps", "user lives_in Porto, user works_as nurse, user collects maps"},
		{"Sorry, I meant stamps.", "user | speaks | stamps", "user lives_in Porto, user works_as nurse, user collects stamps"},
		{"I don't live in Porto any more.", "user | lives_in | Porto", "user works_as nurse, user collects stamps"},
		{"I have a sister. Her name is Mira.", "user | has_pet | sister", "user works_as nurse, user collects stamps, sister name Mira"},
		{"Is my sister called Vera?", "sister | name | Vera", "user works_as nurse, user collects stamps, sister name Mira"},
		{"Where does my brother Tom live?", "brother | name | Tom", "user works_as nurse, user collects stamps, sister name Mira, brother name Tom"},
		{"My job? I work as a cook now.", "user | works_as | cook", "user collects stamps, sister name Mira, brother name Tom, user works_as cook"},
		{"Not cook, baker.", "", "user collects stamps, sister name Mira, brother name Tom, user works_as baker"},
		{"Where I work? It is so: I cook.", "user | cooked | so", "user collects stamps, sister name Mira, brother name Tom, user works_as baker"},
		{"No, it's fine.", "", "user collects stamps, sister name Mira, brother name Tom, user works_as baker"},
		{"Do you know Lakto? My brother is its cook.", "brother | works_at | Lakto", "user collects stamps, sister name Mira, brother name Tom, user works_as baker, brother works_at Lakto"},
		{"Violin? I play it every day.", "user | plays | violin", "user collects stamps, sister name Mira, brother name Tom, user works_as baker, brother works_at Lakto, user plays violin"},
		{"We have two cats, Milo and Luna.", "cats | pet_name | Milo\ncats | pet_name | Luna\nuser | has_pet | cats", "user collects stamps, sister name Mira, brother name Tom, user works_as baker, brother works_at Lakto, user plays violin, cat pet_name Milo, cat pet_name Luna, user has_pet cats"},
		{"My piano teacher is called Jana.", "user | learns | Jana", "user collects stamps, sister name Mira, brother name Tom, user works_as baker, brother works_at Lakto, user plays violin, cat pet_name Milo, cat pet_name Luna, user has_pet cats, piano teacher name Jana"},
	}
	chinese := []struct{ text, read, known string }{
		{"我住在成都。", "user | lives_in | 成都", "user lives_in 成都"},
		{"我姐姐住在北京吗？", "姐姐 | lives_in | 北京", "user lives_in 成都"},
		{"我有个姐姐叫小芸，她住在杭州。", "user | name | 小芸\nuser | lives_in | 杭州", "user lives_in 成都, 姐姐 name 小芸, 姐姐 lives_in 杭州"},
		{"我养了一只狗，叫饼干。", "user | has_pet | 狗\nuser | pet_name | 饼干", "user lives_in 成都, 姐姐 name 小芸, 姐姐 lives_in 杭州, user has_pet 狗, 狗 pet_name 饼干"},
		{"我不住在成都了。", "user | lives_in | 成", "姐姐 name 小芸, 姐姐 lives_in 杭州, user has_pet 狗, 狗 pet_name 饼干"},
		{"我叫周明。", "user | name | 周明", "姐姐 name 小芸, 姐姐 lives_in 杭州, user has_pet 狗, 狗 pet_name 饼干, user name 周明"},
		{"我弟弟小强是飞行员。", "弟弟 | works_as | 飞行员", "姐姐 name 小芸, 姐姐 lives_in 杭州, user has_pet 狗, 狗 pet_name 饼干, user name 周明, 弟弟 works_as 飞行员, 弟弟 name 小强"},
		{"我叫周明。", "user | name | 周明", "姐姐 name 小芸, 姐姐 lives_in 杭州, user has_pet 狗, 狗 pet_name 饼干, 弟弟 works_as 飞行员, 弟弟 name 小强, user name 周明"},
		{"不对，我是说周鸣。", "", "姐姐 name 小芸, 姐姐 lives_in 杭州, user has_pet 狗, 狗 pet_name 饼干, 弟弟 works_as 飞行员, 弟弟 name 小强, user name 周鸣"},
	}
	for name, turns := range map[string][]struct{ text, read, known string }{"en": told, "zh": chinese} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			says := map[string]string{}
			for _, x := range turns {
				says[x.text] = x.read
			}
			th := openWith(t, t.TempDir(), &lines{says, map[string]int{}})
			defer func() { _ = th.Close() }()
			for _, x := range turns {
				say(t, th, x.text, "I see.")
				var known []string
				for _, f := range th.Facts(false) {
					known = append(known, f.Subject+" "+f.Predicate+" "+f.Object)
				}
				if got := strings.Join(known, ", "); got != x.known {
					t.Errorf("%q: %s\n\twant %s", x.text, got, x.known)
				}
			}
		})
	}
}

// TestLiking checks what is liked and what is not, by the words before it.
func TestLiking(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"My aunt is so tired of comics.", "likes", "dislikes"},
		{"She isn't tired of comics yet.", "likes", "likes"},
		{"My mother derives great pleasure from comics.", "dislikes", "likes"},
		{"I don't love comics.", "dislikes", "dislikes"},
		{"He can't bear comics.", "likes", "dislikes"},
		{"Some hate it, but I am fond of comics.", "dislikes", "likes"},
		{"I collect comics.", "likes", "likes"},
	} {
		if got := liking(c[0], fact.Fact{Predicate: c[1], Object: "comics"}); got != c[2] {
			t.Errorf("%q: %s, want %s", c[0], got, c[2])
		}
	}
}

// TestGoesBy checks who is called what in other words than "is called".
func TestGoesBy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Ever since kindergarten my aunt has gone by Wren.":   "aunt name Wren",
		"My adopted son was christened Lotte in a chapel.":    "adopted son name Lotte",
		"Lotte? Oh, that's just my aunt.":                     "aunt name Lotte",
		"Gitra? Yes, that's my colleague's snail, the thief.": "colleague's snail pet_name Gitra",
		"Yes, that's my aunt.":                                "",
	} {
		var got []string
		for _, f := range ofWhom(text, nil) {
			got = append(got, f.Subject+" "+f.Predicate+" "+f.Object)
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("%q: %q, want %q", text, g, want)
		}
	}
}

// TestOnlyTold checks what is told beside what is asked.
func TestOnlyTold(t *testing.T) {
	t.Parallel()
	trip := []fact.Fact{{Subject: fact.User, Predicate: "trip", Object: "Oslo"}}
	for text, want := range map[string]int{
		"Just between us: who was in Oslo today? I!": 1,
		"By the way, Oslo? I was there.":             1,
		"听我说，Oslo？我今天刚去过呀":                           1,
		"Who was in Oslo today? I forgot.":           0,
		"Was I in Oslo today?":                       0,
	} {
		if got := onlyTold(text, trip); len(got) != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Where do I live? And how old am I?":    "?Where do I live?|?And how old am I?",
		"I live at St. Anne. Do you know that?": ".I live at St.|.Anne.|?Do you know that?",
		"where does mira live":                  "?where does mira live",
		"I met Ann... What a day!":              ".I met Ann...|.What a day!",
		"What I like most is tea":               ".What I like most is tea",
		"When I say Ann, I mean my aunt.":       ".When I say Ann, I mean my aunt.",
		"which of the four does my aunt like":   "?which of the four does my aunt like",
		"what's my job":                         "?what's my job",
		"我姑姑名字叫阿米尔，挺好听的吧？":                      ".我姑姑名字叫阿米尔，挺好听的吧？",
		"I paid 3.50 today":                     ".I paid 3.50 today",
		"Did I tell you that I moved?":          ".Did I tell you that I moved?",
		"Did I tell you where Mira lives?":      "?Did I tell you where Mira lives?",
		"我姐姐住哪儿？我是做什么的？":                        "?我姐姐住哪儿？|?我是做什么的？",
		"你知道吗，我搬家了。小芸住在杭州吗":                     ".你知道吗，我搬家了。|?小芸住在杭州吗",
		"\xff? ":                "?\xff?",
		"You live here, right?": ".You live here, right?",
		"I like tea":            ".I like tea",
		"Where does Mira live and what's my job?": "?Where does Mira live?|?what's my job?",
		"And what's my job?":                      "?And what's my job?",
		"Don't throw out stamps, I collect them.": ".Don't throw out stamps, I collect them.",
		"Have a guess":                            ".Have a guess", "do you know Mira": "?do you know Mira", "Does Mira live here": "?Does Mira live here",
		"": "",
	} {
		var got []string
		for _, s := range Sentences(in) {
			mark := "."
			if s.Asks {
				mark = "?"
			}
			got = append(got, mark+s.Text)
		}
		if g := strings.Join(got, "|"); g != want {
			t.Errorf("%q: %q, want %q", in, g, want)
		}
	}
}

func FuzzHeed(f *testing.F) {
	for _, s := range []string{"Does Mira live in Oslo?", "No, I meant blue.", "我有个姐姐叫小芸，她住在杭州。", "I don't live in Oslo.", "\xff?。", "Not a, b."} {
		f.Add(s, "Oslo")
	}
	f.Fuzz(func(t *testing.T, text, object string) {
		facts := []fact.Fact{{Subject: fact.User, Predicate: "lives_in", Object: object}, {Subject: fact.User, Predicate: "name", Object: object}}
		kept := ofWhom(text, onlyTold(text, facts))
		for _, x := range kept {
			if x.Object != object && !strings.Contains(text, x.Object) {
				t.Errorf("%q tells %+v", text, x)
			}
		}
	})
}
