package main

import (
	"fmt"

	"github.com/spf13/cobra"

	memoryeval "kuai/eval/memory"
	"kuai/par"
	"kuai/text"
)

func (a *app) benchMemoryCommand(quick *bool) *cobra.Command {
	c := memoryeval.ThreadsConfig{Threads: 1000, Opens: 1000, Most: 8_000_000, Turns: 40, Seed: 1}
	model := ""
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "Measure a thousand threads on this machine, and what a turn costs after millions of characters",
		Long: `Keep a thousand conversations, each with eight thousand characters behind it: what
one takes that rests, what one takes that is in use, how fast they open. Then speak
in threads of 8 thousand to 8 million characters, in English and Chinese: a turn's
time relative to the shortest, and the disk.`,
		Example: "  kuai bench memory --quick --json",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if *quick {
				c.Most, c.Turns, c.Opens = min(c.Most, 80_000), 5, 100
			}
			if a.terminal() {
				c.View = func(what string) { _, _ = fmt.Fprintf(a.Err, "\r\033[K%s", what) }
			}
			path, err := a.findText(model)
			if err != nil {
				return err
			}
			pool := par.New(0)
			defer pool.Close()
			m, err := text.Open(path, text.Options{Pool: pool})
			if err != nil {
				return err
			}
			defer func() { _ = m.Close() }()
			c.Model = m
			rep, err := memoryeval.Threads(cmd.Context(), c)
			if err != nil {
				return err
			}
			rep.Model = modelName(model)
			return a.printAfterView(rep)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&model, "model", "m", builtinText, "directory of a model of the kuai architecture")
	f.IntVar(&c.Threads, "threads", c.Threads, "alive at once")
	f.IntVar(&c.Most, "characters", c.Most, "of the longest threads: 8000, 80000, 800000 or 8000000")
	f.IntVar(&c.Turns, "turns", c.Turns, "measured at each size and language")
	return cmd
}
