package merge

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLongWord checks that the heap merges as looking at all pairs does.
func TestLongWord(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	b := &BPE{Merges: map[Pair]Merge{}}
	for id := int32(4); id < 300; id++ {
		p := Pair{r.Int32N(id), r.Int32N(id)}
		b.Merges[p] = Merge{Rank: id, ID: id}
	}
	for range 200 {
		word := make([]int32, 1+r.IntN(longWord))
		for i := range word {
			word[i] = r.Int32N(4)
		}
		short, long := b.short(append([]int32(nil), word...)), b.long(append([]int32(nil), word...))
		if d := cmp.Diff(short, long); d != "" {
			t.Fatalf("%v (-short +long):\n%s", word, d)
		}
	}
}

// TestUnigram checks the likeliest cut against all cuts.
func TestUnigram(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"a", "b", "c", "ab", "bc", "abc", "ca", "cab", "bb", "快", "快a"}
	m := &Unigram{IDs: map[string]int32{}, Unknown: 99}
	for i, p := range pieces {
		m.IDs[p] = int32(i)
		m.Scores = append(m.Scores, -1-9*r.Float64())
	}
	m = NewUnigram(m)
	var best func(word string) float64
	best = func(word string) float64 {
		if word == "" {
			return 0
		}
		top := math.Inf(-1)
		for p, id := range m.IDs {
			if len(p) <= len(word) && word[:len(p)] == p {
				top = max(top, m.Scores[id]+best(word[len(p):]))
			}
		}
		return top
	}
	for range 200 {
		word := ""
		for range 1 + r.IntN(8) {
			word += string("abc"[r.IntN(3)])
		}
		var got float64
		text := ""
		for _, id := range m.Encode(nil, "快"+word) {
			if id == 99 {
				t.Fatalf("%q: unknown", word)
			}
			got += m.Scores[id]
			text += pieces[id]
		}
		if want := best("快" + word); text != "快"+word || math.Abs(got-want) > 1e-9 {
			t.Errorf("%q: %q with %g, want %g", word, text, got, want)
		}
	}
}
