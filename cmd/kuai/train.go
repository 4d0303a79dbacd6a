package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kuai/eval"
	"kuai/format/atomicfile"
	"kuai/par"
	"kuai/train"
	"kuai/train/clip"
	"kuai/world"
)

func (a *app) trainCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "train", Short: "Train models; a training that was stopped goes on with the same command", Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(a.trainVideoCommand(), a.trainJudgeCommand(), a.trainTextCommand(), a.trainReaderCommand(), a.trainVectorsCommand(), a.trainAptCommand(), a.trainAblationsCommand(), a.trainTokenizerCommand(), a.trainPlotCommand())
	return cmd
}

// trainFlags are those of every training.
type trainFlags struct {
	dir, font string
	seed      uint64
	workers   int
	every     time.Duration
}

func (t *trainFlags) add(cmd *cobra.Command, dir string) {
	f := cmd.Flags()
	f.StringVar(&t.dir, "dir", dir, "directory of the training: checkpoints, latents, logs")
	f.StringVar(&t.font, "font", os.Getenv("KUAI_FONT"), "emoji font (environment: KUAI_FONT; default: the usual places)")
	f.Uint64Var(&t.seed, "seed", 1, "of weights and data")
	f.IntVar(&t.workers, "workers", 0, "threads (default: all cores)")
	f.DurationVar(&t.every, "every", 5*time.Minute, "time between checkpoints")
}

// stages of a video training, in order.
var stages = []string{"tokenizer", "latents", "transformer", "decoder", "export"}

func (a *app) trainVideoCommand() *cobra.Command {
	var t trainFlags
	var stage, to, from string
	size := 64
	var tokenizerSteps, transformerSteps, imageSteps, decoderSteps, clips int
	cmd := &cobra.Command{
		Use:   "video",
		Short: "Train the text-to-video model on the sticker world",
		Long: `Train the text-to-video model in five stages: the tokenizer on fresh renders,
latents of many clips, the transformer on those, the decoder alone once more with
an eye on the things, and the export for use. Without --stage they run one after
the other; what is done is not done again.`,
		Example: `  kuai train video --dir runs/video64
  kuai train video --dir runs/video64 --stage export --to model
  kuai video "a fox spins in the snow" --model model`,
		Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := world.Open(t.font)
			if err != nil {
				return err
			}
			r := clip.Stickers(size)
			override(&r.TokenizerSteps, tokenizerSteps)
			override(&r.TransformerSteps, transformerSteps)
			override(&r.TransformerImageSteps, imageSteps)
			override(&r.DecoderSteps, decoderSteps)
			override(&r.LatentClips, clips)
			o := clip.Options{Dir: t.dir, Recipe: r, World: w, Pool: par.New(t.workers), Seed: t.seed, Every: t.every, View: a.Err, Init: from}
			if to == "" {
				to = filepath.Join(t.dir, "model")
			}
			return a.trainVideo(cmd.Context(), o, stage, to)
		},
	}
	t.add(cmd, filepath.Join("runs", "video"))
	f := cmd.Flags()
	f.StringVar(&stage, "stage", "", "only this one: "+strings.Join(stages, ", "))
	f.StringVar(&to, "to", "", "directory that the export writes (default: model in --dir)")
	f.StringVar(&from, "init", "", "directory of a model that new trainings begin from, such as models/video")
	f.IntVar(&size, "size", size, "pixels on a side: 64, 96 or 128")
	f.IntVar(&tokenizerSteps, "tokenizer-steps", 0, "steps of the tokenizer (default: the recipe's)")
	f.IntVar(&transformerSteps, "transformer-steps", 0, "steps of the transformer (default: the recipe's)")
	f.IntVar(&imageSteps, "image-steps", 0, "first steps of the transformer, on single frames (default: the recipe's)")
	f.IntVar(&decoderSteps, "decoder-steps", 0, "steps of the decoder alone (default: the recipe's)")
	f.IntVar(&clips, "clips", 0, "clips to encode (default: the recipe's)")
	return cmd
}

func override(to *int, v int) {
	if v > 0 {
		*to = v
	}
}

func (a *app) trainVideo(ctx context.Context, o clip.Options, stage, to string) error {
	if o.Recipe.Size%32 != 0 || o.Recipe.Size < 32 || o.Recipe.Size > 256 {
		return usage(fmt.Errorf("--size is %d, want a multiple of 32 up to 256", o.Recipe.Size))
	}
	known := false
	for _, s := range stages {
		if stage != "" && s != stage {
			continue
		}
		known = true
		var err error
		var res train.Result
		switch s {
		case "tokenizer":
			res, err = clip.TrainTokenizer(ctx, o)
		case "latents":
			err = clip.EncodeLatents(ctx, o)
		case "transformer":
			res, err = clip.TrainTransformer(ctx, o)
		case "decoder":
			res, err = clip.TrainDecoder(ctx, o)
		case "export":
			err = clip.Export(o, to)
		}
		if err != nil {
			return err
		}
		if res.Steps > 0 {
			if err := a.trained(s, res); err != nil {
				return err
			}
		}
	}
	if !known {
		return usage(fmt.Errorf("--stage is %q, want one of %s", stage, strings.Join(stages, ", ")))
	}
	return nil
}

// trained reports a finished training.
func (a *app) trained(what string, res train.Result) error {
	if a.json {
		return json.NewEncoder(a.Out).Encode(map[string]any{
			"stage": what, "steps": res.Steps, "loss": res.Loss, "seconds": res.Trained.Seconds(), "waited": res.Waited,
		})
	}
	_, err := fmt.Fprintf(a.Out, "%s: %d steps, loss %.4f, %v of training, %.2f %% of the time spent waiting for data\n",
		what, res.Steps, res.Loss, res.Trained.Round(time.Second), 100*res.Waited)
	return err
}

func (a *app) trainJudgeCommand() *cobra.Command {
	var t trainFlags
	var to string
	steps := 1000
	cmd := &cobra.Command{
		Use:     "judge",
		Short:   "Train the judge of the video evaluation, on rendered clips alone",
		Example: "  kuai train judge --dir runs/judge --to judge.safetensors",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := world.Open(t.font)
			if err != nil {
				return err
			}
			res, err := eval.TrainJudge(cmd.Context(), train.Config{
				Dir: t.dir, Steps: steps, Pool: par.New(t.workers), Every: t.every, View: a.Err,
			}, w, t.seed)
			if err != nil {
				return err
			}
			if err := a.trained("judge", res); err != nil {
				return err
			}
			if to == "" {
				return nil
			}
			return eval.ExportJudge(t.dir, to)
		},
	}
	t.add(cmd, filepath.Join("runs", "judge"))
	cmd.Flags().IntVar(&steps, "steps", steps, "steps of 32 clips")
	cmd.Flags().StringVar(&to, "to", "", "file to write the finished judge to")
	return cmd
}

func (a *app) trainPlotCommand() *cobra.Command {
	out := "loss.svg"
	cmd := &cobra.Command{
		Use:     "plot LOG...",
		Short:   "Draw the loss curves of trainings as SVG or PNG",
		Example: "  kuai train plot runs/video/tokenizer/log.jsonl -o loss.svg",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("no log, want the log.jsonl of a training"))
			}
			format := strings.TrimPrefix(filepath.Ext(out), ".")
			if format != "svg" && format != "png" {
				return usage(fmt.Errorf("--output is %s, want .svg or .png", out))
			}
			return atomicfile.Write(out, func(f io.Writer) error { return train.Plot(f, format, args...) })
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", out, "file to write, .svg or .png")
	return cmd
}
