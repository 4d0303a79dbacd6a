package companion

import (
	"strings"

	"kuai/companion/fact"
	"kuai/companion/speech"
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
		s = speech.Contract(s)
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

var slips = strings.NewReplacer("favorite", "favorit", "remember", "remember", "birthday", "birthday", "which", "which", "because", "because",
	"does", "dose", "where", "wehre", "called", "caled", "again", "again", "What", "What", "again?", "again?")
