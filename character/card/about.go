package card

import (
	"encoding/json"
	"regexp"
)

// About is what a character says of itself when it is asked for a kind of fact,
// such as "age" or "lives_in": a sentence in its own words, which the card's
// extensions hold under kuai.about. "" is nothing.
func (c *Card) About(predicate string) string {
	var e struct {
		Kuai struct {
			About map[string]string `json:"about"`
		} `json:"kuai"`
	}
	if json.Unmarshal(c.data["extensions"], &e) != nil {
		return ""
	}
	return e.Kuai.About[predicate]
}

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
