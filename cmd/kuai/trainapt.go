package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"kuai/character/apt"
	"kuai/character/apt/learn"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/par"
)

func (a *app) trainAptCommand() *cobra.Command {
	var t trainFlags
	var to string
	o := learn.Options{Steps: 600, Pairs: 1024, Rate: 4e-3, Lines: 3000}
	cmd := &cobra.Command{
		Use:   "apt",
		Short: "Train what finds the replies that were written for small talk",
		Long: `Train the vectors and the nets by which a character finds the situation in which
a user says nearly what was said: on ways to say the same, of the written situations and
of the characters' own. A tenth of the situations is not trained on; at the end stands
how many of their lines find another, and how many of those the right one.`,
		Example: "  kuai train apt --dir runs/apt --to models/apt",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Steps < 1 || o.Pairs < 2 || o.Lines < 1 {
				return usage(fmt.Errorf("--steps %d --pairs %d --lines %d, want at least 1, 2, 1", o.Steps, o.Pairs, o.Lines))
			}
			if to == "" {
				to = filepath.Join(t.dir, "model")
			}
			o.Dir, o.Seed, o.Every, o.View, o.Pool = t.dir, t.seed, t.every, a.Err, par.New(t.workers)
			res, err := learn.Train(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := a.trained("apt", res); err != nil {
				return err
			}
			if err := a.exported(learn.Export(t.dir, to), to); err != nil {
				return err
			}
			m, err := apt.OpenModel(os.DirFS(to))
			if err != nil {
				return err
			}
			for l := range fact.Language(2) {
				answered, right := apt.NewIndex(l, m, companion.Situations(l)).Found(t.seed, 2000, apt.Least)
				_, _ = fmt.Fprintf(a.Err, "%s: %.3f find another line, %.3f of them the right one\n", [...]string{"English", "Chinese"}[l], answered, right)
			}
			return nil
		},
	}
	t.add(cmd, filepath.Join("runs", "apt"))
	_ = cmd.Flags().MarkHidden("font")
	f := cmd.Flags()
	f.IntVar(&o.Steps, "steps", o.Steps, "steps of the vectors' training")
	f.IntVar(&o.Pairs, "pairs", o.Pairs, "pairs of each language in a step")
	f.Float64Var(&o.Rate, "rate", o.Rate, "peak learning rate of the vectors")
	f.IntVar(&o.Lines, "lines", o.Lines, "lines of each language whose comparisons the nets learn from")
	f.StringVar(&to, "to", "", "directory that the export writes (default: model in --dir)")
	return cmd
}
