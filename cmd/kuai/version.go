package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"kuai/kernel/isa"
)

// build is what `kuai version` says.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Kernels  string `json:"kernels"` // instructions in use
	Cores    int    `json:"cores"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which kuai this is, and which instructions it uses",
		Example: "  kuai version --json",
		Args:    exactArgs(0, "none"),
		RunE: func(*cobra.Command, []string) error {
			b := build{
				Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
				Kernels: isa.Now().String(), Cores: runtime.GOMAXPROCS(0),
			}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					switch s.Key {
					case "vcs.revision":
						b.Revision = s.Value
					case "vcs.modified":
						b.Modified = s.Value == "true"
					}
				}
			}
			if a.json {
				return json.NewEncoder(a.Out).Encode(b)
			}
			_, err := fmt.Fprintf(a.Out, "kuai %s\nrevision %.12s\n%s %s/%s, %d cores, kernels: %s\n",
				b.Version, b.Revision, b.Go, b.OS, b.Arch, b.Cores, b.Kernels)
			return err
		},
	}
}
