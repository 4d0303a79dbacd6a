package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"kuai/eval"
	"kuai/eval/kernels"
	benchtext "kuai/eval/text"
	"kuai/format/atomicfile"
	"kuai/par"
	"kuai/text"
)

func (a *app) benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure speed, against what this machine can do", Args: cobra.ArbitraryArgs, RunE: group}
	var quick bool
	kern := &cobra.Command{
		Use:     "kernels",
		Short:   "Measure every kernel in shares of the machine's peak",
		Example: "  kuai bench kernels --quick --json",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg := kernels.Config{Quick: quick}
			if a.terminal() {
				cfg.View = func(name string) { _, _ = fmt.Fprintf(a.Err, "\r\033[K%s", name) }
			}
			rep, err := kernels.Run(cmd.Context(), cfg)
			if cfg.View != nil {
				_, _ = fmt.Fprint(a.Err, "\r\033[K")
			}
			if err != nil {
				return err
			}
			return a.print(rep)
		},
	}
	var model string
	vid := &cobra.Command{
		Use:     "video",
		Short:   "Measure how long a clip takes and where the time goes",
		Example: "  kuai bench video --json",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := openVideo(model)
			if err != nil {
				return err
			}
			runs, name := 5, model
			if quick {
				runs = 2
			}
			if name == "" {
				name = "built-in"
			}
			rep, err := eval.BenchVideo(cmd.Context(), m, par.New(0), name, runs, defaultScale)
			if err != nil {
				return err
			}
			return a.print(rep)
		},
	}
	vid.Flags().StringVar(&model, "model", "", "directory of a video model (default: the built-in one)")
	txt := a.benchTextCommand(&quick)
	mem := a.benchMemoryCommand(&quick)
	plat := a.benchPlatformCommand(&quick)
	for _, c := range []*cobra.Command{kern, vid, txt, mem, plat} {
		c.Flags().BoolVar(&quick, "quick", false, "a sample in under 40 seconds")
	}
	cmd.AddCommand(kern, vid, txt, mem, plat)
	return cmd
}

func (a *app) benchTextCommand(quick *bool) *cobra.Command {
	var depths []int
	var out, model, weights, dir string
	threads, prompt, tokens := 0, 512, 64
	cmd := &cobra.Command{
		Use:   "text",
		Short: "Measure what a token costs at depth: hybrid, softmax twin, dense Transformer",
		Long: `Measure what a token costs at depth, for three models of random weights in
Q8_0: a hybrid of lightning and softmax attention with experts (547M), its
softmax twin (510M), and a dense multi-head Transformer of as many weights. The
cache at a depth is filled with random numbers: time does not depend on them.
Needs 1 GB of disk for the while, and 9 GB of memory at 131072 tokens.

With --model it times that model instead; --write puts the three into a directory
for other programs to time.`,
		Example: "  kuai bench text --depth 0,8192,32768,102400,131072 --plot depth.svg\n  kuai bench text --model model.gguf --prompt 512 --tokens 64",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, d := range depths {
				if d < 0 || d > benchtext.Hybrid.Context/2 {
					return usage(fmt.Errorf("--depth %d, want 0 to %d", d, benchtext.Hybrid.Context/2))
				}
			}
			if *quick && !cmd.Flags().Changed("depth") {
				depths = []int{0, 8192}
			}
			cfg := benchtext.Config{Pool: par.New(threads), Depths: depths, Quick: *quick}
			if a.terminal() {
				cfg.View = func(what string) { _, _ = fmt.Fprintf(a.Err, "\r\033[K%s", what) }
			}
			if dir != "" {
				return benchtext.WriteAll(cfg, dir)
			}
			if model != "" {
				return a.benchModel(cmd.Context(), cfg, model, text.Options{Weights: weights}, prompt, tokens)
			}
			rep, series, err := benchtext.Run(cmd.Context(), cfg)
			if cfg.View != nil {
				_, _ = fmt.Fprint(a.Err, "\r\033[K")
			}
			if err != nil {
				return err
			}
			if out != "" {
				format := strings.TrimPrefix(filepath.Ext(out), ".")
				if err := atomicfile.Write(out, func(w io.Writer) error { return benchtext.Plot(w, format, series) }); err != nil {
					return err
				}
			}
			return a.print(rep)
		},
	}
	f := cmd.Flags()
	f.IntSliceVar(&depths, "depth", []int{0, 8192, 32768, 102400, 131072}, "tokens before")
	f.StringVar(&out, "plot", "", "draw the curves into this .svg or .png")
	f.IntVar(&threads, "threads", 0, "threads (default: all cores)")
	f.StringVarP(&model, "model", "m", "", "time this model")
	f.StringVar(&weights, "weights", "", "repack its weights: f32, bf16, q8 or q4 (default: as stored)")
	f.IntVar(&prompt, "prompt", prompt, "with --model: tokens of the prompt")
	f.IntVar(&tokens, "tokens", tokens, "with --model: tokens to decode")
	f.StringVar(&dir, "write", "", "write hybrid.gguf, twin.gguf and dense.gguf into this directory")
	return cmd
}

// benchModel times one model.
func (a *app) benchModel(ctx context.Context, cfg benchtext.Config, model string, o text.Options, prompt, tokens int) error {
	if prompt < 1 || tokens < 1 {
		return usage(fmt.Errorf("--prompt %d --tokens %d, want at least 1", prompt, tokens))
	}
	path, err := a.findText(model)
	if err != nil {
		return err
	}
	rep, err := benchtext.Rates(ctx, cfg, path, o, prompt, tokens)
	if cfg.View != nil {
		_, _ = fmt.Fprint(a.Err, "\r\033[K")
	}
	if err != nil {
		return err
	}
	return a.print(rep)
}
