package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kuai/character/converse"
	"kuai/character/memory"
	"kuai/character/tavern"
	"kuai/format/atomicfile"
)

func (a *app) memoryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "memory", Short: "What a character remembers of somebody: look, search, correct, pin, forget", Args: cobra.ArbitraryArgs, RunE: group}
	character := cmd.PersistentFlags().String("character", "lin", "whose memory")
	user := cmd.PersistentFlags().String("user", "me", "of whom")
	with := func(f func(t *memory.Thread, cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			r, err := converse.DailyReader()
			if err != nil {
				return err
			}
			t, err := memory.Open(a.threadDir(*character, *user), memory.Options{Reader: r})
			if err != nil {
				return err
			}
			for _, w := range t.Warnings() {
				a.note("warning: %s\n", w)
			}
			return errors.Join(f(t, cmd, args), t.Close())
		}
	}
	history := false
	show := &cobra.Command{
		Use: "show", Short: "List the facts, since when, and from which turn", Args: exactArgs(0, "none"),
		RunE: with(func(t *memory.Thread, _ *cobra.Command, _ []string) error { return a.memoryShow(t, history) }),
	}
	show.Flags().BoolVar(&history, "history", false, "also what is no longer so")
	most := 10
	search := &cobra.Command{
		Use: "search WORDS", Short: "Find what was said", Example: `  kuai memory search "my sister"`,
		RunE: with(func(t *memory.Thread, cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("nothing to look for"))
			}
			found, err := t.Search(cmd.Context(), strings.Join(args, " "), time.Now(), most)
			if err != nil {
				return err
			}
			if a.json {
				return json.NewEncoder(a.Out).Encode(found)
			}
			for _, r := range found {
				if _, err := fmt.Fprintf(a.Out, "%6d  %v\n", r.Turn, r); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	search.Flags().IntVarP(&most, "number", "n", most, "how many at most")
	edit := &cobra.Command{
		Use: "edit FACT VALUE", Short: "Correct a fact, by its number; the old value stays in the history", Example: "  kuai memory edit 7 Oslo",
		Args: exactArgs(2, "a fact's number and its value"),
		RunE: with(func(t *memory.Thread, _ *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usage(fmt.Errorf("%q is not a fact's number; kuai memory show lists them", args[0]))
			}
			_, err = t.EditFact(id, args[1])
			return err
		}),
	}
	turn, everything := false, false
	one := with(func(t *memory.Thread, _ *cobra.Command, args []string) error {
		id, err := strconv.ParseUint(args[0], 10, 64)
		switch {
		case err != nil:
			return usage(fmt.Errorf("%q is not a number; kuai memory show and search list them", args[0]))
		case turn:
			return t.ForgetTurn(id)
		}
		return t.ForgetFact(id)
	})
	forget := &cobra.Command{
		Use: "forget NUMBER", Short: "Forget a fact, or with --turn what was said in a turn, or everything of a user's, from the disk too",
		Example: "  kuai memory forget 7\n  kuai memory forget --turn 41\n  kuai memory forget --everything --user ada",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case everything && (len(args) > 0 || !cmd.Flags().Changed("user")):
				return usage(errors.New("--everything wants --user and no number"))
			case everything:
				return a.forgetPerson(*user)
			case len(args) == 0:
				return usage(errors.New("0 arguments, want a number"))
			}
			return one(cmd, args)
		},
	}
	forget.Flags().BoolVar(&turn, "turn", false, "a turn, with the facts that came from it")
	forget.Flags().BoolVar(&everything, "everything", false, "all conversations, groups and personas of the user that --user names")
	unpin := false
	pin := &cobra.Command{
		Use: "pin FACT", Short: "Keep a fact in the profile that a model is told each time, whatever else is known", Example: "  kuai memory pin 7\n  kuai memory pin 7 --off",
		Args: exactArgs(1, "a fact's number"),
		RunE: with(func(t *memory.Thread, _ *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usage(fmt.Errorf("%q is not a fact's number; kuai memory show lists them", args[0]))
			}
			return t.Pin(id, !unpin)
		}),
	}
	pin.Flags().BoolVar(&unpin, "off", false, "no longer")
	take := &cobra.Command{
		Use: "import FILE", Short: "Remember a chat of SillyTavern (JSON lines), after what was said so far", Example: "  kuai memory import chat.jsonl --character lin",
		Args: exactArgs(1, "a file"),
		RunE: with(func(t *memory.Thread, cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			chat, err := tavern.Read(f)
			if err = errors.Join(err, f.Close()); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			chat.Group = false // all words are this character's
			n, err := tavern.Keep(cmd.Context(), t, chat, time.Now())
			a.note("%d turns remembered\n", n)
			return err
		}),
	}
	out := ""
	export := &cobra.Command{
		Use: "export", Short: "Write what was said as a chat of SillyTavern (JSON lines), with its swipes", Example: "  kuai memory export -o chat.jsonl --character lin",
		Args: exactArgs(0, "none"),
		RunE: with(func(t *memory.Thread, _ *cobra.Command, _ []string) error {
			chat, err := tavern.Take(t, *user, *character)
			if err != nil {
				return err
			}
			if out == "" || out == "-" {
				return tavern.Write(a.Out, chat)
			}
			return atomicfile.Write(out, func(w io.Writer) error { return tavern.Write(w, chat) })
		}),
	}
	export.Flags().StringVarP(&out, "output", "o", "", "file (default: standard output)")
	cmd.AddCommand(show, search, edit, pin, forget, take, export, a.memoryBackup(user), a.memoryRestore(user))
	return cmd
}

func (a *app) memoryShow(t *memory.Thread, history bool) error {
	facts := t.Facts(history)
	if a.json {
		return json.NewEncoder(a.Out).Encode(map[string]any{"facts": facts, "turns": t.Stats().Turns})
	}
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	for _, f := range facts {
		until := ""
		if !f.To.IsZero() {
			until = "until " + day(f.To)
		}
		if f.Pinned {
			until = strings.TrimSpace("pinned " + until)
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\tsince %s\tturn %d\t%s\n", f.ID, f.Subject, f.Predicate, f.Object, day(f.From), f.Turn, until)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.Out, "%d facts, %d turns\n", len(facts), t.Stats().Turns)
	return err
}
