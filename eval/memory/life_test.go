package memory

import (
	"context"
	"strings"
	"testing"

	"kuai/companion"
)

// parrot answers with the pack itself: right wherever the answer was recalled.
type parrot struct{}

func (parrot) Answer(_ context.Context, pack, _ string) (string, error) { return pack, nil }
func (parrot) Tokens(text string) int                                   { return len(text)/3 + 1 }
func (parrot) Reread(context.Context, string) error                     { return nil }

// TestLife checks that most answers are recalled from short lives, and that
// what was never told is counted.
func TestLife(t *testing.T) {
	t.Parallel()
	rep, err := Life(t.Context(), parrot{}, LifeConfig{Most: 8000, Questions: 30, Split: companion.Test, Dir: t.TempDir(), Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, b := range rep.Bars {
		if b.Value != nil {
			got[b.Name] = *b.Value
		}
	}
	if got["right_8k"] < 0.6 || got["evidence_8k"] < 0.5 || got["false_8k"] == 0 || got["cost_8k"] != 1 {
		var s strings.Builder
		_ = rep.Text(&s)
		t.Error(s.String())
	}
	for i := range Plots {
		var svg strings.Builder
		if err := Plot(&svg, "svg", i, rep); err != nil || !strings.Contains(svg.String(), Plots[i].curves[0].name) {
			t.Errorf("plot %d of %d bytes: %v", i, svg.Len(), err)
		}
	}
}
