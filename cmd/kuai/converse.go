package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kuai/character/converse"
	groups "kuai/character/group"
	"kuai/character/guard"
	"kuai/character/memory"
	"kuai/companion/fact"
)

// characterFlags are those of a chat with a character, or several.
type characterFlags struct {
	names                          []string
	room                           bool
	language, user, persona, group string
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
	c, err := a.shelf().Card(f.names[0], l)
	if err != nil {
		return err
	}
	s, done, err := a.openSpeaker(ctx, o)
	if err != nil {
		return err
	}
	talk, err := converse.OpenWith(a.threadDir(f.names[0], f.user), s, c, l)
	if err != nil {
		return errors.Join(err, done())
	}
	err = func() error {
		if talk.Rules, err = a.rules(); err != nil {
			return err
		}
		if err := a.be(talk, f); err != nil {
			return err
		}
		talk.Sampling = o.sampling(s)
		if f.room {
			if err := talk.KeepRoom(); errors.Is(err, converse.ErrNoRoom) {
				return usage(fmt.Errorf("--room: %w", err))
			} else if err != nil {
				return err
			}
		}
		return a.meet(ctx, talk, f.user)
	}()
	return errors.Join(err, talk.Close(), done())
}

// be chooses the persona that the flags name, "none" for none, or finds the one
// that was chosen before.
func (a *app) be(talk *converse.Conversation, f characterFlags) error {
	switch f.persona {
	case "":
		return talk.Recognise(a.personas(), f.user)
	case "none":
		return talk.Be(nil)
	}
	p, err := a.personas().Get(f.user, f.persona)
	if err != nil {
		return err
	}
	return talk.Be(&p)
}

// meet greets and then answers lines until the end.
func (a *app) meet(ctx context.Context, talk *converse.Conversation, user string) error {
	for _, w := range talk.Memory().Warnings() {
		a.note("warning: %s\n", w)
	}
	in, done, err := a.lines()
	if err != nil {
		return err
	}
	if done != nil {
		defer done()
		a.note("%s remembers %d turns. /help shows what you can do.\n", talk.Card.CharName(), talk.Memory().Stats().Turns)
	}
	if hello := talk.Greeting(); hello != "" && !a.json {
		if _, err := fmt.Fprintf(a.Out, "%s\n", hello); err != nil {
			return err
		}
	}
	t := &tete{app: a, talk: talk, user: user}
	return a.everyLine(in, func(line string) error { return t.line(ctx, line) })
}

// everyLine does what each line asks for, until the end or errLeave. What the
// one who writes can mend is told, and the chat goes on.
func (a *app) everyLine(in lineReader, do func(line string) error) error {
	for {
		line, err := in("> ")
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		err = do(line)
		switch {
		case errors.Is(err, errLeave):
			return nil
		case mendable(err):
			a.note("%v\n", err)
		case err != nil:
			return err
		}
	}
}

