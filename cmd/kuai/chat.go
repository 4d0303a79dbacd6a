package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/chzyer/readline"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"kuai/serve/chat"
	"kuai/text/prompt"
)

const chatHelp = `/help          this list
/system TEXT   what the model is told first; without TEXT, show it
/retry         another answer to the last message
/undo          take the last message and its answer back
/reset         forget everything that was said
/save FILE     keep the conversation
/load FILE     go on with one that was kept
/stats         tokens and speed
/quit          leave, as does Ctrl-D
"""            begins and ends a message of several lines
Ctrl-C stops an answer; twice, the program.
`

func (a *app) chatCommand() *cobra.Command {
	var o textOptions
	var who characterFlags
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Chat with a language model in the terminal",
		Long: `Chat with a language model. Lines are messages; those that begin with / are
commands, and /help lists them. From a pipe, each line is a message as well.

With --character the model speaks as a character that remembers what was said,
today and in a year: the built-in model, any other, or one of another server by
an address such as https://host/v1#model (its key: KUAI_UPSTREAM_KEY).`,
		Example: `  kuai chat -m model.gguf --system "You are brief."
  kuai chat --character lin --language zh
  kuai chat --character lin --persona ada -m https://host/v1#model`,
		Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd); err != nil {
				return err
			}
			if who.room && (len(who.names) != 1 || who.group != "") {
				return usage(errors.New("--room is of a chat with one --character"))
			}
			switch {
			case len(who.names) > 1 || who.group != "":
				return a.converseGroup(cmd.Context(), &o, who)
			case len(who.names) == 1:
				return a.converse(cmd.Context(), &o, who)
			}
			return a.chat(cmd.Context(), &o)
		},
	}
	o.flags(cmd.Flags())
	f := cmd.Flags()
	f.StringArrayVar(&who.names, "character", nil, "speak as a character that kuai character lists; several, as --character lin --character mo, are a group")
	f.StringVar(&who.group, "group", "", "speak as a group that kuai group lists")
	f.StringVar(&who.language, "language", "en", "of built-in characters: en or zh")
	f.StringVar(&who.user, "user", "me", "who speaks: each has a memory of their own")
	f.BoolVar(&who.room, "room", false, "the built-in model sees all that was said, in files of some hundred bytes a token, beside what is recalled")
	f.StringVar(&who.persona, "persona", "", "whom you say to be, of kuai persona list; kept for this character (none: nobody in particular)")
	return cmd
}

func (a *app) chat(ctx context.Context, o *textOptions) error {
	r, err := o.request()
	if err != nil {
		return err
	}
	l, err := a.openText(context.WithoutCancel(ctx), o)
	if err != nil {
		return err
	}
	if ctx.Err() != nil { // Ctrl-C while it was loading
		return errors.Join(context.Cause(ctx), l.Close())
	}
	in, done, err := a.lines()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	d := chat.NewDialogue(l.Talker, r)
	d.System = o.system
	c := &chatter{app: a, in: in, d: d, engine: l.Talker.Engine}
	if c.person = done != nil; c.person {
		defer done()
		conf := l.Model.Config()
		a.note("%s, %s, %d tokens of context. /help lists the commands.\n", o.model, conf.Arch, conf.Context)
	}
	return errors.Join(c.run(ctx), l.Close())
}

// errStop is Ctrl-C while a line is awaited.
var errStop = errors.New("interrupted")

// lineReader reads a line; io.EOF at the end, errStop at Ctrl-C.
type lineReader func(prompt string) (string, error)

