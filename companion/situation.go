package companion

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// situation is small talk that was written as alternatives: rounds of what the
// user may say and what may be replied, with slots for what they talk of. Every
// reply of a round fits all that the user says in it.
type situation struct {
	rounds [][2][]string
	slots  map[string][]string // of its writer, by name
}

// situations are those to learn from and those held out, by language.
var situations = sync.OnceValue(func() (out [2][2][]situation) {
	values := heldNames()
	for l, key := range languageKeys {
		for _, s := range parseSituations(moreText("situations_" + key)) {
			part := 0
			switch {
			case held(s.rounds[0][0][0], heldCompany):
				part = 1
			case s.names(values): // for neither
				continue
			}
			for name, all := range s.slots {
				s.slots[name] = slices.DeleteFunc(all, func(v string) bool { return hasWord(v, values) })
			}
			out[part][l] = append(out[part][l], s)
		}
	}
	return out
})

// parseSituations reads blocks of lines that begin with U: and A:, and slots,
// "@name: value; value", which stand before them. A line of dashes ends the slots
// of one writer. What is no situation is left out.
func parseSituations(text string) (out []situation) {
	slots := map[string][]string{}
	for block := range strings.SplitSeq(text, "\n\n") {
		s := situation{slots: slots}
		side, fits := 1, true
		for line := range strings.Lines(block) {
			who, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch name, isSlot := strings.CutPrefix(who, "@"); {
			case strings.HasPrefix(who, "---"):
				slots = map[string][]string{}
				s.slots = slots
			case isSlot:
				slots[name] = append(slots[name], strings.Split(text, "; ")...)
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

var slotOf = regexp.MustCompile(`\{(an? )?([a-z_]+)(\d?)\}`)

// filled says whether there are enough values for every slot.
func (s situation) filled() bool {
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
func (s situation) lines() (out []string) {
	for _, r := range s.rounds {
		out = append(append(out, r[0]...), r[1]...)
	}
	return out
}

func (s situation) names(words map[string]bool) bool {
	return slices.ContainsFunc(s.lines(), func(t string) bool { return hasWord(t, words) })
}

// hasWord says whether one of the words is in a text.
func hasWord(text string, words map[string]bool) bool {
	return slices.ContainsFunc(speech.Units(fact.English, text), func(w string) bool { return words[w] })
}

// situated draws a situation and what is said in it.
func (w *writer) situated() (c conversation, ok bool) {
	all := situations()[heldIn(w.split)][w.lang]
	if len(all) == 0 {
		return c, false
	}
	s := all[w.r.IntN(len(all))]
	taken := map[string]string{}
	for _, r := range s.rounds {
		for side, lines := range r {
			line := w.fill(lines[w.r.IntN(len(lines))], s.slots, taken)
			if side == 1 && w.lang == fact.English {
				line = speech.Sentence(line)
			}
			c.turns = append(c.turns, line)
		}
	}
	return c, true
}

// fill puts a value into each slot of a line: the same where a slot comes again
// in a situation, another in one with another number.
func (w *writer) fill(line string, slots map[string][]string, taken map[string]string) string {
	return slotOf.ReplaceAllStringFunc(line, func(slot string) string {
		m := slotOf.FindStringSubmatch(slot)
		key := m[2] + m[3]
		if taken[key] == "" {
			for range 64 {
				v := slots[m[2]][w.r.IntN(len(slots[m[2]]))]
				taken[key] = v
				if !slices.ContainsFunc([]string{"", "2", "3"}, func(n string) bool { return n != m[3] && taken[m[2]+n] == v }) {
					break
				}
			}
		}
		if m[1] != "" {
			return speech.WithArticle(taken[key])
		}
		return taken[key]
	})
}
