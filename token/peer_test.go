package token

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kuai/format/gguf"
	"kuai/token/merge"
)

// TestPeer compares with llama.cpp on lines and vocabularies of a directory
// that testdata/peer.mjs has filled.
func TestPeer(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("KUAI_TOKEN_PEER")
	if dir == "" {
		t.Skip("KUAI_TOKEN_PEER is not set")
	}
	lines, err := os.ReadFile(filepath.Join(dir, "lines.txt"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.ids"))
	if err != nil || len(files) == 0 {
		t.Fatal("no .ids", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			f, err := gguf.Open(strings.TrimSuffix(name, "ids") + "gguf")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close() //nolint:errcheck // only read
			tok, err := FromGGUF(f)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(string(data), "\n")
			wrong, n := 0, 0
			for i, line := range strings.Split(string(lines), "\n") {
				n++
				got := tok.Encode(line, true)
				if exp := numbers(t, want[i]); !slices.Equal(got, exp) {
					if wrong++; wrong <= 10 {
						t.Errorf("%q: %q, want %q", line, names(tok, got), names(tok, exp))
					}
				}
			}
			t.Logf("%d of %d lines equal", n-wrong, n)
		})
	}
}

// TestWritePeer writes the vocabularies that llama.cpp is to be compared on.
func TestWritePeer(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("KUAI_TOKEN_PEER_WRITE")
	if dir == "" {
		t.Skip("KUAI_TOKEN_PEER_WRITE is not set")
	}
	for _, name := range []string{"gpt2", "smollm", "llama3", "qwen2", "o200k", "spm"} {
		tok := open(t, name)
		keys, err := ToGGUF(unzip(t, name+".json.gz"), nil, tok.Size())
		if name == "spm" {
			keys, err = scoredKeys(tok), nil
		}
		if err != nil {
			t.Fatal(name, err)
		}
		arch := []gguf.Key{{Name: "general.architecture", Value: "llama"}, {Name: "llama.vocab_size", Value: uint32(tok.Size())}}
		if err := gguf.Write(filepath.Join(dir, name+".gguf"), append(arch, keys...), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// scoredKeys is a vocabulary with merges as one with scores: earlier ones are
// better.
func scoredKeys(t *Tokenizer) []gguf.Key {
	texts, types, scores := make([]string, t.Size()), make([]int32, t.Size()), make([]float32, t.Size())
	b, _ := t.model.(*merge.BPE)
	for _, m := range b.Merges {
		if s := float32(-m.Rank - 1); scores[m.ID] == 0 || s > scores[m.ID] {
			scores[m.ID] = s
		}
	}
	for i, p := range t.pieces {
		texts[i] = p.text
		types[i] = map[kind]int32{normal: 1, unknown: 2, control: 3, added: 4, unused: 5, raw: 6}[p.kind]
		if _, ok := rawByte(p.text); ok {
			types[i] = 6
		}
		if i == 0 {
			types[i] = 2
		}
		if types[i] == 1 && scores[i] == 0 {
			scores[i] = -1e6 // a character
		}
	}
	return []gguf.Key{
		{Name: keyModel, Value: "llama"},
		{Name: keyPre, Value: "default"},
		{Name: keyTokens, Value: texts},
		{Name: keyTypes, Value: types},
		{Name: keyScores, Value: scores},
		{Name: keyBOS, Value: uint32(1)},
		{Name: keyEOS, Value: uint32(2)},
		{Name: keyUNK, Value: uint32(0)},
	}
}
