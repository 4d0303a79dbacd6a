package text

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kuai/par"
)

// TestCache checks that a model whose packed weights come from a file is the
// same, and that the file is not believed for another one.
func TestCache(t *testing.T) {
	t.Parallel()
	pool := par.New(2)
	defer pool.Close()
	tokens := []int32{1, 5, 9, 2, 7, 30, 31, 32}
	for _, c := range []struct{ name, weights string }{{"minimax", "q8"}, {"minimax", "q4"}, {"mixtral", "q8"}, {"minimax-half.gguf", ""}} {
		t.Run(c.name+c.weights, func(t *testing.T) {
			t.Parallel()
			dir, cache := t.TempDir(), t.TempDir()
			weights := filepath.Join(dir, "model.safetensors")
			if filepath.Ext(c.name) == ".gguf" {
				data, err := os.ReadFile(filepath.Join("testdata", c.name))
				if err != nil {
					t.Fatal(err)
				}
				dir = filepath.Join(dir, c.name)
				weights = dir
				if err := os.WriteFile(weights, data, 0o600); err != nil {
					t.Fatal(err)
				}
			} else if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", c.name))); err != nil {
				t.Fatal(err)
			}
			run := func() (logits []float32, hit bool) {
				m, err := Open(dir, Options{Pool: pool, Weights: c.weights, Cache: cache, Cached: func(h bool, err error) {
					if hit = h; err != nil {
						t.Error(err)
					}
				}})
				if err != nil {
					t.Fatal(err)
				}
				logits = make([]float32, len(tokens)*m.config.Vocab)
				step(t, m, Slice{Session: m.NewSession(), Tokens: tokens, All: logits})
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				return logits, hit
			}
			first, hit := run()
			if hit {
				t.Error("read before it was written")
			}
			second, hit := run()
			if !hit {
				t.Error("packed twice")
			}
			if !slices.Equal(first, second) {
				t.Error("other logits from packed weights")
			}
			at := time.Now().Add(-time.Hour)
			if err := os.Chtimes(weights, at, at); err != nil {
				t.Fatal(err)
			}
			if _, hit := run(); hit {
				t.Error("a model that was touched is believed to be the same")
			}
			info, err := os.Stat(weights)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(weights)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)-1] ^= 1
			if err := os.WriteFile(weights, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(weights, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
			if _, hit := run(); hit {
				t.Error("another model of the same size and time is believed to be the same")
			}
		})
	}
}
