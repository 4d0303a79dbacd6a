package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"kuai/par"
	"kuai/train/read"
)

func (a *app) trainReaderCommand() *cobra.Command {
	var t trainFlags
	var texts, average []string
	var to string
	o := read.Options{Steps: 6000, Turns: 512, Lines: 128, Rate: 4e-3}
	export := false
	cmd := &cobra.Command{
		Use:   "reader",
		Short: "Train the reader: what a turn tells, what it asks for, and about whom",
		Long: `Train the reader of turns, a small bidirectional transformer, on made turns whose
facts are known, and on guessing hidden words of texts. The memory of characters
uses it.

With --average, train nothing: write the mean of the weights of readers that were
trained from one and the same. It reads new wordings better than each of them.`,
		Example: `  kuai train reader --text dialogues.txt.gz --text sentences.txt.gz
  kuai train reader --average runs/one/model --average runs/two/model --to runs/both`,
		Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Turns < 1 || o.Lines < 0 || o.Steps < 1 {
				return usage(fmt.Errorf("--turns %d --lines %d --steps %d, want at least 1, 0 and 1", o.Turns, o.Lines, o.Steps))
			}
			if !(o.Dropout >= 0 && o.Dropout < 1) {
				return usage(fmt.Errorf("--dropout %v, want a share from 0 to 1, 1 excluded", o.Dropout))
			}
			if len(average) == 1 {
				return usage(errors.New("--average is given once; one reader is its own average"))
			}
			if to == "" {
				to = filepath.Join(t.dir, "model")
			}
			switch {
			case len(average) > 0:
				return a.exported(read.Average(average, to), to)
			case export:
				return read.Export(t.dir, to)
			}
			o.Dir, o.Seed, o.Every, o.View, o.Pool = t.dir, t.seed, t.every, a.Err, par.New(t.workers)
			var err error
			if o.Corpora, err = openCorpora(texts); err != nil {
				return err
			}
			res, err := read.Train(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := a.trained("reader", res); err != nil {
				return err
			}
			return a.exported(read.Export(t.dir, to), to)
		},
	}
	t.add(cmd, filepath.Join("runs", "reader"))
	_ = cmd.Flags().MarkHidden("font")
	f := cmd.Flags()
	f.StringArrayVar(&texts, "text", nil, "file of text whose hidden words are guessed, .gz or plain; may be given again")
	f.IntVar(&o.Steps, "steps", o.Steps, "steps of the training")
	f.IntVar(&o.Turns, "turns", o.Turns, "turns of a step")
	f.IntVar(&o.Lines, "lines", o.Lines, "lines of the texts in a step")
	f.Float64Var(&o.Rate, "rate", o.Rate, "peak learning rate")
	f.Float64Var(&o.Dropout, "dropout", o.Dropout, "share of the values between layers that is dropped, so that nothing hangs on one")
	f.StringVar(&o.Init, "init", "", "directory of a training, or of a reader, that a new one begins from")
	f.StringVar(&to, "to", "", "directory that the export writes (default: model in --dir)")
	f.StringArrayVar(&average, "average", nil, "directory of a reader of which only the average with the others is written; given at least twice")
	f.BoolVar(&export, "export", false, "only export the newest checkpoint")
	return cmd
}
