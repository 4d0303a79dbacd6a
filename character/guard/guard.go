// Package guard holds the rules that an owner sets for all characters: from
// which age they may be talked to, topics that they do not touch, and what
// somebody in distress is told. The rules look at words, in English and
// Chinese, and not at what a model makes of them: what they say holds whatever
// a card or a message says.
package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"kuai/companion/fact"
)

// Limits on a file of rules.
const (
	maxBytes  = 1 << 20
	maxTopics = 1000
	maxWords  = 10_000
	maxAge    = 150
)

// Rules are what an owner sets. The zero value has no age and no topics; words
// of distress are heard all the same.
type Rules struct {
	// MinAge, above 0, is asked for before the first turn.
	MinAge int `json:"min_age,omitempty"`
	// Blocked topics are neither spoken of nor listened to.
	Blocked []Topic `json:"blocked,omitempty"`
	// Crisis is what somebody in distress is told instead of a reply, "" for the
	// words that come with Kuai.
	Crisis Text `json:"crisis,omitzero"`
	// NoCrisis leaves distress to the model.
	NoCrisis bool `json:"no_crisis,omitempty"`
}

// Text is a message in both languages.
type Text struct {
	English string `json:"en,omitempty"`
	Chinese string `json:"zh,omitempty"`
}

func (t Text) in(l fact.Language, otherwise Text) string {
	s, o := t.English, otherwise.English
	if l == fact.Chinese {
		s, o = t.Chinese, otherwise.Chinese
	}
	if s == "" {
		return o
	}
	return s
}

// Topic is words that are not to be spoken.
type Topic struct {
	Name  string   `json:"name"`
	Words []string `json:"words"`
	Say   Text     `json:"say,omitzero"` // instead
}

var (
	usualCrisis = Text{
		English: "I'm really glad you told me, and I'm worried about you. I'm only a character in a program and can't help the way a person can. Please talk to somebody now: a friend, your doctor, or a crisis line (988 in the US and Canada, 116 123 in the UK and much of Europe; findahelpline.com for others). If you are in danger, call your emergency number.",
		Chinese: "谢谢你告诉我，我很担心你。我只是一个程序里的角色，没法像真人那样帮你。请现在就联系一个人：朋友、医生，或者心理援助热线（中国大陆 12356，香港 2389 2222，台湾 1925）。如果有危险，请马上拨打急救电话 120 或报警 110。",
	}
	usualBlocked = Text{English: "Let's talk about something else.", Chinese: "我们聊点别的吧。"}
	ageQuestion  = Text{
		English: "You have to be %d or older to talk to me. Are you? Say yes or no.",
		Chinese: "你要满%d岁才能和我聊天。你满了吗？请回答“是”或“不是”。",
	}
	tooYoung = Text{English: "Then I can't talk to you. Take care!", Chinese: "那我不能和你聊天。保重！"}

	crisis = phrases(
		"kill myself", "killing myself", "end my life", "ending my life", "take my own life", "want to die", "wanna die", "wish i was dead", "wish i were dead",
		"better off dead", "better off without me", "suicide", "suicidal", "hurt myself", "hurting myself", "harm myself", "cut myself", "cutting myself", "self harm", "no reason to live", "don't want to live", "do not want to live", "can't go on living",
		"自杀", "轻生", "不想活", "想死", "去死算了", "结束生命", "结束自己的生命", "活不下去", "活着没意思", "活着没有意义", "自残", "割腕", "伤害自己", "一了百了")
	yes = phrases("yes", "yeah", "yep", "i am", "是", "是的", "满了", "对", "嗯")
	no  = phrases("no", "not", "nope", "不", "没", "没有", "不是")
)

// Load reads a file of rules; where there is none, the zero value.
func Load(path string) (*Rules, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Rules{}, nil
	}
	if err == nil && info.Size() > maxBytes {
		err = fmt.Errorf("%d bytes, at most %d", info.Size(), maxBytes)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	var r *Rules
	if err == nil {
		r, err = Parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("guard: %s: %w", path, err)
	}
	return r, nil
}

