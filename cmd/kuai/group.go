package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kuai/character/converse"
	groups "kuai/character/group"
	"kuai/character/memory"
	"kuai/character/tavern"
	"kuai/companion/fact"
	"kuai/format/atomicfile"
)

// groups has the users' groups.
func (a *app) groups() groups.Store { return groups.Store{Dir: a.personas().Dir} }

func (a *app) groupCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "group", Short: "Groups: several characters and you in one conversation", Args: cobra.ArbitraryArgs, RunE: group}
	user := cmd.PersistentFlags().String("user", "me", "whose")
	lang := cmd.PersistentFlags().String("language", "en", "of built-in characters: en or zh")
	list := &cobra.Command{
		Use: "list", Short: "List your groups", Args: exactArgs(0, "none"),
		RunE: func(*cobra.Command, []string) error { return a.groupList(*user) },
	}
	order := ""
	create := &cobra.Command{
		Use: "create NAME CHARACTER...", Short: "Make a group of characters", Example: `  kuai group create "Tea time" lin mo --order list
  kuai chat --group tea-time`,
		Args: cobra.MinimumNArgs(2), RunE: func(_ *cobra.Command, args []string) error {
			l, err := parseLanguage(*lang)
			if err != nil {
				return err
			}
			members, err := converse.Members(a.shelf(), args[1:], l)
			if err != nil {
				return err
			}
			g, err := a.groups().Create(*user, groups.Group{Name: args[0], Order: groups.Order(order), Members: members})
			if err != nil {
				return err
			}
			return a.groupShow(g)
		},
	}
	create.Flags().StringVar(&order, "order", string(groups.Natural), "who answers: natural (who is named, others as talkative as they are), list or manual")
	change := func(use, short string, n int, f func(g *groups.Group, l fact.Language, arg string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: exactArgs(n, "as "+use), RunE: func(_ *cobra.Command, args []string) error {
			l, err := parseLanguage(*lang)
			if err != nil {
				return err
			}
			g, err := a.groups().Get(*user, args[0])
			if err != nil {
				return err
			}
			if err := f(&g, l, args[n-1]); err != nil {
				return err
			}
			if err := a.groups().Save(*user, g); err != nil {
				return err
			}
			return a.groupShow(g)
		}}
	}
	member := func(f func(g *groups.Group, i int)) func(*groups.Group, fact.Language, string) error {
		return func(g *groups.Group, _ fact.Language, who string) error {
			i, err := g.Find(who)
			if err == nil {
				f(g, i)
			}
			return err
		}
	}
	cmd.AddCommand(list, create,
		change("show GROUP", "Show who is in a group", 1, func(*groups.Group, fact.Language, string) error { return nil }),
		change("join GROUP CHARACTER", "Let a character take part", 2, func(g *groups.Group, l fact.Language, who string) error {
			var err error
			*g, err = converse.Join(a.groups(), *user, *g, a.shelf(), who, l)
			return err
		}),
		change("leave GROUP CHARACTER", "Let a character go; what it said stays", 2, member(func(g *groups.Group, i int) { g.Members = slices.Delete(g.Members, i, i+1) })),
		change("mute GROUP CHARACTER", "Let a character be silent unless asked by name", 2, member(func(g *groups.Group, i int) { g.Members[i].Muted = true })),
		change("unmute GROUP CHARACTER", "Let a character speak again", 2, member(func(g *groups.Group, i int) { g.Members[i].Muted = false })),
		change("order GROUP ORDER", "Choose who answers: natural, list or manual", 2, func(g *groups.Group, _ fact.Language, o string) error {
			g.Order = groups.Order(o)
			return g.Check()
		}),
		a.groupDelete(user), a.groupImport(user), a.groupExport(user))
	return cmd
}

func (a *app) groupDelete(user *string) *cobra.Command {
	return &cobra.Command{
		Use: "delete GROUP", Short: "Delete a group and everything that was said in it", Args: exactArgs(1, "a group"),
		RunE: func(_ *cobra.Command, args []string) error {
			h := &converse.House{People: a.personas()}
			return h.ForgetGroup(args[0], *user)
		},
	}
}

