package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"kuai/eval"
	"kuai/eval/kernels"
	"kuai/par"
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
	for _, c := range []*cobra.Command{kern, vid} {
		c.Flags().BoolVar(&quick, "quick", false, "a sample in under 40 seconds")
	}
	cmd.AddCommand(kern, vid)
	return cmd
}
