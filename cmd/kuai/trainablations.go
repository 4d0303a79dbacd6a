package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kuai/internal/report"
	"kuai/par"
	"kuai/train/talk"
)

func (a *app) trainAblationsCommand() *cobra.Command {
	var t trainFlags
	var texts, only []string
	x := talk.Ablations{
		Options: talk.Options{Size: "pico", Vocabulary: 4096, Tokens: 8 << 10, Rate: 4e-3},
		Budget:  5 * time.Minute, Documents: 60, Lengths: []int{256, 1024, 4096, 8192},
	}
	var names []string
	for _, v := range talk.Variants() {
		names = append(names, v.Name)
	}
	cmd := &cobra.Command{
		Use:   "ablations",
		Short: "Compare the parts of the language model's architecture at equal wall-clock",
		Long: `Train small models that differ in one part each, every one for the same time on the
same data, and measure what a byte of held-out text costs and what is recalled from
behind every window. How many steps a model gets follows from what its step costs,
which is timed in turns with the others' first.`,
		Example: "  kuai train ablations --minutes 5 --text dialogues.txt.gz --text sentences.txt.gz\n  kuai train ablations --only base,dense --json",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if x.Dense && slices.Contains(only, talk.Dense) {
				return usage(errors.New("--dense makes every variant so: --only names one of the others"))
			}
			for _, name := range only {
				if !slices.Contains(names, name) {
					return usage(fmt.Errorf("no variant %q, want some of %s", name, strings.Join(names, ", ")))
				}
			}
			x.Dir, x.Seed, x.Every, x.View, x.Pool = t.dir, t.seed, t.every, a.Err, par.New(t.workers)
			return a.trainAblations(cmd.Context(), x, texts, only)
		},
	}
	t.add(cmd, filepath.Join("runs", "ablations"))
	f := cmd.Flags()
	_ = f.MarkHidden("font")
	minutes := minutesFlag{&x.Budget}
	f.Var(&minutes, "minutes", "of each training")
	f.StringSliceVar(&only, "only", nil, "variants: "+strings.Join(names, ", "))
	f.BoolVar(&x.Dense, "dense", false, "every variant without experts, which recall sooner")
	f.StringArrayVar(&texts, "text", nil, "file of text to learn from, .gz or plain; may be given again")
	f.StringVar(&x.Size, "config", x.Size, "shape that is changed: "+strings.Join(talk.Sizes(), ", "))
	return cmd
}

func (a *app) trainAblations(ctx context.Context, x talk.Ablations, texts, only []string) error {
	var err error
	if x.Sources, x.Corpora, err = textSources(texts, ablationShare); err != nil {
		return err
	}
	variants := slices.DeleteFunc(talk.Variants(), func(v talk.Variant) bool {
		return len(only) > 0 && !slices.Contains(only, v.Name) || x.Dense && v.Name == talk.Dense
	})
	if err := os.MkdirAll(x.Dir, 0o755); err != nil {
		return err
	}
	if err := x.Share(ctx, variants); err != nil {
		return err
	}
	times, err := x.Times(ctx, variants)
	if err != nil {
		return err
	}
	rep := &report.Report{Machine: report.Machine()}
	for i, v := range variants {
		_, _ = fmt.Fprintf(a.Err, "%s: %s; a step takes %v\n", v.Name, v.What, times[i].Round(time.Millisecond))
		res, err := x.Ablate(ctx, v, times[i])
		if err != nil {
			return err
		}
		key := strings.ReplaceAll(v.Name, "-", "_") + "_"
		rep.Add(key+"weights", float64(res.Weights), "weights")
		rep.Add(key+"step_ms", float64(res.Step.Microseconds())/1e3, "ms")
		rep.Add(key+"steps", float64(res.Steps), "steps")
		rep.Add(key+"trained_s", res.Trained.Seconds(), "s")
		for _, c := range x.Corpora {
			rep.Add(key+"bits_per_byte_"+c.Name, res.Bits[c.Name], "bits")
		}
		for _, n := range x.Lengths {
			rep.Share(fmt.Sprintf("%srecall_%d", key, n), res.Recall[n].Right, res.Recall[n].Of, "of questions")
		}
	}
	return a.print(rep)
}

// ablationShare is how much of an ablation's rows without pairs is made
// conversations.
const ablationShare = 0.4

// maxMinutes is a month.
const maxMinutes = 31 * 24 * 60

// minutesFlag is a flag of minutes, whole or not.
type minutesFlag struct{ d *time.Duration }

func (m *minutesFlag) String() string { return fmt.Sprint(m.d.Minutes()) }
func (m *minutesFlag) Type() string   { return "minutes" }
func (m *minutesFlag) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0 && v <= maxMinutes) {
		return fmt.Errorf("%q is no number of minutes above 0", s)
	}
	*m.d = time.Duration(v * float64(time.Minute))
	return nil
}
