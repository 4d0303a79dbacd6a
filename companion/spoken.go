package companion

import (
	"strings"
	"sync"

	"kuai/companion/fact"
)

// Shares of the spoken turns, one in so many, that are for Test and for Tune.
const spokenShare = 8

// Spoken are turns that people wrote, what they tell marked by hand: of each
// language those of a split, whichever turns of the files its hash gives it.
// Most tell nothing.
func Spoken(split Split, l fact.Language) []Utterance { return theSpoken()[l][split] }

var theSpoken = sync.OnceValue(func() (all [2][3][]Utterance) {
	for l, name := range languageKeys {
		for line := range strings.Lines(moreText("spoken_" + name)) {
			text, told, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			if !ok || strings.HasPrefix(line, "#") {
				continue
			}
			u := Utterance{Lang: fact.Language(l), Text: text, Facts: fact.ParseLines(strings.ReplaceAll(told, " ; ", "\n"))}
			split := Train
			switch {
			case held("spoken"+text, spokenShare):
				split = Test
			case held("tune spoken"+text, spokenShare):
				split = Tune
			}
			all[l][split] = append(all[l][split], u)
		}
	}
	return all
})
