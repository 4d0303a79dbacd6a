package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"kuai/par"
	"kuai/train/embed"
)

func (a *app) trainVectorsCommand() *cobra.Command {
	var t trainFlags
	var texts []string
	var to string
	o := embed.Options{Steps: 2000, Pairs: 256, Rate: 4e-3}
	export := false
	cmd := &cobra.Command{
		Use:   "vectors",
		Short: "Train the vectors by which the memory finds what is said in other words",
		Long: `Train the embedder, two tables of words and of what is smaller or larger, on pairs of
texts that belong together: made questions and what answers them, turns and replies,
sentences and their translations, the two halves of a sentence.`,
		Example: "  kuai train vectors --text dialogues.txt.gz --text pairs.tsv.gz",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Steps < 1 || o.Pairs < 1 {
				return usage(fmt.Errorf("--steps %d --pairs %d, want at least 1 of each", o.Steps, o.Pairs))
			}
			if to == "" {
				to = filepath.Join(t.dir, "model")
			}
			if export {
				return embed.Export(t.dir, to)
			}
			o.Dir, o.Seed, o.Every, o.View, o.Pool = t.dir, t.seed, t.every, a.Err, par.New(t.workers)
			var err error
			if o.Corpora, err = openCorpora(texts); err != nil {
				return err
			}
			res, err := embed.Train(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := a.trained("vectors", res); err != nil {
				return err
			}
			return a.exported(embed.Export(t.dir, to), to)
		},
	}
	t.add(cmd, filepath.Join("runs", "vectors"))
	_ = cmd.Flags().MarkHidden("font")
	f := cmd.Flags()
	f.StringArrayVar(&texts, "text", nil, "file of text to draw pairs from, .gz or plain; may be given again")
	f.IntVar(&o.Steps, "steps", o.Steps, "steps of the training")
	f.IntVar(&o.Pairs, "pairs", o.Pairs, "pairs of each source in a step")
	f.Float64Var(&o.Rate, "rate", o.Rate, "peak learning rate")
	f.StringVar(&to, "to", "", "directory that the export writes (default: model in --dir)")
	f.BoolVar(&export, "export", false, "only export the newest checkpoint")
	return cmd
}