// groupThread calls f with a group's memory.
func (a *app) groupThread(user, id string, f func(groups.Group, *memory.Thread) error) error {
	g, err := a.groups().Get(user, id)
	if err != nil {
		return err
	}
	dir, err := a.groups().Path(user, id)
	if err != nil {
		return err
	}
	r, err := converse.DailyReader()
	if err != nil {
		return err
	}
	t, err := memory.Open(dir, memory.Options{Reader: r})
	if err != nil {
		return err
	}
	return errors.Join(f(g, t), t.Close())
}

func (a *app) groupImport(user *string) *cobra.Command {
	return &cobra.Command{
		Use: "import GROUP FILE", Short: "Remember a group chat of SillyTavern (JSON lines), after what was said so far",
		Args: exactArgs(2, "a group and a file"), RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[1])
			if err != nil {
				return err
			}
			c, err := tavern.Read(f)
			if err = errors.Join(err, f.Close()); err != nil {
				return fmt.Errorf("%s: %w", args[1], err)
			}
			return a.groupThread(*user, args[0], func(g groups.Group, t *memory.Thread) error {
				for _, name := range c.Names() {
					if _, err := g.Find(name); err != nil {
						a.note("%s is not in the group: the words are remembered\n", name)
					}
				}
				c.Group = true
				n, err := tavern.Keep(cmd.Context(), t, c, time.Now())
				a.note("%d turns remembered\n", n)
				return err
			})
		},
	}
}

func (a *app) groupExport(user *string) *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use: "export GROUP", Short: "Write what was said as a group chat of SillyTavern (JSON lines), with its swipes", Args: exactArgs(1, "a group"),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.groupThread(*user, args[0], func(g groups.Group, t *memory.Thread) error {
				c, err := tavern.Take(t, *user, g.Name)
				if err != nil {
					return err
				}
				c.Group = true
				if out == "" || out == "-" {
					return tavern.Write(a.Out, c)
				}
				return atomicfile.Write(out, func(w io.Writer) error { return tavern.Write(w, c) })
			})
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file (default: standard output)")
	return cmd
}

func (a *app) groupShow(g groups.Group) error {
	if a.json {
		return json.NewEncoder(a.Out).Encode(g)
	}
	var who []string
	for _, m := range g.Members {
		if m.Muted {
			m.Name += " (muted)"
		}
		who = append(who, m.Name)
	}
	_, err := fmt.Fprintf(a.Out, "%s  %s  %s  %s\n", g.ID, g.Name, g.Order, strings.Join(who, ", "))
	return err
}

func (a *app) groupList(user string) error {
	all, broken := a.groups().List(user)
	for _, err := range broken {
		a.note("warning: %v\n", err)
	}
	if a.json {
		return json.NewEncoder(a.Out).Encode(append([]groups.Group{}, all...))
	}
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	for _, g := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d characters\n", g.ID, g.Name, g.Order, len(g.Members))
	}
	return w.Flush()
}

// findGroup is the group that the flags name, or of the characters that they
// name, made where there is none yet.
func (a *app) findGroup(f characterFlags, l fact.Language) (groups.Group, error) {
	if f.group != "" {
		return a.groups().Get(f.user, f.group)
	}
	name := strings.Join(slices.Sorted(slices.Values(f.names)), " ")
	members, err := converse.Members(a.shelf(), f.names, l)
	if err != nil {
		return groups.Group{}, err
	}
	g, err := a.groups().Create(f.user, groups.Group{Name: name, Members: members})
	if errors.Is(err, groups.ErrExists) {
		return a.groups().Get(f.user, g.ID)
	}
	return g, err
}

// converseGroup chats with several characters.
func (a *app) converseGroup(ctx context.Context, o *textOptions, f characterFlags) error {
	l, err := parseLanguage(f.language)
	if err != nil {
		return err
	}
	seats, err := a.findGroup(f, l)
	if err != nil {
		return err
	}
	dir, err := a.groups().Path(f.user, seats.ID)
	if err != nil {
		return err
	}
	s, done, err := a.openSpeaker(ctx, o)
	if err != nil {
		return err
	}
	talk, err := converse.OpenWith(dir, s, nil, l)
	if err != nil {
		return errors.Join(err, done())
	}
	err = func() error {
		if talk.Rules, err = a.rules(); err != nil {
			return err
		}
		g, err := converse.NewGroup(talk, seats, a.shelf(), l)
		if err != nil {
			return err
		}
		if err := a.be(talk, f); err != nil {
			return err
		}
		talk.Sampling = o.sampling(s)
		return a.meetGroup(ctx, g)
	}()
	return errors.Join(err, talk.Close(), done())
}

