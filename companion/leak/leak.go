// Package leak measures how much of the test samples of package companion
// stands word for word in its training samples, and how varied those are.
package leak

import (
	"iter"
	"strings"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/companion/speech"
)

// gramUnits is how long the pieces are that are looked for in training: eight
// words, or twelve Chinese characters, which are about eight words.
var gramUnits = [...]int{fact.English: 8, fact.Chinese: 12}

// Report says how much of a test set stands word for word in a training set.
type Report struct {
	Language           string  `json:"language"`
	GramUnits          int     `json:"gram_units"` // words or characters
	TrainSamples       int     `json:"train_samples"`
	TestSamples        int     `json:"test_samples"`
	TestGrams          int     `json:"test_grams"`
	SharedGrams        int     `json:"shared_grams"` // of them, also in training
	Share              float64 `json:"share"`
	TestTexts          int     `json:"test_texts"`   // turns and memories of a gram or more
	SharedTexts        int     `json:"shared_texts"` // of them, whole in training
	TrainUnits         int     `json:"train_units"`
	DistinctTrigrams   int     `json:"distinct_trigrams"` // of training
	TrigramsPer100K    int     `json:"trigrams_per_100k"` // in its first 100,000 units
	DistinctVocabulary int     `json:"vocabulary"`
}

// Measure draws n samples of each split in a language and compares them. The
// companion's system lines and the line that says what day it is are fixed
// phrases, which are left out.
func Measure(l fact.Language, n int, seed uint64) Report {
	mix := companion.Usual()
	mix.Chinese = float64(l)
	k := gramUnits[l]
	out := Report{Language: [...]string{fact.English: "en", fact.Chinese: "zh"}[l], GramUnits: k, TrainSamples: n, TestSamples: n}
	grams, texts := map[string]struct{}{}, map[string]struct{}{}
	trigrams, words := map[string]struct{}{}, map[string]struct{}{}
	for units := range lineUnits(seed, companion.Train, mix, n, l) {
		for i := range units {
			words[units[i]] = struct{}{}
			if i+3 <= len(units) {
				trigrams[strings.Join(units[i:i+3], " ")] = struct{}{}
			}
			if i+k <= len(units) {
				grams[strings.Join(units[i:i+k], " ")] = struct{}{}
			}
		}
		texts[strings.Join(units, " ")] = struct{}{}
		if out.TrainUnits += len(units); out.TrainUnits <= 100_000 {
			out.TrigramsPer100K = len(trigrams)
		}
	}
	out.DistinctTrigrams, out.DistinctVocabulary = len(trigrams), len(words)
	for units := range lineUnits(seed+1, companion.Test, mix, n, l) {
		if len(units) >= k {
			out.TestTexts++
			if _, ok := texts[strings.Join(units, " ")]; ok {
				out.SharedTexts++
			}
		}
		for i := 0; i+k <= len(units); i++ {
			out.TestGrams++
			if _, ok := grams[strings.Join(units[i:i+k], " ")]; ok {
				out.SharedGrams++
			}
		}
	}
	out.Share = float64(out.SharedGrams) / float64(max(out.TestGrams, 1))
	return out
}

// lineUnits gives the words, or Chinese characters, of every line of samples.
func lineUnits(seed uint64, split companion.Split, mix companion.Mix, n int, l fact.Language) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for s := range companion.Samples(seed, split, mix) {
			if n--; n < 0 {
				return
			}
			for _, p := range s {
				if p.Role == companion.System {
					continue
				}
				for line := range strings.Lines(p.Text) {
					if strings.HasPrefix(line, "today ") || strings.HasPrefix(line, "今天 ") {
						continue
					}
					if u := speech.Units(l, line); len(u) > 0 && !yield(u) {
						return
					}
				}
			}
		}
	}
}
