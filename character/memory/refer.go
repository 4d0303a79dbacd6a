package memory

import (
	"slices"
	"strings"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/reader"
)

// turnsBack is how many turns before one are searched for whom a pronoun means.
const turnsBack = 8

// possessive are words before what somebody is to the user; the companion says
// your.
var possessive = map[string]bool{"my": true, "our": true, "your": true, "我": true, "你": true, "家": true}

// refer returns whom a turn's subject means that may be a pronoun: somebody whom
// the turn mentions or those before it did last; told is what those tell that
// the book does not hold yet. It reports false where nobody fits.
func (t *Thread) refer(subject string, turn Turn, told map[uint64][]fact.Fact) (string, bool) {
	if !companion.IsPronoun(subject) {
		return subject, true
	}
	if who := t.mentioned(turn, subject, nil); who != "" {
		return who, true
	}
	for id, n := turn.Parent, 0; id != 0 && n < turnsBack; n++ {
		turn, err := t.Turn(id)
		if err != nil {
			return "", false
		}
		if who := t.mentioned(turn, subject, told[id]); who != "" {
			return who, true
		}
		id = turn.Parent
	}
	return "", false
}

// mentioned is the last one of whom a turn speaks and whom a pronoun may mean,
// "" for nobody.
func (t *Thread) mentioned(turn Turn, pronoun string, told []fact.Fact) (who string) {
	units := reader.Units(turn.Text)
	for n := longestName; n > 0 && who == ""; n-- {
		for i := len(units) - n; i >= 0 && who == ""; i-- {
			s := turn.Text[units[i].From:units[i+n-1].To]
			if companion.IsPronoun(s) || strings.EqualFold(s, fact.User) {
				continue
			}
			isRole := introduced(units[:i]) && companion.IsRole(s) // a vet is none, my vet is
			if (isRole || t.book.table.knows(s)) && companion.MayMean(pronoun, t.roleOf(s)) {
				who = s
			}
		}
	}
	for _, f := range told {
		if who == "" && f.Subject != fact.User && companion.MayMean(pronoun, f.Subject) {
			who = f.Subject
		}
	}
	return who
}

// introduced says whether the words before one make somebody of it: my sister, I
// have a sister.
func introduced(before []reader.Unit) bool {
	word := func(back int) string {
		if back > len(before) {
			return ""
		}
		return before[len(before)-back].Word
	}
	switch word(1) {
	case "a", "an", "one":
		return word(2) == "have" || word(2) == "got"
	case "个", "只", "位":
		return slices.ContainsFunc([]string{word(2), word(3), word(4)}, func(s string) bool { return s == "有" || s == "养" })
	}
	return possessive[word(1)]
}

// roleOf is what somebody with a name is to the user, where that is known.
func (t *Thread) roleOf(name string) string {
	for _, f := range t.naming(name) {
		if strings.EqualFold(f.Object, name) {
			return f.Subject
		}
	}
	return name
}