// lines reads from a person, with editing and history, or from a pipe. done is
// nil for a pipe.
func (a *app) lines() (in lineReader, done func(), err error) {
	if f, ok := a.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) && a.terminal() {
		rl, err := readline.NewEx(&readline.Config{Stdin: f, Stdout: a.Err, Stderr: a.Err, HistoryLimit: 1000})
		if err != nil {
			return nil, nil, err
		}
		return func(prompt string) (string, error) {
			rl.SetPrompt(prompt)
			line, err := rl.Readline()
			if errors.Is(err, readline.ErrInterrupt) {
				err = errStop
			}
			return line, err
		}, func() { _ = rl.Close() }, nil // the terminal is going away
	}
	s := bufio.NewScanner(a.In)
	s.Buffer(nil, maxPrompt)
	return func(string) (string, error) {
		if s.Scan() {
			return s.Text(), nil
		}
		if err := s.Err(); err != nil {
			return "", err
		}
		return "", io.EOF
	}, nil, nil
}

// chatter is a chat at a terminal or a pipe.
type chatter struct {
	*app
	in     lineReader
	d      *chat.Dialogue
	engine *chat.Engine
	person bool
	last   *chat.Result
}

// errLeave ends the loop.
var errLeave = errors.New("leave")

// run reads lines until the end.
func (c *chatter) run(ctx context.Context) error {
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, os.Interrupt)
	defer signal.Stop(stops)
	stopped := false // Ctrl-C was the last that happened
	for {
		if ctx.Err() != nil && !c.person {
			return context.Cause(ctx)
		}
		line, err := c.message()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errStop):
			if stopped {
				return errStop
			}
			stopped = true
			c.note("Ctrl-C again, or /quit, leaves.\n")
			continue
		case err != nil:
			return err
		case strings.TrimSpace(line) == "":
			continue
		}
		halted, err := c.obey(ctx, line, stops)
		stopped = halted
		switch {
		case errors.Is(err, errLeave):
			return nil
		case err != nil && (!c.person || errors.Is(err, errStop)):
			return err
		case err != nil:
			c.complain(err)
		}
	}
}

// complain tells what went wrong and goes on.
func (c *chatter) complain(err error) {
	c.note("%v\n", err)
	if h := hint(err); h != "" && !wrongUse(err) {
		c.note("hint: %s\n", h)
	}
}

// message reads a message, of one line or several.
func (c *chatter) message() (string, error) {
	line, err := c.in("> ")
	const mark = `"""`
	rest, many := strings.CutPrefix(strings.TrimSpace(line), mark)
	if err != nil || !many {
		return line, err
	}
	var text []string
	for {
		if before, _, end := strings.Cut(rest, mark); end {
			return strings.TrimSpace(strings.Join(append(text, before), "\n")), nil
		}
		text = append(text, rest)
		if rest, err = c.in(". "); err != nil {
			if errors.Is(err, io.EOF) {
				return strings.TrimSpace(strings.Join(text, "\n")), nil
			}
			return "", err
		}
	}
}

// obey does what a line says. halted says that Ctrl-C stopped an answer.
func (c *chatter) obey(ctx context.Context, line string, stops <-chan os.Signal) (halted bool, err error) {
	if !strings.HasPrefix(line, "/") {
		return c.answer(ctx, stops, func(ctx context.Context, show func(prompt.Part)) (*chat.Result, error) {
			return c.d.Say(ctx, line, show)
		})
	}
	name, arg, _ := strings.Cut(line, " ")
	arg = strings.TrimSpace(arg)
	switch name {
	case "/help", "/?":
		c.note("%s", chatHelp)
	case "/quit", "/exit", "/bye":
		return false, errLeave
	case "/system":
		if arg != "" {
			c.d.System = arg
		}
		if c.d.System == "" {
			c.note("the model is told nothing first\n")
		} else {
			c.note("system: %s\n", c.d.System)
		}
	case "/reset", "/clear":
		c.d.Reset()
		c.note("everything that was said is forgotten\n")
	case "/undo":
		said, err := c.d.Undo()
		if err == nil {
			c.note("taken back: %s\n", said)
		}
		return false, err
	case "/retry":
		return c.answer(ctx, stops, c.d.Retry)
	case "/save", "/load":
		if arg == "" {
			return false, usage(fmt.Errorf("%s wants the name of a file", name))
		}
		resumed := true
		if name == "/save" {
			err = c.d.Save(arg)
		} else {
			resumed, err = c.d.Load(arg)
		}
		if err == nil {
			c.note("%d messages, %s\n", len(c.d.Messages), arg)
		}
		if err == nil && !resumed {
			c.note("the model reads them again with the next message\n")
		}
		return false, err
	case "/stats":
		c.stats()
	default:
		return false, usage(fmt.Errorf("there is no command %s; /help lists them", name))
	}
	return false, nil
}

