package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"kuai/eval"
	"kuai/format/safetensors"
	"kuai/internal/report"
	"kuai/models"
	"kuai/train/clip"
	"kuai/world"
)

func (a *app) evalCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "eval", Short: "Measure how good a model is", Args: cobra.ArbitraryArgs, RunE: group}
	var model, judge, font string
	prompts, quick := 200, false
	vid := &cobra.Command{
		Use:   "video",
		Short: "Ask an independent judge what generated clips show",
		Long: `Make clips of prompts whose combination of thing, motion and scene training
never showed, half in English, half in Chinese, and ask an independent judge
what they show.`,
		Example: "  kuai eval video --json",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if quick {
				prompts = 20
			}
			return a.evalVideo(cmd.Context(), model, judge, font, prompts)
		},
	}
	f := vid.Flags()
	f.StringVar(&model, "model", "", "directory of a model (default: the built-in one)")
	f.StringVar(&judge, "judge", "", "weights of a judge (default: the built-in one)")
	f.StringVar(&font, "font", os.Getenv("KUAI_FONT"), "emoji font (environment: KUAI_FONT; default: the usual places)")
	f.IntVar(&prompts, "prompts", prompts, "how many prompts of held-out combinations")
	f.BoolVar(&quick, "quick", false, "20 prompts: a sample with the same names")
	cmd.AddCommand(vid, a.evalCompanionCommand(), a.evalReaderCommand(), a.evalMemoryCommand())
	return cmd
}

func (a *app) evalVideo(ctx context.Context, model, judge, font string, prompts int) error {
	w, err := world.Open(font)
	if err != nil {
		return err
	}
	m, err := openVideo(model)
	if err != nil {
		return err
	}
	var data []byte
	if judge == "" {
		data, err = fs.ReadFile(models.Judge(), "judge.safetensors")
	} else {
		data, err = os.ReadFile(judge)
	}
	if err != nil {
		return err
	}
	file, err := safetensors.Parse(data)
	if err != nil {
		return err
	}
	j, err := eval.OpenJudge(file)
	if err != nil {
		return err
	}
	name := model
	if name == "" {
		name = "built-in"
	}
	var view io.Writer
	if a.terminal() {
		view = a.Err
	}
	rep, err := eval.Video(ctx, eval.VideoConfig{
		Judge: j, World: w, Size: m.Size(), Prompts: prompts,
		TrainSeed: clip.LatentSeed(1), TrainClips: m.TrainClips(),
		Model: name, View: view,
	}, m, m)
	if err != nil {
		return err
	}
	return a.print(rep)
}

// print writes a report as the user asked for it.
func (a *app) print(rep *report.Report) error {
	if a.json {
		return rep.JSON(a.Out)
	}
	if err := rep.Text(a.Out); err != nil {
		return fmt.Errorf("kuai: %w", err)
	}
	return nil
}
