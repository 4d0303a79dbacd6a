package companion

import (
	"math/rand/v2"
	"strings"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// QuizKind is a kind of question.
type QuizKind uint8

// Kinds of questions.
const (
	QuizSingle     QuizKind = iota // a fact told once
	QuizUpdate                     // a fact that has changed: the newest counts
	QuizNever                      // what was not told
	QuizTwoHop                     // about somebody by a name that another fact gives
	QuizSeveral                    // all values of a fact, or how many
	QuizTime                       // the day of an event, or what was on a day
	QuizPreference                 // advice that a fact decides
	QuizKinds                      // how many there are
)

var kindNames = [...]string{"single", "update", "never", "two-hop", "several", "time", "preference"}

// String returns the kind's name.
func (k QuizKind) String() string { return kindNames[k] }

// Quiz is a question, the memory pack that stands before it, and what counts as
// right.
type Quiz struct {
	Kind   QuizKind
	Lang   fact.Language
	Pack   string
	Ask    string
	Answer string   // as a friend would say it
	Accept []string // all must be in a right reply, in any case; none: the reply must say that it does not know
	Stale  []string // values that were true before: none may be in a reply
}

// NewQuiz draws a question of a kind.
func NewQuiz(r *rand.Rand, split Split, lang fact.Language, kind QuizKind) Quiz {
	w := &writer{r: r, split: split, lang: lang}
	b := &packer{w: w, quoted: w.chance(0.5)}
	draw := [...]func() (string, string){
		QuizSingle: b.single, QuizUpdate: b.update, QuizNever: b.never, QuizTwoHop: b.twoHop, QuizSeveral: b.several, QuizTime: b.whenWas, QuizPreference: b.wish,
	}[kind]
	q := Quiz{Kind: kind, Lang: lang}
	q.Ask, q.Answer = draw()
	q.accept(b.facts)
	b.distract()
	now := b.latest.AddDate(0, 0, 1+w.r.IntN(300))
	q.Pack = fact.Today(lang, now) + fact.Pack(lang, b.items(false))
	return q
}

// accept derives what is right from the facts of the question.
func (q *Quiz) accept(facts []*told) {
	l := q.Lang
	switch q.Kind {
	case QuizNever:
	case QuizUpdate:
		q.Accept = []string{facts[len(facts)-1].v[l]}
		for _, f := range facts[:len(facts)-1] {
			if !strings.Contains(q.Accept[0], f.v[l]) {
				q.Stale = append(q.Stale, f.v[l])
			}
		}
	case QuizTwoHop:
		q.Accept = []string{facts[1].v[l]}
	case QuizSeveral:
		for _, f := range facts {
			q.Accept = append(q.Accept, f.v[l])
		}
	case QuizTime:
		q.Accept = []string{facts[0].v[l]}
		if d := speech.Day(l, facts[0].when); strings.Contains(q.Answer, d) {
			q.Accept = []string{d}
		}
	default:
		q.Accept = []string{facts[0].v[l]}
	}
}

// Verdict is what a reply to a quiz is worth.
type Verdict struct {
	Right  bool
	Stale  bool // says what was true before
	False  bool // claims to know what was not told
	Denied bool // says that it does not know what was told
}

// denials are what an honest reply to what was not told has in it.
var denials = [...][]string{
	fact.English: {"haven't told", "never told", "don't know", "not sure", "no idea", "haven't said", "never said", "can't remember", "don't remember", "didn't tell", "haven't mentioned", "never mentioned", "not that i know", "don't think you", "haven't talked", "haven't heard", "you haven't", "no record", "nothing about"},
	fact.Chinese: {"没告诉", "没说过", "不知道", "没跟我说", "不记得", "没提过", "没有告诉", "没有说过", "不清楚", "没讲过", "没听你说", "没聊过", "没提起"},
}

// Judge compares a reply with what is right.
func (q *Quiz) Judge(reply string) Verdict {
	reply = strings.ToLower(reply)
	in := func(all []string) bool {
		for _, s := range all {
			if strings.Contains(reply, strings.ToLower(s)) {
				return true
			}
		}
		return false
	}
	denied := in(denials[q.Lang])
	if len(q.Accept) == 0 {
		return Verdict{Right: denied, False: !denied}
	}
	v := Verdict{Right: !denied, Denied: denied, Stale: in(q.Stale)}
	for _, s := range q.Accept {
		v.Right = v.Right && strings.Contains(reply, strings.ToLower(s))
	}
	v.Right = v.Right && !v.Stale
	return v
}
