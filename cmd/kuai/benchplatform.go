package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kuai/api/load"
)

// maxBenchEach bounds a measurement of the platform.
const maxBenchEach = time.Hour

func (a *app) benchPlatformCommand(quick *bool) *cobra.Command {
	var each time.Duration
	cmd := &cobra.Command{
		Use:   "platform",
		Short: "Measure the server with models that cost nothing: chats, jobs, event streams",
		Long: `Start the platform in this process, with accounts, limits and the ledger on SQLite
in a temporary directory, before models that cost nothing, and measure requests
a second while 1000 event streams are open. The clients run in the same process,
over loopback, and share its cores. Memory is taken after each measurement, and
at the end the books are audited.`,
		Example: "  kuai bench platform --quick --json\n  kuai bench platform --each 8m",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if each < 0 || each > maxBenchEach {
				return usage(fmt.Errorf("--each %v, want 0 to %v", each, maxBenchEach))
			}
			cfg := load.Config{Quick: *quick, Each: each}
			if a.terminal() {
				cfg.View = func(what string) { _, _ = fmt.Fprintf(a.Err, "\r\033[K%s", what) }
			}
			rep, err := load.Run(cmd.Context(), cfg)
			if cfg.View != nil {
				_, _ = fmt.Fprint(a.Err, "\r\033[K")
			}
			if err != nil {
				return err
			}
			return a.print(rep)
		},
	}
	cmd.Flags().DurationVar(&each, "each", 0, "time of each measurement; of submissions, whose queue grows, 15s at most (default 15s, or 4s with --quick)")
	return cmd
}
