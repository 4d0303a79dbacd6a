package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kuai/character/converse"
	"kuai/companion"
	talkeval "kuai/eval/talk"
	"kuai/par"
	"kuai/reader"
)

func (a *app) evalReaderCommand() *cobra.Command {
	c := talkeval.ReadConfig{Turns: 1000, Seed: 6}
	var model string
	var texts []string
	var which splitFlags
	cmd := &cobra.Command{
		Use:   "reader",
		Short: "Measure what a reader finds in turns: facts, questions, and about whom",
		Long: `Have turns read whose names, values and wordings training never showed, in English
and Chinese: how many of their lines are found, and how many of those written are
right. With --text, how many of the held-out lines of texts that nobody chose or
marked are taken to tell something or to ask for it, and of those that speak of
nobody.`,
		Example: "  kuai eval reader --json\n  kuai eval reader --text dialogues.txt.gz",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if c.Split, err = which.split(); err != nil {
				return err
			}
			if c.Texts, err = openCorpora(texts); err != nil {
				return err
			}
			return a.evalReader(cmd.Context(), model, c)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&model, "model", "m", "", "directory of a reader (default: the built-in one)")
	f.IntVar(&c.Turns, "turns", c.Turns, "turns of each language")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "which turns")
	f.StringArrayVar(&texts, "text", nil, "file of text whose held-out part is read, .gz or plain; may be given again")
	which.add(f)
	return cmd
}

// splitFlags say in whose words turns and lives are.
type splitFlags struct{ trained, tuning bool }

func (s *splitFlags) add(f *pflag.FlagSet) {
	f.BoolVar(&s.trained, "trained", false, "in wordings, names and values that training shows: what is missing beside the others did not generalise")
	f.BoolVar(&s.tuning, "tuning", false, "in wordings that neither training nor the evaluation shows: what to choose by")
}

func (s *splitFlags) split() (companion.Split, error) {
	switch {
	case s.trained && s.tuning:
		return 0, usage(errors.New("--trained and --tuning are two things"))
	case s.trained:
		return companion.Train, nil
	case s.tuning:
		return companion.Tune, nil
	}
	return companion.Test, nil
}

func (a *app) evalReader(ctx context.Context, model string, c talkeval.ReadConfig) error {
	m, err := openReader(model)
	if err != nil {
		return err
	}
	pool := par.New(0)
	defer pool.Close()
	rep, err := talkeval.Read(ctx, m, pool, c)
	if err != nil {
		return fmt.Errorf("reader: %w", err)
	}
	rep.Model = "models/reader"
	if model != "" {
		rep.Model = model
	}
	return a.print(rep)
}

// openReader opens the reader of a directory; the built-in one for "".
func openReader(dir string) (*reader.Model, error) {
	if dir == "" {
		return converse.BuiltinReader()
	}
	return reader.Open(os.DirFS(dir))
}
