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
	"kuai/character/shelf"
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
	return filepath.Join(a.data, "characters", "threads", shelf.ID(character)+"--"+shelf.ID(user))
}

// converse chats with a character, which remembers.
func (a *app) converse(ctx context.Context, o *textOptions, f characterFlags) error {
	l, err := parseLanguage(f.language)
	if err != nil {
		return err
	}
	c, err := shelf.Shelf{Dir: filepath.Join(a.data, "characters", "cards")}.Card(f.name, l)
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
	talk.Sampling = o.params
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
		a.note("%s remembers %d turns. /facts shows what is known, /quit leaves.\n", c.CharName(), talk.Memory().Stats().Turns)
	}
	if hello := talk.Greeting(); hello != "" && !a.json {
		if _, err := fmt.Fprintf(a.Out, "%s\n", hello); err != nil {
			return errors.Join(err, talk.Close())
		}
	}
	return errors.Join(a.converseLines(ctx, talk, in), talk.Close())
}

func (a *app) converseLines(ctx context.Context, talk *converse.Conversation, in lineReader) error {
	for {
		line, err := in("> ")
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch line = strings.TrimSpace(line); line {
		case "":
			continue
		case "/quit":
			return nil
		case "/facts":
			for _, f := range talk.Memory().Facts(false) {
				_, _ = fmt.Fprintf(a.Out, "%s\n", fact.Line(f.Fact))
			}
			continue
		}
		show := func(piece string) { _, _ = io.WriteString(a.Out, piece) }
		if a.json {
			show = nil
		}
		r, err := talk.Say(ctx, line, show)
		if err != nil {
			return err
		}
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

// day is how memories are dated in tables.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}
