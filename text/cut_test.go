package text

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"kuai/par"
	"kuai/text/checkpoint"
)

// TestCutWhileMapped cuts a model's file while it is in use. It does so in
// another process, since a mistake ends that.
func TestCutWhileMapped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a cut file does to its map differs")
	}
	if os.Getenv("KUAI_CUT") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCutWhileMapped$")
		cmd.Env = append(os.Environ(), "KUAI_CUT=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	whole, err := os.ReadFile("testdata/minimax-list.gguf")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	pool := par.New(2)
	defer pool.Close()
	m, err := Open(path, Options{Pool: pool, PrefixBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	v := m.config.Vocab
	tokens := make([]int32, 70) // more than a page of the cache, and a task of rows
	for i := range tokens {
		tokens[i] = int32(i % v)
	}
	want, got := make([]float32, v), make([]float32, v)
	one, other := m.NewSession(), m.NewSession()
	for _, s := range []*Session{one, other} {
		step(t, m, Slice{Session: s, Tokens: tokens})
	}
	step(t, m, Slice{Session: one, Tokens: tokens, Logits: want})

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	pages := len(other.pages)
	for range 2 {
		if err := m.Step(t.Context(), []Slice{{Session: other, Tokens: tokens, Logits: got}}); !errors.Is(err, checkpoint.ErrLost) {
			t.Fatalf("a step on a file that was cut: %v, want %v", err, checkpoint.ErrLost)
		}
	}
	if other.Len() != len(tokens) || len(other.pages) != pages {
		t.Errorf("the session has %d tokens and %d pages, want %d and %d", other.Len(), len(other.pages), len(tokens), pages)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil { // the same file again
		t.Fatal(err)
	}
	step(t, m, Slice{Session: other, Tokens: tokens, Logits: got})
	if !slices.Equal(got, want) {
		t.Error("a session that met the cut goes on in another way")
	}

	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	load := func() error { // every tensor, by the workers of the pool
		pool.Do(len(c.Tensors), func(i, _ int) {
			if r, err := c.Tensors[i].Matrix(); err == nil {
				r.Floats()
			}
		})
		return nil
	}
	if err := c.Guard(load); !errors.Is(err, checkpoint.ErrLost) {
		t.Errorf("loading a file that was cut: %v, want %v", err, checkpoint.ErrLost)
	}
	if _, err := Open(path, Options{}); err == nil {
		t.Error("opened a file that was cut")
	}
	defer func() {
		if recover() == nil {
			t.Error("a bug is no lost file")
		}
	}()
	_ = c.Guard(func() error { var p *Model; p.chunk++; return nil })
}
