package convert

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kuai/internal/near"
	"kuai/kernel/quant"
	"kuai/par"
	"kuai/text"
)

// words is a vocabulary of three letters, small enough for the fixtures.
const words = `{"added_tokens":[{"id":3,"content":"<s>","special":true}],"normalizer":null,
"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},"post_processor":null,"decoder":{"type":"ByteLevel"},
"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`

// fixture copies a model of text's tests, with a vocabulary.
func fixture(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range []string{"config.json", "model.safetensors"} {
		data, err := os.ReadFile(filepath.Join("..", "testdata", name, f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(words), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// logits of a few tokens.
func logits(t *testing.T, path string) []float32 {
	t.Helper()
	m, err := text.Open(path, text.Options{Weights: "f32", KV: "f32"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // was only read
	out := make([]float32, m.Config().Vocab)
	s := m.NewSession()
	if err := s.Prefill(t.Context(), []int32{1, 5, 9, 2, 7, 3, 3, 8, 11, 4}, out, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestThereAndBack turns models into GGUF and back: they answer alike. The
// residual of the fixtures has several factors, which GGUF cannot say.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	p := par.New(2)
	defer p.Close()
	for _, name := range []string{"llama", "llama-tied", "mixtral"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := fixture(t, name)
			want := logits(t, dir)
			file, back := filepath.Join(t.TempDir(), "m.gguf"), filepath.Join(t.TempDir(), "m")
			var last Progress
			if err := ToGGUF(t.Context(), nil, dir, file, quant.F32, func(g Progress) { last = g }); err != nil {
				t.Fatal(err)
			}
			if last.Done != last.Total {
				t.Errorf("progress ends at %+v", last)
			}
			near.Check(t, "logits of the GGUF", logits(t, file), want, 1e-5)
			err := ToHF(t.Context(), nil, file, back, quant.F32, nil)
			if name == "llama" { // it has the scaled rotation of Llama 3
				if err == nil {
					t.Error("rotary factors were lost without an error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			near.Check(t, "logits of the directory", logits(t, back), want, 1e-5)
			m, err := text.Open(back, text.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close() //nolint:errcheck // was only read
			if got := m.Tokenizer().Encode("abba<s>", true); !slices.Equal(got, []int32{2, 1, 0, 3}) {
				t.Errorf("tokens %v after both ways", got)
			}
		})
	}
	if err := ToGGUF(t.Context(), p, fixture(t, "minimax"), filepath.Join(t.TempDir(), "m.gguf"), quant.F32, nil); err == nil {
		t.Error("a residual of several factors became GGUF")
	}
}

// TestMiniMax goes from GGUF to a directory and back.
func TestMiniMax(t *testing.T) {
	t.Parallel()
	from := filepath.Join("..", "testdata", "minimax-list.gguf")
	want := logits(t, from)
	dir, file := filepath.Join(t.TempDir(), "m"), filepath.Join(t.TempDir(), "m.gguf")
	if err := ToHF(t.Context(), nil, from, dir, quant.F32, nil); err != nil {
		t.Fatal(err)
	}
	near.Check(t, "logits of the directory", logits(t, dir), want, 1e-5)
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(words), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ToGGUF(t.Context(), nil, dir, file, quant.F32, nil); err != nil {
		t.Fatal(err)
	}
	near.Check(t, "logits of the GGUF", logits(t, file), want, 1e-5)
}
