package checkpoint

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kuai/kernel/quant"
)

// testdata is the fixtures of the rooms above.
func testdata(name string) string { return filepath.Join("..", "testdata", name) }

func TestOpen(t *testing.T) {
	for name, want := range map[string]struct {
		arch   string
		linear []bool
		part   string
		layer  int
		shape  []int
		typ    quant.Type
	}{
		"minimax":        {"minimax-01", []bool{true, false, true, true, false}, "attn_q", 1, []int{64, 32}, quant.BF16},
		"llama":          {"llama", nil, "ffn_down", 0, nil, quant.BF16},
		"llama-moe.gguf": {"llama", nil, "token_embd", -1, nil, quant.F32},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Open(testdata(name))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close() //nolint:errcheck // was only read
			if c.Config.Arch != want.arch || c.Config.Layers != len(c.Config.Kinds) {
				t.Errorf("architecture %q of %d layers", c.Config.Arch, c.Config.Layers)
			}
			if got := c.Config.Linear(); want.linear != nil && !slices.Equal(got, want.linear) {
				t.Errorf("linear layers %v, want %v", got, want.linear)
			}
			x, ok := c.Part(want.part, want.layer, -1)
			if !ok {
				t.Fatalf("no %s", want.part)
			}
			if want.shape != nil && !slices.Equal(x.Shape, want.shape) {
				t.Errorf("shape %v, want %v", x.Shape, want.shape)
			}
			if _, err := c.Rows(want.part, want.layer, -1, x.Shape...); err != nil {
				t.Error(err)
			}
			if _, err := c.Rows(want.part, want.layer, -1, 1, 2, 3); err == nil {
				t.Error("rows of another shape")
			}
			again, err := Open(testdata(name))
			if err != nil {
				t.Fatal(err)
			}
			if again.Hash() != c.Hash() {
				t.Error("opened twice, two hashes")
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzConfig(f *testing.F) {
	for _, name := range []string{"minimax", "llama", "mixtral"} {
		data, err := os.ReadFile(filepath.Join("..", "testdata", name, "config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "config.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, a, err := readHF(path)
		if err != nil {
			return
		}
		if err := c.Check(); err != nil || a == nil {
			t.Errorf("accepted, but %v", err)
		}
		c.Frequencies()
	})
}
