package companion

import (
	"strings"
	"unicode"

	"kuai/companion/fact"
)

// casual writes a user's turn as people type: contractions, other spellings,
// small letters, no full stop, a slip now and then. Values keep their letters,
// apart from capitals in questions.
func (w *writer) casual(s string, question bool) string {
	if w.lang == fact.Chinese {
		if w.chance(0.12) {
			s = strings.TrimRight(s, "。？")
		}
		return s
	}
	if w.chance(0.6) {
		s = contract(s)
	}
	if w.chance(0.15) {
		s = spellings.Replace(s)
	}
	switch {
	case question && w.chance(0.12):
		s = strings.ToLower(s)
	case w.chance(0.06) && (strings.HasPrefix(s, "I ") || strings.HasPrefix(s, "I'") || strings.HasPrefix(s, "My ") || question):
		s = strings.ToLower(s[:1]) + s[1:]
	}
	if w.chance(0.1) && strings.Count(s, ".")+strings.Count(s, "?") == 1 {
		s = strings.TrimRight(s, ".?")
	}
	if question && w.chance(0.04) {
		s = slips.Replace(s)
	}
	return s
}

var spellings = strings.NewReplacer("favorite", "favourite", " color?", " colour?", " color ", " colour ", "What is", "What's", "Where is", "Where's", "When is", "When's",
	"Who is", "Who's")

var slips = strings.NewReplacer("favorite", "favorit", "remember", "remeber", "birthday", "brithday", "which", "wich", "because", "becuase",
	"does", "dose", "where", "wehre", "called", "caled", "again", "agian", "What", "Waht", "again?", "agian?")

// contract shortens "I am" where a sentence or what follows a lead begins:
// elsewhere it may stand at an end, "how old I am".
func contract(s string) string {
	var b strings.Builder
	begin := true
	for i := 0; i < len(s); {
		done := false
		for _, p := range [...][2]string{{"I am ", "I'm "}, {"You are ", "You're "}, {"you are ", "you're "}, {"I have been ", "I've been "}, {"You have been ", "You've been "}} {
			if begin && strings.HasPrefix(s[i:], p[0]) {
				b.WriteString(p[1])
				i += len(p[0])
				done, begin = true, false
				break
			}
		}
		if done {
			continue
		}
		c := s[i]
		b.WriteByte(c)
		i++
		switch {
		case strings.IndexByte(".!?:,", c) >= 0:
			begin = true
		case c != ' ' && !unicode.IsPunct(rune(c)):
			begin = false
		}
	}
	return b.String()
}
