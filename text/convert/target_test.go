package convert

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kuai/format/safetensors"
	"kuai/kernel/quant"
)

func TestTarget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		columns int
		t, want quant.Type
	}{
		{"blk.0.attn_v.weight", 256, quant.Q4_K, quant.Q6_K}, // the first eighth
		{"blk.1.attn_v.weight", 256, quant.Q4_K, quant.Q4_K},
		{"blk.3.ffn_down_exps.weight", 256, quant.Q5_K, quant.Q6_K}, // every third
		{"blk.4.ffn_down.weight", 256, quant.Q5_K, quant.Q5_K},
		{"blk.7.ffn_down.weight", 64, quant.Q4_K, quant.Q8_0}, // the last eighth, no blocks of 256
		{"blk.1.attn_qkv.weight", 256, quant.Q4_K, quant.Q5_K},
		{"blk.1.attn_q.weight", 64, quant.Q4_K, quant.Q5_0},
		{"blk.1.attn_q.weight", 20, quant.Q4_K, quant.F16},
		{"blk.1.ffn_gate_inp.weight", 256, quant.Q4_K, quant.F32},
		{"token_embd.weight", 256, quant.Q4_K, quant.Q6_K},
		{"output.weight", 64, quant.Q4_K, quant.Q8_0},
		{"output.weight", 64, quant.Q5_0, quant.Q8_0},
		{"output.weight", 64, quant.BF16, quant.BF16},
	} {
		if got := target(tt.name, []int{8, tt.columns}, tt.t, 8); got != tt.want {
			t.Errorf("%s of %d columns in %v: %v, want %v", tt.name, tt.columns, tt.t, got, tt.want)
		}
	}
	for name, want := range map[string]quant.Type{"q4_k_m": quant.Q4_K, "Q8_0": quant.Q8_0, "bf16": quant.BF16} {
		if got, ok := ParseType(name); !ok || got != want {
			t.Errorf("%s is %v, %v", name, got, ok)
		}
	}
	if _, ok := ParseType("Q4_K_S"); ok {
		t.Error("Q4_K_S is known")
	}
}

// TestStopped checks that a conversion that was cancelled leaves nothing that
// looks whole, and that weights are not written over.
func TestStopped(t *testing.T) {
	t.Parallel()
	from := filepath.Join("..", "testdata", "minimax-list.gguf")
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	dir := t.TempDir()
	file, model := filepath.Join(dir, "m.gguf"), filepath.Join(dir, "m")
	if err := Quantize(ctx, nil, from, file, quant.Q8_0, nil); !errors.Is(err, cause) {
		t.Errorf("quantize: %v", err)
	}
	if err := ToHF(ctx, nil, from, model, quant.F32, nil); !errors.Is(err, cause) {
		t.Errorf("to a directory: %v", err)
	}
	for _, path := range []string{file, filepath.Join(model, "model.safetensors"), filepath.Join(model, "config.json")} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is there", path)
		}
	}
	for _, want := range []error{nil, safetensors.ErrExists} {
		if err := ToHF(t.Context(), nil, from, model, quant.F32, nil); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}
