package companion

import (
	"strings"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// chatterTurns is how many turns a topic has.
const chatterTurns = 4

// chatter makes an exchange of small talk out of the grammar of chatter.txt, by
// the user first. It has 2 or 4 turns.
func (w *writer) chatter() []string {
	topic := w.rule("topics")
	n := 2 + 2*w.r.IntN(chatterTurns/2)
	out := make([]string, n)
	for i := range out {
		s := w.expand(w.rule(topic+"."+string(rune('1'+i))), 0)
		if w.anySmallTalk && w.chance(0.45) { // variety matters more to a life than sense
			if more := w.expand(w.rule(asides[w.r.IntN(2)][i]), 0); !strings.Contains(s, more) {
				s = speech.Joined(w.lang, s, more)
			}
		}
		if w.lang == fact.English {
			s = speech.Sentence(speech.Articles(s))
		}
		out[i] = s
	}
	return out
}

// asides are what may be added to a turn of a topic.
var asides = [2][chatterTurns]string{{"feel", "react", "then", "close"}, {"then", "askback", "feel", "react"}}

// rule draws an alternative of a rule.
func (w *writer) rule(name string) string {
	all := files().chatter[languageKeys[w.lang]+"."+name]
	if w.anySmallTalk {
		return all[w.r.IntN(len(all))]
	}
	return choose(w.r, w.split, all, 2*fewPhrases, func(s string) bool { return held(name+s, heldPhrases) })
}

// maxNesting is how deep rules may stand in rules.
const maxNesting = 8

// expand fills {rules} and {kinds of values} in; things of one kind are
// different within a sentence.
func (w *writer) expand(s string, depth int) string {
	if depth > maxNesting {
		return s
	}
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '{')
		if at < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:at])
		end := at + strings.IndexByte(s[at:], '}')
		name := s[at+1 : end]
		s = s[end+1:]
		var v string
		for range 10 {
			if len(files().chatter[languageKeys[w.lang]+"."+name]) > 0 {
				v = w.expand(w.rule(name), depth+1)
			} else {
				v = w.value(name)[w.lang]
			}
			if !strings.Contains(b.String(), v) {
				break
			}
		}
		if strings.HasSuffix(v, "，") || strings.HasSuffix(v, " ") {
			v = strings.TrimSpace(v)
		}
		b.WriteString(v)
	}
}
