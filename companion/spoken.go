package companion

import (
	"strings"
	"sync"

	"kuai/companion/fact"
)

// handShare is the share of the turns marked by hand, one in so many, that is for
// Test, and that for Tune.
const handShare = 8

// Spoken are turns of published texts, and what they tell marked by hand: of a
// language those of a split. Most tell nothing.
func Spoken(split Split, l fact.Language) []Utterance { return byHand()["spoken"][l][split] }

// Written are turns and questions that were written for this, marked by hand: of
// a language those of a split.
func Written(split Split, l fact.Language) []Utterance { return byHand()["written"][l][split] }

var byHand = sync.OnceValue(func() map[string]*[2][3][]Utterance {
	out := map[string]*[2][3][]Utterance{}
	for _, kind := range []string{"spoken", "written"} {
		all := &[2][3][]Utterance{}
		for l, name := range languageKeys {
			for line := range strings.Lines(moreText(kind + "_" + name)) {
				text, told, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
				if !ok || strings.HasPrefix(line, "#") {
					continue
				}
				lines := strings.ReplaceAll(told, " ; ", "\n")
				u := Utterance{Lang: fact.Language(l), Text: text, Facts: fact.ParseLines(lines), Asked: fact.ParseQueries(lines)}
				split := Train
				switch {
				case held("spoken"+text, handShare):
					split = Test
				case held("tune spoken"+text, handShare):
					split = Tune
				}
				all[l][split] = append(all[l][split], u)
			}
		}
		out[kind] = all
	}
	return out
})
