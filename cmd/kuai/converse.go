package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"kuai/character/converse"
	"kuai/character/guard"
	"kuai/companion/fact"
	"kuai/par"
	"kuai/text"
)

// characterFlags are those of a chat with a character.
type characterFlags struct {
	name, language, user string
}

func parseLanguage(s string) (fact.Language, error) {
	switch s {
	case "en":
		return fact.English, nil
	case "zh":
		return fact.Chinese, nil
	}
	return 0, usage(fmt.Errorf("--language is %q, want en or zh", s))
}

// threadDir is where the memory of a character and a user lies.
func (a *app) threadDir(character, user string) string {
	return converse.ThreadDir(filepath.Join(a.data, "characters", "threads"), character, user)
}

// rules are those that the owner has set for all characters.
func (a *app) rules() (*guard.Rules, error) {
	return guard.Load(filepath.Join(a.data, "characters", "rules.json"))
}

// converse chats with a character, which remembers.
func (a *app) converse(ctx context.Context, o *textOptions, f characterFlags) error {
	l, err := parseLanguage(f.language)
	if err != nil {
		return err
	}
	c, err := a.shelf().Card(f.name, l)
	if err != nil {
		return err
	}
	path, err := a.findText(o.model)
	if err != nil {
		return err
	}
	pool := par.New(o.threads)
	defer pool.Close()
	m, err := text.Open(path, text.Options{Pool: pool, Weights: o.weights, KV: o.kv})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	talk, err := converse.Open(a.threadDir(f.name, f.user), m, c, l)
	if err != nil {
		return err
	}
	if talk.Rules, err = a.rules(); err != nil {
		return errors.Join(err, talk.Close())
	}
	if o.tempered {
		talk.Sampling = o.params
	} else {
		talk.Sampling.Seed = o.params.Seed
	}
	for _, w := range talk.Memory().Warnings() {
		a.note("warning: %s\n", w)
	}
	in, done, err := a.lines()
	if err != nil {
		return errors.Join(err, talk.Close())
	}
	person := done != nil
	if person {
		defer done()
		a.note("%s remembers %d turns. /help shows what you can do.\n", c.CharName(), talk.Memory().Stats().Turns)
	}
	if hello := talk.Greeting(); hello != "" && !a.json {
		if _, err := fmt.Fprintf(a.Out, "%s\n", hello); err != nil {
			return errors.Join(err, talk.Close())
		}
	}
	return errors.Join(a.converseLines(ctx, talk, in), talk.Close())
}

// converseHelp says what can be typed besides what is meant for the character.
const converseHelp = `/again      another reply; the others are kept
/prev /next the replies before and after
/undo       take your last turn back: it is not remembered
/facts      what is known
/why        what the last reply was told of the past
/quit       leave; everything is kept
`

func (a *app) converseLines(ctx context.Context, talk *converse.Conversation, in lineReader) error {
	var last converse.Reply
	for {
		line, err := in("> ")
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		show := func(piece string) { _, _ = io.WriteString(a.Out, piece) }
		if a.json {
			show = nil
		}
		var r converse.Reply
		switch line = strings.TrimSpace(line); line {
		case "":
			continue
		case "/quit":
			return nil
		case "/again":
			r, err = talk.Again(ctx, show)
		case "/facts", "/why", "/prev", "/next", "/undo", "/help":
			text, err := command(talk, line, last)
			switch {
			case errors.Is(err, converse.ErrNothing):
				a.note("%v\n", err)
			case err != nil:
				return err
			default:
				_, _ = fmt.Fprintln(a.Out, strings.TrimSpace(text))
			}
			continue
		default:
			r, err = talk.Say(ctx, line, show)
		}
		switch {
		case errors.Is(err, converse.ErrNothing) || errors.Is(err, converse.ErrLong):
			a.note("%v\n", err)
			continue
		case err != nil:
			return err
		}
		last = r
		if a.json {
			err = json.NewEncoder(a.Out).Encode(map[string]any{
				"reply": r.Text, "recalled": r.Pack.Text, "recall_ms": float64(r.Recall.Microseconds()) / 1000, "seconds": r.Total.Seconds(),
			})
		} else {
			_, err = fmt.Fprintln(a.Out)
		}
		if err != nil {
			return err
		}
	}
}

// command does what a line with a slash asks for, and returns what to show.
func command(talk *converse.Conversation, line string, last converse.Reply) (string, error) {
	switch line {
	case "/prev":
		return talk.Swipe(-1)
	case "/next":
		return talk.Swipe(1)
	case "/undo":
		said, err := talk.Undo()
		return "taken back: " + said, err
	case "/why":
		return last.Pack.Text, nil
	case "/facts":
		var b strings.Builder
		for _, f := range talk.Memory().Facts(false) {
			_, _ = fmt.Fprintf(&b, "%s\n", fact.Line(f.Fact))
		}
		return b.String(), nil
	}
	return converseHelp, nil
}

// day is how memories are dated in tables.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}
