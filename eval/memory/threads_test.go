package memory

import (
	"context"
	"testing"

	"kuai/character/converse"
	"kuai/text/sample"
)

// mumbler says the same always.
type mumbler struct{}

func (mumbler) Speak(context.Context, *converse.Prompt, func(string)) (string, error) {
	return "Hm.", nil
}
func (mumbler) Tokens(text string) int { return len(text)/3 + 1 }
func (mumbler) Room() converse.Room {
	return converse.Room{Card: 300, Pack: budget, Recent: 500, Turns: 8, Reply: 50}
}
func (mumbler) Sampling() sample.Params { return sample.Params{} }
func (mumbler) Corrected() bool         { return false }

// TestThreads measures a few short threads: every figure is there.
func TestThreads(t *testing.T) {
	t.Parallel()
	rep, err := Threads(t.Context(), ThreadsConfig{Speaker: mumbler{}, Threads: 3, Opens: 4, Most: 8000, Turns: 2, Dir: t.TempDir(), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := values(rep)
	if got["threads_alive"] != 3 || got["cost_8k"] != 1 || got["open_ms"] <= 0 || got["disk_mb_8k_zh"] <= 0 || got["turn_p95_ms_8k"] < got["recall_ms_8k"] {
		t.Error(got)
	}
	missing := 0
	for _, b := range rep.Bars {
		if b.Value == nil && b.Reason != "" {
			missing++
		}
	}
	if missing != 3*5 {
		t.Errorf("%d figures are missing, with their reasons; want those of three sizes", missing)
	}
}
