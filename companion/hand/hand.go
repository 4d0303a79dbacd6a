// Package hand has four hundred questions written by hand, two hundred in
// English and two hundred in Chinese, in wordings that the grammar of package
// companion does not make: casual speech, ellipsis, slips of the keyboard. They
// show whether a model understood or only learned the grammar, and are never
// used for training.
package hand

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"time"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/internal/check"
)

//go:embed en.txt
var english string

//go:embed zh.txt
var chinese string

// Case is a question with what a memory found for it, or what was said before.
type Case struct {
	Type   string // single, update, never, twohop, count, time, preference
	Lang   fact.Language
	Now    time.Time
	Items  []fact.Item      // the memory pack
	Said   companion.Sample // the dialogue before the question, by User and Assistant
	Ask    string
	Accept []string // any of them is right; none: the reply must say that it does not know
	Stale  []string // what was true before
}

// Pack is what the memory found, as the model reads it; "" where the case is a
// dialogue.
func (c *Case) Pack() string {
	if len(c.Said) > 0 {
		return ""
	}
	return fact.Today(c.Lang, c.Now) + fact.Pack(c.Lang, c.Items)
}

// Judge compares a reply with what is right.
func (c *Case) Judge(reply string) companion.Verdict {
	var out companion.Verdict
	alternatives := c.Accept
	if len(alternatives) == 0 {
		q := companion.Quiz{Lang: c.Lang}
		return q.Judge(reply)
	}
	for _, a := range alternatives { // right by any of them
		q := companion.Quiz{Lang: c.Lang, Accept: []string{a}, Stale: c.Stale}
		v := q.Judge(reply)
		v.Right = v.Right || out.Right
		out = v
	}
	return out
}

// Cases returns the questions of a language, which the caller must not change.
func Cases(l fact.Language) []Case { return all()[l] }

var all = sync.OnceValue(func() [2][]Case {
	return [2][]Case{parse(fact.English, english), parse(fact.Chinese, chinese)}
})

// Types are the kinds of questions, as a block names them.
func Types() []string { return slices.Clone(types) }

var types = []string{"single", "update", "never", "twohop", "count", "time", "preference"}

// parse reads a file of blocks; a bad one is our own bug.
func parse(l fact.Language, text string) []Case {
	var out []Case
	for block := range strings.SplitSeq(text, "\n\n") {
		c := Case{Lang: l}
		for line := range strings.Lines(block) {
			c.line(strings.TrimSpace(line))
		}
		if c.Ask == "" && c.Type == "" {
			continue // comments
		}
		check.True(c.Ask != "" && c.Type != "" && (len(c.Accept) > 0) == (c.Type != "never"), "hand: block %q", block)
		if c.Now.IsZero() {
			c.Now = time.Date(2024, 12, 31, 0, 0, 0, 0, time.UTC)
		}
		out = append(out, c)
	}
	return out
}

func (c *Case) line(line string) {
	key, rest, _ := strings.Cut(line, " ")
	switch {
	case line == "" || key == "#":
	case key == "?":
		c.Ask = rest
	case key == "=" && rest != "-":
		c.Accept = strings.Split(rest, " / ")
	case key == "~":
		c.Stale = strings.Split(rest, " / ")
	case key == "U:":
		c.Said = append(c.Said, companion.Part{Role: companion.User, Text: rest})
	case key == "C:":
		c.Said = append(c.Said, companion.Part{Role: companion.Assistant, Text: rest})
	case key == "type":
		c.Type = rest
	case rest == "":
		for _, t := range types {
			if t == key {
				c.Type = t
			}
		}
	case key != "=":
		c.item(key, rest)
	}
}

// item is a line of the pack; the question is asked thirty days after the last.
func (c *Case) item(date, rest string) {
	when, err := time.Parse(time.DateOnly, date)
	who, text, ok := strings.Cut(rest, " ")
	speaker, known := map[string]string{"u": fact.User, "c": fact.Companion, "n": ""}[who]
	check.True(err == nil && ok && known, "hand: line %q %q", date, rest)
	c.Items = append(c.Items, fact.Item{When: when, Text: text, Speaker: speaker})
	if later := when.AddDate(0, 0, 30); later.After(c.Now) {
		c.Now = later
	}
}
