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
// example dialogues.
func (c *Card) Talk() string {
	var b strings.Builder
	b.WriteString(c.own().Talk)
	side := byte(0)
	for line := range strings.Lines(c.Examples[:min(len(c.Examples), maxText)]) {
		line = strings.TrimSpace(line)
		switch m := spoken.FindStringSubmatch(line); {
		case strings.EqualFold(line, "<START>"):
			side = 0
		case m != nil:
			who := byte('A')
			if strings.EqualFold(m[1], "user") {
				who = 'U'
			}
			switch {
			case side == 0 && who == 'A': // nobody asked
				continue
			case side == 0:
				b.WriteString("\n\n")
			default:
				b.WriteString("\n")
			}
			side = who
			b.WriteByte(who)
			b.WriteString(": " + m[2])
		case side != 0 && line != "": // it goes on
			b.WriteString(" " + line)
		}
	}
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
