package sample

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reference is the plain form of the settings: sorting everything, in float64.
// It returns the probability of each token.
func reference(p Params, logits []float64, prompt, answer []int32, mask []uint64) []float64 {
	l := slices.Clone(logits)
	window := slices.Concat(prompt, answer)
	if n := p.RepeatLast; n > 0 && len(window) > n {
		window = window[len(window)-n:]
	}
	if r := p.RepetitionPenalty; r != 0 {
		done := map[int32]bool{}
		for _, id := range window {
			if !done[id] {
				if l[id] > 0 {
					l[id] /= r
				} else {
					l[id] *= r
				}
			}
			done[id] = true
		}
	}
	counts := map[int32]int{}
	for _, id := range answer {
		counts[id]++
	}
	for id, n := range counts {
		l[id] -= p.FrequencyPenalty*float64(n) + p.PresencePenalty
	}
	for id, b := range p.LogitBias {
		l[id] += float64(b)
	}
	type cand struct {
		id int
		w  float64
	}
	var cands []cand
	best := math.Inf(-1)
	for i := range l {
		if mask == nil || mask[i/64]>>(i%64)&1 == 1 {
			best = max(best, l[i])
		}
	}
	for i := range l {
		if mask == nil || mask[i/64]>>(i%64)&1 == 1 {
			cands = append(cands, cand{i, math.Exp((l[i] - best) / p.Temperature)})
		}
	}
	sort.SliceStable(cands, func(i, j int) bool { return cands[i].w > cands[j].w })
	if p.TopK > 0 {
		cands = cands[:min(p.TopK, len(cands))]
	}
	total := func() (sum float64) {
		for _, c := range cands {
			sum += c.w
		}
		return sum
	}
	if p.TopP > 0 && p.TopP < 1 {
		sum, mass := 0.0, total()
		for i, c := range cands {
			if sum += c.w; sum >= p.TopP*mass {
				cands = cands[:i+1]
				break
			}
		}
	}
	for i, c := range cands {
		if c.w < p.MinP {
			cands = cands[:i]
			break
		}
	}
	out, sum := make([]float64, len(l)), total()
	for _, c := range cands {
		out[c.id] = c.w / sum
	}
	return out
}

func gauss(rng *rand.Rand, n int, spread float64) []float64 {
	l := make([]float64, n)
	for i := range l {
		l[i] = float64(float32(rng.NormFloat64() * spread))
	}
	return l
}

func f32(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

var settings = []Params{
	{Temperature: 1},
	{Temperature: 0.3},
	{Temperature: 2.5, TopK: 5},
	{Temperature: 1, TopP: 0.7},
	{Temperature: 0.5, TopP: 0.999},
	{Temperature: 1, TopP: 0.8, MinP: 0.2},
	{Temperature: 0.8, TopK: 11, TopP: 0.9},
	{Temperature: 1, MinP: 0.1},
	{Temperature: 1.2, TopK: 20, TopP: 0.95, MinP: 0.05},
	{Temperature: 1, RepetitionPenalty: 1.3},
	{Temperature: 1, RepetitionPenalty: 1.3, RepeatLast: 3},
	{Temperature: 1, FrequencyPenalty: 0.5, PresencePenalty: 0.3},
	{Temperature: 1, LogitBias: map[int32]float32{3: 4, 7: float32(math.Inf(-1))}, TopP: 0.99},
}

// TestFrequencies draws many tokens under each setting and compares how often
// each came with the plain form, by Pearson's chi-square.
func TestFrequencies(t *testing.T) {
	t.Parallel()
	const vocab, draws = 31, 20000
	for i, p := range settings {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			logits := gauss(rng, vocab, 1.5)
			prompt, answer := []int32{1, 2, 3, 2, 9, 30}, []int32{4, 4, 5, 30}
			mask := []uint64{0x7ffffffe} // all but token 0
			want := reference(p, logits, prompt, answer, mask)
			p.Seed = 77
			got := make([]float64, vocab)
			s, err := New(p, vocab)
			if err != nil {
				t.Fatal(err)
			}
			s.Prompt(prompt)
			for _, id := range answer { // given, not drawn
				one := make([]float32, vocab)
				for j := range one {
					one[j] = -1e30
				}
				one[id] = 1e30
				if c, err := s.Next(one, nil); err != nil || c.Token != id {
					t.Fatalf("got %v, %v, want the token %d", c, err, id)
				}
			}
			for range draws {
				l := f32(logits)
				s.adjust(l)
				forbid(l, mask)
				best, _ := argmax(l)
				got[s.draw(l, l[best])]++
			}
			chi, free := 0.0, -1.0
			for id, q := range want {
				if q == 0 {
					if got[id] > 0 {
						t.Fatalf("token %d was drawn %v times, it cannot be", id, got[id])
					}
					continue
				}
				e := q * draws
				chi += (got[id] - e) * (got[id] - e) / e
				free++
			}
			// mean free, variance 2*free; 5 deviations
			if bar := free + 5*math.Sqrt(2*free) + 5; chi > bar {
				t.Errorf("chi-square %.1f with %v degrees of freedom, more than %.1f", chi, free, bar)
			}
		})
	}
}

