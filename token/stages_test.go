package token

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStages compares normalizers, pre-tokenizers, added tokens and decoders
// with the Python package tokenizers.
func TestStages(t *testing.T) {
	t.Parallel()
	var golden struct {
		Lines []string `json:"lines"`
		Cases []struct {
			Name      string          `json:"name"`
			Tokenizer json.RawMessage `json:"tokenizer"`
			IDs       [][]int32       `json:"ids"`
			Texts     []string        `json:"texts"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(unzip(t, "stages.json.gz"), &golden); err != nil {
		t.Fatal(err)
	}
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			tok, err := FromJSON(c.Tokenizer, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range golden.Lines {
				got := tok.Encode(line, true)
				if d := cmp.Diff(c.IDs[i], got); d != "" && len(got)+len(c.IDs[i]) > 0 {
					t.Errorf("%q: %q, want %q", line, names(tok, got), names(tok, c.IDs[i]))
					continue
				}
				if back := tok.Decode(got); back != c.Texts[i] {
					t.Errorf("%q: decoded %q, want %q", line, back, c.Texts[i])
				}
			}
		})
	}
}

func names(t *Tokenizer, ids []int32) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = t.Piece(id)
	}
	return out
}