// mendable says whether an error of a conversation is the writer's own.
func mendable(err error) bool {
	for _, e := range []error{
		converse.ErrNothing, converse.ErrLong, converse.ErrEmpty, converse.ErrFinished, converse.ErrNotYours, converse.ErrCheckpoint,
		converse.ErrNoCheckpoint, memory.ErrNotFound, groups.ErrMember, errCommand,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// errCommand is a line with a slash that cannot be done.
var errCommand = errors.New("/help lists what you can do")

// converseHelp says what can be typed besides what is meant for the character.
const converseHelp = `/again        another reply; the others are kept
/continue     let the last reply go on
/prev /next   the replies before and after
/edit TEXT    say something else in the place of your last turn
/impersonate  what you might say next
/undo         take your last turn back: it is not remembered
/branches     the ways that the conversation took
/goto TURN    go to a turn by its number, or to a checkpoint by its name
/checkpoint NAME   give this place a name; /checkpoints lists them
/facts        what is known
/why          what the last reply was told of the past
/quit         leave; everything is kept
`

// tete is a conversation of two at a terminal or a pipe.
type tete struct {
	*app
	talk *converse.Conversation
	user string
	last converse.Reply
}

// line does what a line asks for, or says it.
func (t *tete) line(ctx context.Context, line string) error {
	show := func(piece string) { _, _ = io.WriteString(t.Out, piece) }
	if t.json {
		show = nil
	}
	command, arg, _ := strings.Cut(line, " ")
	arg = strings.TrimSpace(arg)
	var r converse.Reply
	var err error
	switch command {
	case "/quit":
		return errLeave
	case "/again":
		r, err = t.talk.Again(ctx, show)
	case "/continue":
		r, err = t.talk.Continue(ctx, show)
	case "/edit":
		r, err = t.edit(ctx, arg, show)
	case "/impersonate":
		text, err := t.talk.Impersonate(ctx, nil)
		return t.tell(text, err)
	default:
		if strings.HasPrefix(line, "/") {
			text, err := t.command(command, arg)
			return t.tell(text, err)
		}
		r, err = t.talk.Say(ctx, line, show)
	}
	if err != nil {
		return err
	}
	t.last = r
	return t.answered(r)
}

// tell shows a text of ours.
func (t *tete) tell(text string, err error) error {
	if text = strings.TrimRight(text, "\n"); err == nil && text != "" {
		_, err = fmt.Fprintln(t.Out, text)
	}
	return err
}

// answered closes what was shown of a reply.
func (a *app) answered(r converse.Reply) error {
	if !a.json {
		_, err := fmt.Fprintln(a.Out)
		return err
	}
	return json.NewEncoder(a.Out).Encode(struct {
		Who      string  `json:"who,omitempty"`
		Turn     uint64  `json:"turn,omitempty"`
		Reply    string  `json:"reply"`
		Recalled string  `json:"recalled"`
		RecallMS float64 `json:"recall_ms"`
		Seconds  float64 `json:"seconds"`
	}{r.Who, r.Turn, r.Text, r.Pack.Text, float64(r.Recall.Microseconds()) / 1000, r.Total.Seconds()})
}

// edit says something else in the place of the user's last turn.
func (t *tete) edit(ctx context.Context, text string, show func(string)) (converse.Reply, error) {
	turns, err := t.talk.Memory().Last(2)
	if err != nil {
		return converse.Reply{}, err
	}
	for _, turn := range turns {
		if turn.Speaker == fact.User {
			return t.talk.Edit(ctx, turn.ID, text, show)
		}
	}
	return converse.Reply{}, converse.ErrNothing
}

// command does what a line with a slash asks for, and returns what to show.
func (t *tete) command(name, arg string) (string, error) {
	switch name {
	case "/prev":
		return t.talk.Swipe(-1)
	case "/next":
		return t.talk.Swipe(1)
	case "/undo":
		said, err := t.talk.Undo()
		return "taken back: " + said, err
	case "/why":
		return t.last.Pack.Text, nil
	case "/help":
		return converseHelp, nil
	case "/facts":
		return knownFacts(t.talk.Memory()), nil
	}
	return walk(t.talk, name, arg)
}

func knownFacts(t *memory.Thread) string {
	var b strings.Builder
	for _, f := range t.Facts(false) {
		_, _ = fmt.Fprintf(&b, "%s\n", fact.Line(f.Fact))
	}
	return b.String()
}

// walk does the commands of the tree of turns, in a conversation of two or
// more.
func walk(talk *converse.Conversation, name, arg string) (string, error) {
	switch name {
	case "/branches":
		return branchList(talk)
	case "/goto":
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil {
			if id, err = talk.FindCheckpoint(arg); err != nil {
				return "", err
			}
		}
		if err := talk.GoTo(id); err != nil {
			return "", err
		}
		turns, err := talk.Memory().Last(2)
		var b strings.Builder
		for _, t := range turns {
			_, _ = fmt.Fprintf(&b, "%d  %s: %s\n", t.ID, t.Speaker, t.Text)
		}
		return b.String(), err
	case "/checkpoint":
		return "", talk.Checkpoint(arg, 0)
	case "/checkpoints":
		all, err := talk.Checkpoints()
		var b strings.Builder
		for _, n := range sortedKeys(all) {
			_, _ = fmt.Fprintf(&b, "%d  %s\n", all[n], n)
		}
		return b.String(), err
	}
	return "", fmt.Errorf("there is no command %s; %w", name, errCommand)
}

// branchList is a table of the ways that a conversation took.
func branchList(talk *converse.Conversation) (string, error) {
	all, err := talk.Branches()
	var b strings.Builder
	for _, br := range all {
		mark, own := " ", fmt.Sprintf("%d turns from turn %d", br.Own, br.From)
		if br.Present {
			mark, own = "*", "here"
		}
		_, _ = fmt.Fprintf(&b, "%s %d  %s  %s: %s\n", mark, br.Leaf.ID, own, br.Leaf.Speaker, short(br.Leaf.Text))
	}
	return b.String(), err
}

// short is the beginning of a text, on one line.
func short(s string) string {
	const most = 60 // letters
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) <= most {
		return string(r)
	}
	return string(r[:most]) + "…"
}

// day is how memories are dated in tables.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}