// meetGroup greets and then answers lines until the end.
func (a *app) meetGroup(ctx context.Context, g *converse.Group) error {
	for _, w := range g.Memory().Warnings() {
		a.note("warning: %s\n", w)
	}
	in, done, err := a.lines()
	if err != nil {
		return err
	}
	if done != nil {
		defer done()
		a.note("%d characters, who remember %d turns. /help shows what you can do.\n", len(g.Members), g.Memory().Stats().Turns)
	}
	if !a.json {
		for _, r := range g.Greetings() {
			if err := a.spoke(r); err != nil {
				return err
			}
		}
	}
	c := &circle{app: a, talk: g}
	return a.everyLine(in, func(line string) error { return c.line(ctx, line) })
}

// spoke shows a whole reply with its name.
func (a *app) spoke(r converse.Reply) error {
	name := ""
	if r.Who != "" {
		name = r.Who + ": "
	}
	_, err := fmt.Fprintf(a.Out, "%s%s\n", name, r.Text)
	return err
}

const groupHelp = `/say WHO      let somebody speak; /say WHO: TEXT asks one alone
/again        another reply of the one who spoke last; the others are kept
/continue     let the last reply go on
/prev /next   the replies before and after
/edit TEXT    say something else in the place of your last turn
/undo         take your last turn and the replies back
/branches /goto /checkpoint /checkpoints   as in a conversation of two
/facts        what is known
/quit         leave; everything is kept
`

// circle is a conversation of several at a terminal or a pipe.
type circle struct {
	*app
	talk *converse.Group
}

// line does what a line asks for, or says it.
func (c *circle) line(ctx context.Context, line string) error {
	command, arg, _ := strings.Cut(line, " ")
	arg = strings.TrimSpace(arg)
	var r converse.Reply
	var err error
	switch command {
	case "/quit":
		return errLeave
	case "/again":
		r, err = c.talk.Again(ctx, nil)
	case "/continue":
		r, err = c.talk.Continue(ctx, nil)
	case "/say":
		who, text, asked := strings.Cut(arg, ":")
		if asked {
			return c.all(c.talk.Say(ctx, text, []string{strings.TrimSpace(who)}, nil))
		}
		r, err = c.talk.Speak(ctx, who, nil)
	case "/edit":
		turns, e := c.talk.Memory().Last(64)
		for _, t := range slices.Backward(turns) {
			if t.Speaker == fact.User {
				return c.all(c.talk.Edit(ctx, t.ID, arg, nil))
			}
		}
		return errors.Join(e, converse.ErrNothing)
	default:
		if strings.HasPrefix(line, "/") {
			text, err := c.command(command, arg)
			if err == nil && text != "" {
				_, err = fmt.Fprintln(c.Out, strings.TrimRight(text, "\n"))
			}
			return err
		}
		return c.all(c.talk.Say(ctx, line, nil, nil))
	}
	return c.all([]converse.Reply{r}, err)
}

func (c *circle) command(name, arg string) (string, error) {
	switch name {
	case "/help":
		return groupHelp, nil
	case "/facts":
		return knownFacts(c.talk.Memory()), nil
	case "/prev":
		return c.talk.Swipe(-1)
	case "/next":
		return c.talk.Swipe(1)
	case "/undo":
		said, err := c.talk.Undo()
		return "taken back: " + said, err
	}
	return walk(c.talk.Conversation, name, arg)
}

// all shows the replies that there were, also before an error.
func (c *circle) all(replies []converse.Reply, err error) error {
	for _, r := range replies {
		if r.Text == "" {
			continue
		}
		if c.json {
			err = errors.Join(err, c.answered(r))
		} else {
			err = errors.Join(err, c.spoke(r))
		}
	}
	return err
}
