package token

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/format/gguf"
)

// charsmapGolden is what charsmap.py writes.
type charsmapGolden struct {
	Lines         []string `json:"lines"`
	Charsmap      string   `json:"charsmap"`
	SentencePiece []struct {
		Name       string    `json:"name"`
		Prefix     bool      `json:"prefix"`
		Extra      bool      `json:"extra"`
		Pieces     []string  `json:"pieces"`
		Scores     []float32 `json:"scores"`
		Types      []int32   `json:"types"`
		Unknown    int       `json:"unknown"`
		Normalized []string  `json:"normalized"`
		IDs        [][]int32 `json:"ids"`
	} `json:"sentencepiece"`
	Tokenizers []struct {
		Name       string          `json:"name"`
		Tokenizer  json.RawMessage `json:"tokenizer"`
		Normalized []string        `json:"normalized"`
		IDs        [][]int32       `json:"ids"`
	} `json:"tokenizers"`
}

func loadCharsmap(tb testing.TB) (g charsmapGolden) {
	tb.Helper()
	if err := json.Unmarshal(unzip(tb, "charsmap.json.gz"), &g); err != nil {
		tb.Fatal(err)
	}
	return g
}

// TestCharsmapJSON compares Unigram vocabularies with a precompiled normaliser
// with the Python package tokenizers.
func TestCharsmapJSON(t *testing.T) {
	t.Parallel()
	g := loadCharsmap(t)
	for _, c := range g.Tokenizers {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			tok, err := FromJSON([]byte(strings.Replace(string(c.Tokenizer), "CHARSMAP", g.Charsmap, 1)), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range g.Lines {
				if got := tok.normalize(line); got != c.Normalized[i] {
					t.Errorf("%q: normalised %q, want %q", line, got, c.Normalized[i])
				}
				got := tok.Encode(line, false)
				if d := cmp.Diff(c.IDs[i], got); d != "" && len(got)+len(c.IDs[i]) > 0 {
					t.Errorf("%q: %q, want %q", line, names(tok, got), names(tok, c.IDs[i]))
				}
			}
		})
	}
}

// TestCharsmapGGUF compares the same vocabularies in GGUF, as T5's have it, with
// the Python package sentencepiece.
func TestCharsmapGGUF(t *testing.T) {
	t.Parallel()
	g := loadCharsmap(t)
	data, err := base64.StdEncoding.DecodeString(g.Charsmap)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range g.SentencePiece {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "t5.gguf")
			err := gguf.Write(path, []gguf.Key{
				{Name: keyModel, Value: "t5"},
				{Name: keyTokens, Value: c.Pieces},
				{Name: keyScores, Value: c.Scores},
				{Name: keyTypes, Value: c.Types},
				{Name: keyUNK, Value: uint32(c.Unknown)},
				{Name: keyPrefix, Value: c.Prefix},
				{Name: keySingle, Value: c.Extra},
				{Name: keyCharsmap, Value: data},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close() //nolint:errcheck // was only read
			tok, err := FromGGUF(f)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range g.Lines {
				if got := tok.normalize(line); got != c.Normalized[i] {
					t.Errorf("%q: normalised %q, want %q", line, got, c.Normalized[i])
				}
				got := tok.Encode(line, false)
				if d := cmp.Diff(c.IDs[i], got); d != "" && len(got)+len(c.IDs[i]) > 0 {
					t.Errorf("%q: %q, want %q", line, names(tok, got), names(tok, c.IDs[i]))
				}
			}
		})
	}
}
