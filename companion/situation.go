package companion

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// Situation is small talk that was written as alternatives: rounds of what the
// user may say and what may be replied, with slots for what they talk of. Every
// reply of a round fits all that the user says in it.
type Situation struct {
	rounds [][2][]string
	slots  map[string][]string // of its writer, by name
}

// Situations are those that the Train split has.
func Situations(l fact.Language) []Situation { return situations()[0][l] }

// Rounds is how many there are.
func (s Situation) Rounds() int { return len(s.rounds) }

// Heard are the ways in which the user says what a round is about, with slots:
// "my {pet} is ill".
func (s Situation) Heard(round int) []string { return s.rounds[round][0] }

// Sort is that of the turns which the replies of a situation fit all, where its
// user's only line is a mark: (asks), (tells) or (bad); "" for other situations.
func (s Situation) Sort() string {
	if len(s.rounds[0][0]) > 1 {
		return ""
	}
	switch s.rounds[0][0][0] {
	case "(asks)":
		return "asks"
	case "(tells)":
		return "tells"
	case "(bad)":
		return "bad"
	}
	return ""
}

// Filled is a line with values for its slots, of which bound has some by name;
// the others are the first of their lists.
func (s Situation) Filled(line string, bound map[string]string) string {
	return slotOf.ReplaceAllStringFunc(line, func(slot string) string {
		m := slotOf.FindStringSubmatch(slot)
		v := bound[m[2]+m[3]]
		if v == "" {
			v = s.slots[m[2]][0]
		}
		if m[1] != "" {
			return speech.WithArticle(v)
		}
		return v
	})
}

// Bind adds to bound what a user's words say for the slots of a line: the longest
// value of a slot's list. It returns for how many slots nothing is said.
func (s Situation) Bind(l fact.Language, line, said string, bound map[string]string) (unbound int) {
	for _, m := range slotOf.FindAllStringSubmatch(line, -1) {
		key := m[2] + m[3]
		if bound[key] != "" {
			continue
		}
		for _, v := range s.slots[m[2]] {
			if len(v) > len(bound[key]) && says(l, said, v) && !inUse(bound, m[2], key, v) {
				bound[key] = v
			}
		}
		if bound[key] == "" {
			unbound++
		}
	}
	return unbound
}

// inUse says whether another slot of the same list has a value already.
func inUse(bound map[string]string, list, key, v string) bool {
	for _, n := range []string{"", "2", "3"} {
		if list+n != key && bound[list+n] == v {
			return true
		}
	}
	return false
}

// says tells whether words stand in a text, whole where they are of letters.
func says(l fact.Language, text, words string) bool {
	if l == fact.Chinese || !strings.Contains(strings.ToLower(text), strings.ToLower(words)) {
		return strings.Contains(text, words)
	}
	return strings.Contains(" "+strings.Join(speech.Units(l, text), " ")+" ", " "+strings.Join(speech.Units(l, words), " ")+" ")
}

// Replies are those of a round for whose slots there are values, filled.
func (s Situation) Replies(l fact.Language, round int, bound map[string]string) (out []string) {
	for _, line := range s.rounds[round][1] {
		if slices.ContainsFunc(slotOf.FindAllStringSubmatch(line, -1), func(m []string) bool { return bound[m[2]+m[3]] == "" }) {
			continue
		}
		line = s.Filled(line, bound)
		if l == fact.English {
			line = speech.Sentence(line)
		}
		out = append(out, line)
	}
	return out
}

// situations are those to learn from and those held out, by language.
var situations = sync.OnceValue(func() (out [2][2][]Situation) {
	values := heldNames()
	for l, key := range languageKeys {
		for _, s := range parseSituations(moreText("situations_"+key), values) {
			part := 0
			switch {
			case held(s.rounds[0][0][0], heldCompany):
				part = 1
			case s.names(values): // for neither
				continue
			}
			out[part][l] = append(out[part][l], s)
		}
	}
	return out
})

// Limits of situations that somebody else wrote.
const (
	maxSituationsText = 512 << 10 // bytes
	maxSituationLine  = 1 << 10   // bytes
	maxHeard          = 5000      // ways to say something, of all situations
	maxRoundHeard     = 64        // of a round
	maxSlotValues     = 1000      // of a list
	maxSlotValue      = 100       // bytes
	maxLineSlots      = 8
)

// ParseSituations reads the situations of a text: blocks with an empty line
// between, of what the user says ("U: my {pet} is ill"), ways to say it one below
// the other, and replies ("A: Poor {pet}."), any number of times; the values of
// slots stand before them ("@pet: cat; old dog"). Where the user's line is a mark
// (Sort), the replies fit any turn of a sort. What is no situation, or too
// large, is left out.
func ParseSituations(text string) (out []Situation) {
	heard := 0
	text = text[:min(len(text), maxSituationsText)]
	for _, s := range parseSituations(text, nil) {
		if s.large() {
			continue
		}
		for round := range s.rounds {
			heard += len(s.Heard(round))
		}
		if heard > maxHeard {
			break
		}
		out = append(out, s)
	}
	return out
}