// Parse reads rules from JSON. Unknown keys are errors: a rule that was
// misspelt would not hold.
func Parse(data []byte) (*Rules, error) {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	var r Rules
	if err := d.Decode(&r); err != nil {
		return nil, err
	}
	if r.MinAge < 0 || r.MinAge > maxAge || len(r.Blocked) > maxTopics {
		return nil, fmt.Errorf("age %d, %d topics: at most %d and %d", r.MinAge, len(r.Blocked), maxAge, maxTopics)
	}
	for i, t := range r.Blocked {
		if len(t.Words) == 0 || len(t.Words) > maxWords {
			return nil, fmt.Errorf("topic %d (%s): %d words, want 1 to %d", i, t.Name, len(t.Words), maxWords)
		}
		for _, w := range t.Words {
			if len(words(w)) == 0 {
				return nil, fmt.Errorf("topic %d (%s): %q is no word", i, t.Name, w)
			}
		}
	}
	return &r, nil
}

// Asks returns what is to be asked of a user who has not given an age, "" where
// none is wanted.
func (r *Rules) Asks(l fact.Language) string {
	if r.MinAge <= 0 {
		return ""
	}
	return fmt.Sprintf(Text{}.in(l, ageQuestion), r.MinAge)
}

// OldEnough reads the answer to Asks; say is what one who is too young is told,
// or the question once more.
func (r *Rules) OldEnough(answer string, l fact.Language) (ok bool, say string) {
	w := words(answer)
	switch {
	case r.MinAge <= 0:
		return true, ""
	case no.in(w):
		return false, Text{}.in(l, tooYoung)
	case yes.in(w):
		return true, ""
	}
	return false, r.Asks(l)
}

// Heard looks at what a user says, and returns what is said instead of a
// reply, "" where the character may answer. keep says whether the turn is to be
// remembered: distress is, a blocked topic is not.
func (r *Rules) Heard(text string, l fact.Language) (say string, keep bool) {
	w := words(text)
	if !r.NoCrisis && crisis.in(w) {
		return r.Crisis.in(l, usualCrisis), true
	}
	say = r.blocked(w, l)
	return say, say == ""
}

// Said looks at what a character is about to say, and returns what it says
// instead, "" where it may.
func (r *Rules) Said(text string, l fact.Language) string {
	if len(r.Blocked) == 0 {
		return ""
	}
	return r.blocked(words(text), l)
}

func (r *Rules) blocked(w []string, l fact.Language) string {
	for _, t := range r.Blocked {
		if phrases(t.Words...).in(w) {
			return t.Say.in(l, usualBlocked)
		}
	}
	return ""
}

// list is phrases, each as its words.
type list [][]string

func phrases(all ...string) list {
	l := make(list, len(all))
	for i, p := range all {
		l[i] = words(p)
	}
	return l
}

// in says whether one of the phrases stands in a text's words, all of its words
// in order.
func (l list) in(text []string) bool {
	for _, p := range l {
		for at := 0; at+len(p) <= len(text); at++ {
			match := true
			for i := range p {
				match = match && text[at+i] == p[i]
			}
			if match && len(p) > 0 {
				return true
			}
		}
	}
	return false
}

// words cuts a text into words in small letters, each Chinese character one of
// them. Widths, accents of presentation and signs that are not seen are folded
// away, and apostrophes are dropped, so that don’t is dont.
func words(s string) (out []string) {
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, b.String())
			b.Reset()
		}
	}
	for _, r := range norm.NFKC.String(s) {
		switch {
		case unicode.Is(unicode.Cf, r) || r == '\'' || r == '’' || r == '*':
		case unicode.Is(unicode.Han, r):
			flush()
			out = append(out, string(r))
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(unicode.ToLower(r))
		case unicode.Is(unicode.M, r):
		default:
			flush()
		}
	}
	flush()
	return out
}
