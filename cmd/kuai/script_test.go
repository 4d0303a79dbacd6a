package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kuai/serve/chat/chattest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"kuai": func() {
			os.Exit(run(context.Background(), os.Args[1:], streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Now: jumping(os.Getenv(clockVar))}))
		},
	})
}

// TestScripts drives the command line as a person would, wrong use included.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("KUAI_DATA", filepath.Join(env.WorkDir, "data")) // nothing is written elsewhere
			return chattest.Write(filepath.Join(env.WorkDir, "tiny.gguf"))
		},
	})
}

// TestExitCodes checks what shells see.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	font := filepath.Join(t.TempDir(), "none.ttf")
	tests := []struct {
		name string
		ctx  context.Context //nolint:containedctx // a table of tests
		args []string
		want int
	}{
		{"done", t.Context(), []string{"version"}, exitOK},
		{"failed", t.Context(), []string{"world", "preview", "--font", font}, exitFailed},
		{"wrong command", t.Context(), []string{"dance"}, exitUsage},
		{"wrong subcommand", t.Context(), []string{"eval", "dance"}, exitUsage},
		{"wrong flag", t.Context(), []string{"video", "a fox", "--sped", "3"}, exitUsage},
		{"empty prompt", t.Context(), []string{"video", " "}, exitUsage},
		{"no model", t.Context(), []string{"generate", "x", "-m", "none-such", "--data", t.TempDir()}, exitFailed},
		{"no model named", t.Context(), []string{"chat", "-m", ""}, exitUsage},
		{"impossible sampling", t.Context(), []string{"generate", "x", "-m", "none-such", "--top-p", "2"}, exitUsage},
		{"interrupted", stopped, []string{"world", "preview", "--font", font}, exitInterrupted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			if got := run(tt.ctx, tt.args, streams{In: strings.NewReader(""), Out: &out, Err: &errs}); got != tt.want {
				t.Errorf("got exit code %d, want %d; %s", got, tt.want, &errs)
			}
		})
	}
}