// large says whether a situation costs more to compare than people write.
func (s Situation) large() bool {
	for round := range s.rounds {
		if len(s.Heard(round)) > maxRoundHeard {
			return true
		}
	}
	return slices.ContainsFunc(s.lines(), func(line string) bool {
		all := slotOf.FindAllStringSubmatch(line, -1)
		return len(line) > maxSituationLine || len(all) > maxLineSlots ||
			slices.ContainsFunc(all, func(m []string) bool {
				values := s.slots[m[2]]
				return len(values) > maxSlotValues || slices.ContainsFunc(values, func(v string) bool { return len(v) > maxSlotValue })
			})
	})
}

// parseSituations reads blocks of lines that begin with U: and A:, and slots,
// "@name: value; value", which stand before them. A line of dashes ends the slots
// of one writer. What is no situation is left out, and values that have one of
// some words.
func parseSituations(text string, without map[string]bool) (out []Situation) {
	slots := map[string][]string{}
	for _, block := range emptyLines.Split(text, -1) {
		s := Situation{slots: slots}
		side, fits := 1, true
		for line := range strings.Lines(block) {
			who, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch name, isSlot := strings.CutPrefix(who, "@"); {
			case strings.HasPrefix(who, "---"):
				slots = map[string][]string{}
				s.slots = slots
			case isSlot:
				for v := range strings.SplitSeq(text, "; ") {
					if v != "" && !hasWord(v, without) {
						slots[name] = append(slots[name], v)
					}
				}
			case who == "U":
				if side == 1 {
					s.rounds = append(s.rounds, [2][]string{})
				}
				side = 0
				s.rounds[len(s.rounds)-1][0] = append(s.rounds[len(s.rounds)-1][0], text)
			case who == "A" && len(s.rounds) > 0:
				side = 1
				s.rounds[len(s.rounds)-1][1] = append(s.rounds[len(s.rounds)-1][1], text)
			default:
				fits = false
			}
		}
		if fits && side == 1 && len(s.rounds) > 0 && s.filled() {
			out = append(out, s)
		}
	}
	return out
}

var emptyLines = regexp.MustCompile(`\r?\n[ \t]*\r?\n`)

var slotOf = regexp.MustCompile(`\{([Aa]n? )?([a-z_]+)(\d?)\}`)

// filled says whether there are enough values for every slot.
func (s Situation) filled() bool {
	for _, line := range s.lines() {
		for _, m := range slotOf.FindAllStringSubmatch(line, -1) {
			n, _ := strconv.Atoi(m[3])
			if len(s.slots[m[2]]) < max(n, 2) {
				return false
			}
		}
		if strings.ContainsAny(slotOf.ReplaceAllString(line, ""), "{}") {
			return false
		}
	}
	return true
}

// lines are all that may be said.
func (s Situation) lines() (out []string) {
	for _, r := range s.rounds {
		out = append(append(out, r[0]...), r[1]...)
	}
	return out
}

func (s Situation) names(words map[string]bool) bool {
	return slices.ContainsFunc(s.lines(), func(t string) bool { return hasWord(t, words) })
}

// hasWord says whether one of the words is in a text.
func hasWord(text string, words map[string]bool) bool {
	return slices.ContainsFunc(speech.Units(fact.English, text), func(w string) bool { return words[w] })
}

// situated draws one of some situations and what is said in it.
func (w *writer) situated(all []Situation) (c conversation) {
	s := all[w.r.IntN(len(all))]
	bound := map[string]string{}
	for _, r := range s.rounds {
		for side, lines := range r {
			line := w.fill(lines[w.r.IntN(len(lines))], s, bound)
			if side == 1 && w.lang == fact.English {
				line = speech.Sentence(line)
			}
			c.turns = append(c.turns, line)
		}
	}
	return c
}

// fill puts a value into each slot of a line: the same where a slot comes again
// in a situation, another in one with another number.
func (w *writer) fill(line string, s Situation, bound map[string]string) string {
	for _, m := range slotOf.FindAllStringSubmatch(line, -1) {
		all, key := s.slots[m[2]], m[2]+m[3]
		for n := 0; n < 64 && (bound[key] == "" || inUse(bound, m[2], key, bound[key])); n++ {
			bound[key] = all[w.r.IntN(len(all))]
		}
	}
	return s.Filled(line, bound)
}

// Drawn is a line with values drawn for its slots.
func (s Situation) Drawn(r *rand.Rand, line string) string {
	return (&writer{r: r}).fill(line, s, map[string]string{})
}

// Tuned says whether a situation is one of those that are for tuning, see Alike.
func (s Situation) Tuned() bool { return held("alike "+s.rounds[0][0][0], heldAlike) }
