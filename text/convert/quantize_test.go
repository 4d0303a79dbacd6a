package convert

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/format/gguf"
	"kuai/kernel/quant"
	"kuai/par"
)

// TestQuantize rewrites a file and checks types, keys and values.
func TestQuantize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	values := map[string][]float32{}
	var list []gguf.Source
	for name, shape := range map[string][]int{
		"token_embd.weight": {40, 64}, "blk.0.attn_q.weight": {32, 64}, "blk.0.ffn_gate_inp.weight": {4, 64},
		"blk.0.ffn_up_exps.weight": {4, 32, 64}, "output_norm.weight": {64}, "odd.weight": {3, 20},
	} {
		n := 1
		for _, s := range shape {
			n *= s
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		values[name] = x
		list = append(list, gguf.Source{Name: name, Shape: shape, Type: quant.F32, Write: func(w io.Writer) error {
			data := make([]byte, 4*n)
			quant.Quantize(data, quant.F32, x)
			_, err := w.Write(data)
			return err
		}})
	}
	in, out := filepath.Join(dir, "in.gguf"), filepath.Join(dir, "out.gguf")
	keys := []gguf.Key{{Name: "general.architecture", Value: "llama"}, {Name: "a", Value: uint32(5)}, {Name: "general.file_type", Value: uint32(0)}}
	if err := gguf.Write(in, keys, list); err != nil {
		t.Fatal(err)
	}
	p := par.New(2)
	defer p.Close()
	var last Progress
	if err := Quantize(t.Context(), p, in, out, quant.Q4_0, func(g Progress) { last = g }); err != nil {
		t.Fatal(err)
	}
	if last.Done != last.Total || last.Total == 0 {
		t.Errorf("progress ends at %+v", last)
	}
	f, err := gguf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // was only read
	types := map[string]quant.Type{}
	for _, x := range f.Tensors() {
		types[x.Name] = x.Type
		got := make([]float32, x.Values())
		quant.Dequantize(got, x.Type, x.Data)
		limit := map[quant.Type]float64{quant.F32: 0, quant.F16: 2e-3, quant.Q8_0: 0.02, quant.Q4_0: 0.35}[x.Type]
		for i, v := range got {
			if math.Abs(float64(v-values[x.Name][i])) > limit {
				t.Fatalf("%s: value %d is %v, want %v", x.Name, i, v, values[x.Name][i])
			}
		}
	}
	want := map[string]quant.Type{
		"token_embd.weight": quant.Q8_0, "blk.0.attn_q.weight": quant.Q4_0, "blk.0.ffn_gate_inp.weight": quant.F32,
		"blk.0.ffn_up_exps.weight": quant.Q4_0, "output_norm.weight": quant.F32, "odd.weight": quant.F16,
	}
	if d := cmp.Diff(want, types); d != "" {
		t.Errorf("types (-want +got):\n%s", d)
	}
	if v, ok := f.Int("general.file_type"); !ok || v != 2 {
		t.Errorf("file type %d", v)
	}

	again := filepath.Join(dir, "again.gguf")
	if err := Quantize(t.Context(), p, out, again, quant.Q4_0, nil); err != nil {
		t.Fatal(err)
	}
	g, err := gguf.Open(again)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close() //nolint:errcheck // was only read
	a, _ := f.Tensor("blk.0.attn_q.weight")
	b, _ := g.Tensor("blk.0.attn_q.weight")
	if !bytes.Equal(a.Data, b.Data) {
		t.Error("what is in the format already has changed")
	}
	if err := Quantize(t.Context(), p, in, again, quant.Type(99), nil); err == nil {
		t.Error("a format that cannot be written gave no error")
	}
}
