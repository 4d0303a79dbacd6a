package memory

import (
	"math/rand/v2"
	"strings"
	"testing"
)

const smallLoCoMo = `[{"qa": [
	{"question": "What did Ada bake for the fair?", "evidence": ["D1:1"], "category": 4, "answer": "plum cake"},
	{"question": "Where did Ben hide the violin?", "evidence": ["D2:2; D1:2"], "category": 1, "answer": "attic, 1998"},
	{"question": "When was it?", "evidence": ["D9:9"], "category": 2, "answer": 2023},
	{"question": "What was never said?", "category": 5}],
"conversation": {"speaker_a": "Ada", "speaker_b": "Ben",
	"session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": [
		{"speaker": "Ada", "dia_id": "D1:1", "text": "I baked a plum cake for the fair."},
		{"speaker": "Ben", "dia_id": "D1:2", "text": "Somebody should hide my old violin from the children."}],
	"session_2_date_time": "10:02 am on 1 June, 2023", "session_2": [
		{"speaker": "Ada", "dia_id": "D2:1", "text": "It rained all week."},
		{"speaker": "Ben", "dia_id": "D2:2", "text": "So it did! I hid the violin in the attic.", "blip_caption": "a violin"}]}}]`

// TestLocomo finds the evidence of a small conversation as it is and within a
// haystack of its size.
func TestLocomo(t *testing.T) {
	t.Parallel()
	set, err := parseLoCoMo(strings.NewReader(smallLoCoMo))
	if err != nil {
		t.Fatal(err)
	}
	filler := func(r *rand.Rand) []string {
		return []string{"The train to the coast leaves at " + []string{"noon", "night", "dawn"}[r.IntN(3)] + ".", "Bring an umbrella."}
	}
	rep, err := Locomo(t.Context(), set, LocomoConfig{Most: 800_000, Filler: []func(*rand.Rand) []string{filler}, Dir: t.TempDir(), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, b := range rep.Bars {
		if b.Value != nil {
			got[b.Name] = *b.Value
		}
	}
	if got["found_10_80k"] != 1 || got["found_10_800k"] != 1 || rep.Notes["questions"] != 2 || got["characters_800k"] < 790_000 {
		t.Errorf("%v, %v", got, rep.Notes)
	}
}

// TestEmptySession checks that a session in which nobody speaks is left out.
func TestEmptySession(t *testing.T) {
	t.Parallel()
	set, err := parseLoCoMo(strings.NewReader(`[{"conversation": {"session_1": [], "session_1_date_time": "1:56 pm on 8 May, 2023"}}]`))
	if err == nil || set != nil {
		t.Errorf("%v, %v", set, err)
	}
}

func FuzzLoCoMo(f *testing.F) {
	f.Add(smallLoCoMo)
	f.Add(`[{"conversation": {"session_1": [], "session_1_date_time": "8 May"}}]`)
	f.Fuzz(func(_ *testing.T, s string) { _, _ = parseLoCoMo(strings.NewReader(s)) })
}
