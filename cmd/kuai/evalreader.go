package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kuai/character/converse"
	"kuai/companion"
	talkeval "kuai/eval/talk"
	"kuai/par"
	"kuai/reader"
)

func (a *app) evalReaderCommand() *cobra.Command {
	c := talkeval.ReadConfig{Turns: 1000, Split: companion.Test, Seed: 6}
	var model string
	trained, tuning := false, false
	cmd := &cobra.Command{
		Use:   "reader",
		Short: "Measure what a reader finds in turns: facts, questions, and about whom",
		Long: `Have turns read whose names, values and wordings training never showed, in English
and Chinese: how many of their lines are found, and how many of those written are
right.`,
		Example: "  kuai eval reader --json",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case trained && tuning:
				return usage(errors.New("--trained and --tuning are two things"))
			case trained:
				c.Split = companion.Train
			case tuning:
				c.Split = companion.Tune
			}
			return a.evalReader(cmd.Context(), model, c)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&model, "model", "m", "", "directory of a reader (default: the built-in one)")
	f.IntVar(&c.Turns, "turns", c.Turns, "turns of each language")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "which turns")
	f.BoolVar(&trained, "trained", false, "turns as training shows them: what is missing beside the others did not generalise")
	f.BoolVar(&tuning, "tuning", false, "turns in wordings that neither training nor the evaluation shows: what to choose by")
	return cmd
}

func (a *app) evalReader(ctx context.Context, model string, c talkeval.ReadConfig) error {
	m, err := converse.BuiltinReader()
	if model != "" {
		m, err = reader.Open(os.DirFS(model))
	}
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