// TestKept compares the very set that top-k and top-p keep with sorting, on
// big vocabularies and with many equal logits.
func TestKept(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range 200 {
		n := 1 + rng.IntN(2000)
		w, ids := make([]float32, n), make([]int32, n)
		var mass float64
		for j := range w {
			w[j], ids[j] = float32(rng.IntN(1+rng.IntN(50)))/8, int32(j)
			mass += float64(w[j])
		}
		order := slices.Clone(ids)
		slices.SortFunc(order, func(a, b int32) int {
			if before(w[a], a, w[b], b) {
				return -1
			}
			return 1
		})
		share := rng.Float64()
		wantN, sum := 0, 0.0
		for wantN < n && (wantN == 0 || sum < share*mass) {
			sum += float64(w[order[wantN]])
			wantN++
		}
		gw, gids := slices.Clone(w), slices.Clone(ids)
		gotN := selectMass(gw, gids, share*mass)
		slices.Sort(gids[:gotN])
		want := slices.Sorted(slices.Values(order[:wantN]))
		if d := cmp.Diff(gids[:gotN], want); d != "" {
			t.Fatalf("round %d: top-p %v keeps other tokens:\n%s", i, share, d)
		}
		k := 1 + rng.IntN(n)
		if k < n {
			s := &Sampler{ids: make([]int32, n), probs: make([]float32, n)}
			got, _ := s.best(w, k)
			slices.Sort(got)
			if d := cmp.Diff(got, slices.Sorted(slices.Values(order[:k]))); d != "" {
				t.Fatalf("round %d: the best %d are others:\n%s", i, k, d)
			}
		}
		gw, gids = slices.Clone(w), slices.Clone(ids)
		selectTop(gw, gids, k)
		slices.Sort(gids[:k])
		if d := cmp.Diff(gids[:k], slices.Sorted(slices.Values(order[:k]))); d != "" {
			t.Fatalf("round %d: top-k %d keeps other tokens:\n%s", i, k, d)
		}
	}
}

func TestGreedyAndSeeds(t *testing.T) {
	t.Parallel()
	s, _ := New(Params{}, 4)
	if c, err := s.Next([]float32{1, 3, 3, 2}, nil); err != nil || c.Token != 1 {
		t.Errorf("got %v, %v, want the first of the likeliest", c, err)
	}
	if c, err := s.Next([]float32{1, 3, 3, 2}, []uint64{0b1001}); err != nil || c.Token != 3 {
		t.Errorf("got %v, %v under a mask, want 3", c, err)
	}
	series := func(seed uint64) (out []int32) {
		s, _ := New(Params{Temperature: 1, TopP: 0.9, Seed: seed}, 100)
		rng := rand.New(rand.NewPCG(1, 2))
		for range 50 {
			c, err := s.Next(f32(gauss(rng, 100, 1)), nil)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, c.Token)
		}
		return out
	}
	if !slices.Equal(series(3), series(3)) {
		t.Error("the same seed draws other tokens")
	}
	if slices.Equal(series(3), series(4)) {
		t.Error("another seed draws the same tokens")
	}
}

