package card

import (
	"encoding/json"
	"regexp"
	"strings"
)

// own is what a card's extensions hold under kuai.
type own struct {
	About map[string]string `json:"about"`
	Voice string            `json:"voice"`
	Talk  string            `json:"talk"`
}

func (c *Card) own() own {
	var e struct {
		Kuai own `json:"kuai"`
	}
	if json.Unmarshal(c.data["extensions"], &e) != nil {
		return own{}
	}
	return e.Kuai
}

// About is what a character says of itself when it is asked for a kind of fact,
// such as "age" or "lives_in": a sentence in its own words, which the card's
// extensions hold under kuai.about. "" is nothing.
func (c *Card) About(predicate string) string { return c.own().About[predicate] }

// Voice names the small talk of a character that comes with Kuai, in which this
// one speaks (companion.Voice): kuai.voice of the extensions. "" is none.
func (c *Card) Voice() string { return c.own().Voice }

// Talk is small talk in the character's own words, as situations
// (companion.ParseSituations), with macros: kuai.talk of the extensions, and the
// example dialogues, of which each is a situation.
func (c *Card) Talk() string {
	var b strings.Builder
	b.WriteString(c.own().Talk)
	var dialogue []string // lines of U: and A: in turn, the first the user's
	end := func() {
		if len(dialogue)%2 == 1 { // nobody answers
			dialogue = dialogue[:len(dialogue)-1]
		}
		if len(dialogue) > 0 {
			b.WriteString("\n\n" + strings.Join(dialogue, "\n"))
		}
		dialogue = nil
	}
	for line := range strings.Lines(c.Examples[:min(len(c.Examples), maxText)]) {
		line = strings.TrimSpace(line)
		if strings.EqualFold(line, "<START>") {
			end()
			continue
		}
		who := byte(0)
		if m := spoken.FindStringSubmatch(line); m != nil {
			line, who = m[2], 'A'
			if strings.EqualFold(m[1], "user") {
				who = 'U'
			}
		}
		n := len(dialogue)
		switch {
		case line == "" || n == 0 && who != 'U': // nobody asked
		case n > 0 && (who == 0 || dialogue[n-1][0] == who):
			dialogue[n-1] += " " + line
		default:
			dialogue = append(dialogue, string(who)+": "+line)
		}
	}
	end()
	return strings.TrimSpace(b.String())
}

// spoken is a line of an example dialogue.
var spoken = regexp.MustCompile(`(?i)^\{\{\s*(user|char)\s*\}\}\s*[:：]\s*(\S.*)$`)

var years = regexp.MustCompile(`(?i)\b(\d{1,4})(?:[- ]years?[- ]old\b| years of age\b)|\bage[ds]?:?\s+(\d{1,4})\b|(\d{1,4})\s*岁`)

// Age is how old the description says that a character is, "" where it does not.
func (c *Card) Age() string {
	for _, text := range []string{c.Description, c.Personality, c.Scenario} {
		for _, n := range years.FindStringSubmatch(text[:min(len(text), maxScanBytes)]) {
			if n != "" && len(n) <= 4 {
				return n
			}
		}
	}
	return ""
}
