package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"

	"github.com/spf13/cobra"

	"kuai/api"
	"kuai/serve"
)

func (a *app) serveCommand() *cobra.Command {
	var addr, model string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the studio and the HTTP API",
		Long: `Serve a page to make clips on and OpenAI's /v1/videos endpoints. It listens on
this machine alone unless --addr says otherwise; there are no accounts yet, so
open it to others only behind something that asks who they are.`,
		Example: "  kuai serve --addr 127.0.0.1:8080",
		Args:    exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := openVideo(model)
			if err != nil {
				return err
			}
			q, err := serve.NewQueue(cmd.Context(), filepath.Join(a.data, "clips"), m)
			if err != nil {
				return err
			}
			defer q.Close()
			l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", addr)
			if err != nil {
				return fmt.Errorf("serve: %w", err)
			}
			a.note("Kuai is at http://%s (Ctrl-C ends it)\n", l.Addr())
			if err := api.Serve(cmd.Context(), l, api.Handler(q)); err != nil {
				return err
			}
			return context.Cause(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8080", "address to listen on")
	cmd.Flags().StringVar(&model, "model", "", "directory of a video model (default: the built-in one)")
	return cmd
}