// TestTemperatureFirst shows the order: at a high temperature more tokens are
// needed to reach p.
func TestTemperatureFirst(t *testing.T) {
	t.Parallel()
	s, _ := New(Params{Temperature: 10, TopP: 0.5, Seed: 1}, 4)
	seen := map[int32]bool{}
	for range 200 {
		c, err := s.Next([]float32{3, 1, 0, -1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen[c.Token] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d tokens were drawn, want 2: at temperature 1 one alone has half of the mass", len(seen))
	}
}

func TestLogProbs(t *testing.T) {
	t.Parallel()
	s, _ := New(Params{LogProbs: 3, Temperature: 0}, 5)
	c, err := s.Next([]float32{0, 2, 1, 2, -5}, []uint64{0b11101})
	if err != nil {
		t.Fatal(err)
	}
	sum := math.Exp(0) + math.Exp(1) + math.Exp(2) + math.Exp(-5)
	want := []TokenProb{{3, float32(2 - math.Log(sum))}, {2, float32(1 - math.Log(sum))}, {0, float32(-math.Log(sum))}}
	for i, w := range want {
		if i >= len(c.Top) || c.Top[i].Token != w.Token || math.Abs(float64(c.Top[i].LogProb-w.LogProb)) > 1e-6 {
			t.Fatalf("got %v, want %v", c.Top, want)
		}
	}
	if c.TokenProb != c.Top[0] {
		t.Errorf("got %v for the drawn token, want %v", c.TokenProb, c.Top[0])
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, temp := range []float64{0, 1} {
		for _, tt := range []struct {
			logits []float32
			mask   []uint64
			want   error
		}{
			{[]float32{1, nan, 2}, nil, ErrNaN},
			{[]float32{1, inf, 2}, nil, ErrNaN},
			{[]float32{1, 2, 3}, []uint64{0}, ErrNothing},
			{[]float32{-inf, -inf, 0}, []uint64{3}, ErrNothing},
		} {
			s, _ := New(Params{Temperature: temp}, 3)
			if c, err := s.Next(slices.Clone(tt.logits), tt.mask); !errors.Is(err, tt.want) {
				t.Errorf("%v: got %v, %v, want %v", tt.logits, c, err, tt.want)
			}
		}
	}
	for _, p := range []Params{
		{Temperature: -1},
		{Temperature: math.NaN()},
		{TopK: -1},
		{TopP: 1.5},
		{MinP: math.NaN()},
		{RepetitionPenalty: -2},
		{RepeatLast: -1},
		{FrequencyPenalty: math.Inf(1)},
		{PresencePenalty: 11},
		{LogProbs: 21},
		{LogitBias: map[int32]float32{10: 1}},
		{LogitBias: map[int32]float32{1: nan}},
	} {
		if _, err := New(p, 10); err == nil {
			t.Errorf("%+v was accepted", p)
		}
	}
}

// TestExtremes draws where numbers end: tiny temperatures, huge logits, min-p 1.
func TestExtremes(t *testing.T) {
	t.Parallel()
	for _, p := range []Params{
		{Temperature: 1e-300},
		{Temperature: 1e-6, TopP: 0.5},
		{Temperature: 1, MinP: 1},
		{Temperature: 1, TopK: 1},
		{Temperature: 1, TopP: 1e-12},
	} {
		s, err := New(p, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range [][]float32{{1, 5, 2}, {-1e30, 3e30, 2}, {-3e4, -1e4, -2e4}} {
			if c, err := s.Next(l, nil); err != nil || c.Token != 1 {
				t.Errorf("%+v: got %v, %v, want 1", p, c, err)
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	p := Params{
		Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.02, RepetitionPenalty: 1.1, RepeatLast: 64,
		FrequencyPenalty: 0.1, LogProbs: 5, LogitBias: map[int32]float32{3: 1},
	}
	const vocab = 5000
	s, err := New(p, vocab)
	if err != nil {
		t.Fatal(err)
	}
	logits := f32(gauss(rand.New(rand.NewPCG(1, 1)), vocab, 3))
	l := make([]float32, vocab)
	next := func() {
		copy(l, logits)
		if _, err := s.Next(l, nil); err != nil {
			t.Error(err)
		}
	}
	for range 100 {
		next()
	}
	if n := testing.AllocsPerRun(100, next); n != 0 {
		t.Errorf("%v allocations a token, want 0", n)
	}
}

func BenchmarkNext(b *testing.B) {
	const vocab = 50_000
	logits := f32(gauss(rand.New(rand.NewPCG(1, 1)), vocab, 3))
	l := make([]float32, vocab)
	for name, p := range map[string]Params{
		"greedy": {}, "temperature": {Temperature: 1}, "top-k": {Temperature: 1, TopK: 40},
		"top-p": {Temperature: 1, TopP: 0.95}, "all": {Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, RepetitionPenalty: 1.1},
	} {
		b.Run(name, func(b *testing.B) {
			s, _ := New(p, vocab)
			for b.Loop() {
				copy(l, logits)
				if _, err := s.Next(l, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