// stats tells what the last answer cost and what is kept.
func (c *chatter) stats() {
	if c.last != nil {
		c.note("%v\n", usageOf(c.last.Usage))
	}
	s := c.engine.Stats()
	c.note("so far: %d answers, %d tokens read, %d reused, %d written; %.1f MB of state are kept\n",
		s.Requests, s.PromptTokens, s.ReusedTokens, s.CompletionTokens, float64(s.KeptBytes)/1e6)
}

// answer shows an answer as it comes, until it ends or Ctrl-C stops it.
func (c *chatter) answer(ctx context.Context, stops <-chan os.Signal, ask func(context.Context, func(prompt.Part)) (*chat.Result, error)) (halted bool, err error) {
	base := ctx
	if c.person { // Ctrl-C has ended ctx, but not the chat
		base = context.WithoutCancel(ctx)
	}
	select {
	case <-stops: // an old one
	default:
	}
	turn, stop := context.WithCancelCause(base)
	over := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-stops:
			stop(errStop)
		case <-over:
		}
	}()
	said := len(c.d.Messages)
	res, err := ask(turn, c.show())
	close(over)
	<-watched
	halted = errors.Is(context.Cause(turn), errStop)
	stop(nil)
	if res == nil {
		return halted, err
	}
	c.last = res
	if halted && c.person {
		err = nil
	}
	return halted, errors.Join(err, c.end(res, said))
}

// show returns what prints parts as they come: thoughts dimly, for a person.
func (c *chatter) show() func(prompt.Part) {
	if c.json {
		return nil
	}
	dim := false
	color := c.person && os.Getenv("NO_COLOR") == ""
	return func(p prompt.Part) {
		text := p.Text
		switch {
		case p.Kind == prompt.KindReasoning && !c.person:
			return
		case p.Kind == prompt.KindReasoning && !dim:
			if dim = true; color {
				text = "\x1b[2m" + text
			}
		case p.Kind != prompt.KindReasoning && dim:
			dim = false
			if color {
				text = "\x1b[0m" + text
			}
			text = "\n\n" + text
		}
		_, _ = io.WriteString(c.Out, text) // told at the end
	}
}

// chatReport is what --json prints for an answer.
type chatReport struct {
	Role      string      `json:"role"`
	Content   string      `json:"content"`
	Reasoning string      `json:"reasoning,omitempty"`
	Finish    chat.Reason `json:"finish_reason"`
	Usage     reportUsage `json:"usage"`
}

// end closes what was shown.
func (c *chatter) end(res *chat.Result, said int) error {
	if c.json {
		rep := chatReport{Role: "assistant", Finish: res.Reason, Usage: usageOf(res.Usage)}
		if n := len(c.d.Messages); n > 0 && (n > said || c.d.Messages[n-1].Role == "assistant") {
			rep.Content, rep.Reasoning = c.d.Messages[n-1].Content, c.d.Messages[n-1].Reasoning
		}
		e := json.NewEncoder(c.Out)
		e.SetEscapeHTML(false)
		return e.Encode(rep)
	}
	tail := "\n"
	if c.person && os.Getenv("NO_COLOR") == "" {
		tail = "\x1b[0m\n"
	}
	switch {
	case c.person && res.Reason == chat.Length:
		tail += "(cut off: /retry, or a higher --max-tokens or --context)\n"
	case c.person && res.Usage.Total > 10*time.Second:
		tail += fmt.Sprintf("(%v)\n", usageOf(res.Usage))
	}
	_, err := io.WriteString(c.Out, tail)
	return err
}
