// Package sample draws the next token from logits, by the settings of one
// request.
//
// In this order, each step on what the one before left: the bias and the
// penalties change logits; a mask forbids tokens; the temperature divides;
// top-k, top-p and min-p take unlikely tokens away; one is drawn. Log
// probabilities are those after the mask, before the temperature. This is the
// order of transformers and, in its results, of vLLM; where the two differ
// from llama.cpp (which applies the temperature last) a test says so.
//
// A draw reads the vocabulary two or three times and sorts none of it: what
// top-k and top-p keep is found by partial selection. It allocates nothing.
//
// Letters: V vocabulary.
package sample

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"kuai/kernel/vec"
)

// Limits of a request's settings.
const (
	MaxLogProbs = 20   // alternatives a token, as OpenAI has it
	MaxBias     = 1024 // entries of LogitBias
)

// maxHeap is the largest top-k for which a heap is faster than partitions.
const maxHeap = 512

// Errors of a draw.
var (
	ErrNothing = errors.New("sample: no token is allowed here")
	ErrNaN     = errors.New("sample: the model's logits are not numbers")
)

// Params are the settings of one request. The zero value is greedy: the most
// likely token, the one with the lowest id among equals.
type Params struct {
	Temperature float64 // 0: greedy
	TopK        int     // keep the k most likely; 0: all
	TopP        float64 // keep the fewest whose probabilities reach p; 0 or 1: all
	MinP        float64 // keep those with p times the best one's probability; 0: all

	// RepetitionPenalty divides the positive logits of tokens among the last
	// RepeatLast ones (prompt and answer; 0: all) and multiplies the negative
	// ones (CTRL, arXiv:1909.05858). 0 or 1: none.
	RepetitionPenalty float64
	RepeatLast        int
	// FrequencyPenalty times how often the answer has the token, and
	// PresencePenalty if it has it at all, are taken off its logit.
	FrequencyPenalty, PresencePenalty float64

	LogitBias map[int32]float32 // added to logits; -Inf forbids
	Seed      uint64            // of the random numbers; the same seed draws the same
	LogProbs  int               // how many alternatives to report; -1: the drawn token alone; 0: nothing
}

// Check says what is wrong with the settings for a vocabulary of the given
// size; nil is nothing.
func (p Params) Check(vocab int) error {
	switch {
	case !(p.Temperature >= 0 && p.Temperature <= 100):
		return fmt.Errorf("sample: temperature: %v is not in 0 to 100", p.Temperature)
	case p.TopK < 0:
		return fmt.Errorf("sample: top-k: %d is negative", p.TopK)
	case !(p.TopP >= 0 && p.TopP <= 1):
		return fmt.Errorf("sample: top-p: %v is not in 0 to 1", p.TopP)
	case !(p.MinP >= 0 && p.MinP <= 1):
		return fmt.Errorf("sample: min-p: %v is not in 0 to 1", p.MinP)
	case p.RepetitionPenalty != 0 && !(p.RepetitionPenalty >= 0.1 && p.RepetitionPenalty <= 10):
		return fmt.Errorf("sample: repetition penalty: %v is not in 0.1 to 10", p.RepetitionPenalty)
	case p.RepeatLast < 0:
		return fmt.Errorf("sample: tokens of the repetition penalty: %d is negative", p.RepeatLast)
	case !(math.Abs(p.FrequencyPenalty) <= 10):
		return fmt.Errorf("sample: frequency penalty: %v is not in -10 to 10", p.FrequencyPenalty)
	case !(math.Abs(p.PresencePenalty) <= 10):
		return fmt.Errorf("sample: presence penalty: %v is not in -10 to 10", p.PresencePenalty)
	case p.LogProbs < -1 || p.LogProbs > MaxLogProbs:
		return fmt.Errorf("sample: log probabilities: %d is not in 0 to %d", p.LogProbs, MaxLogProbs)
	case len(p.LogitBias) > MaxBias:
		return fmt.Errorf("sample: logit bias: %d entries, more than %d", len(p.LogitBias), MaxBias)
	}
	for id, b := range p.LogitBias {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("sample: logit bias: token %d of a vocabulary of %d", id, vocab)
		}
		if math.IsNaN(float64(b)) || math.IsInf(float64(b), 1) {
			return fmt.Errorf("sample: logit bias: %v for token %d", b, id)
		}
	}
	return nil
}

// TokenProb is a token with the logarithm of its probability.
type TokenProb struct {
	Token   int32
	LogProb float32
}

// Choice is a drawn token. Top, sorted from the most likely, is valid until
// the next draw of the same Sampler.
type Choice struct {
	TokenProb
	Top []TokenProb
}

// Sampler draws the tokens of one request. It is for one goroutine.
type Sampler struct {
	params Params
	rng    *rand.Rand
	bias   []TokenProb // LogitBias in the order of ids
	answer *bag        // tokens of the answer, nil where no penalty asks
	recent *bag        // tokens of the window
	window []int32     // ring of the window's tokens
	oldest int

	probs []float32 // scratch [V]
	ids   []int32   // candidates, with their logits or weights in probs
	top   []TokenProb
}

// New returns the sampler of a request over a vocabulary.
func New(p Params, vocab int) (*Sampler, error) {
	if err := p.Check(vocab); err != nil {
		return nil, err
	}
	s := &Sampler{params: p, rng: rand.New(rand.NewPCG(p.Seed, 0x9e3779b97f4a7c15))}
	for id, b := range p.LogitBias {
		s.bias = append(s.bias, TokenProb{id, b})
	}
	slices.SortFunc(s.bias, func(a, b TokenProb) int { return int(a.Token) - int(b.Token) })
	if p.FrequencyPenalty != 0 || p.PresencePenalty != 0 {
		s.answer = newBag(vocab)
	}
	if s.repeats() {
		s.recent = newBag(vocab)
	}
	if p.Temperature > 0 || p.LogProbs != 0 {
		s.probs = make([]float32, vocab)
	}
	if p.Temperature > 0 {
		s.ids = make([]int32, vocab)
	}
	s.top = make([]TokenProb, 0, max(p.LogProbs, 0))
	return s, nil
}

func (s *Sampler) repeats() bool {
	return s.params.RepetitionPenalty != 0 && s.params.RepetitionPenalty != 1
}

// Prompt tells the sampler what stands before the answer.
func (s *Sampler) Prompt(tokens []int32) {
	if n := s.params.RepeatLast; n > 0 && len(tokens) > n {
		tokens = tokens[len(tokens)-n:]
	}
	for _, id := range tokens {
		s.see(id)
	}
}

// see puts a token into the window of the repetition penalty.
func (s *Sampler) see(id int32) {
	if s.recent == nil {
		return
	}
	s.recent.add(id)
	switch n := s.params.RepeatLast; {
	case n == 0:
	case len(s.window) < n:
		s.window = append(s.window, id)
	default:
		s.recent.remove(s.window[s.oldest])
		s.window[s.oldest] = id
		s.oldest = (s.oldest + 1) % n
	}
}

// Next draws a token and remembers it. logits [V] are changed. mask has a bit
// for each token that is allowed; nil allows all. It fails with ErrNothing or
// ErrNaN.
func (s *Sampler) Next(logits []float32, mask []uint64) (Choice, error) {
	s.adjust(logits)
	if mask != nil {
		forbid(logits, mask)
	}
	best, err := argmax(logits)
	if err != nil {
		return Choice{}, err
	}
	id := best
	if s.params.Temperature > 0 {
		id = s.draw(logits, logits[best])
	}
	c := Choice{TokenProb: TokenProb{Token: id}}
	if s.params.LogProbs != 0 {
		s.report(&c, logits, logits[best])
	}
	if s.answer != nil {
		s.answer.add(id)
	}
	s.see(id)
	return c, nil
}

// adjust applies the bias and the penalties.
func (s *Sampler) adjust(logits []float32) {
	if s.recent != nil {
		r := float32(s.params.RepetitionPenalty)
		for _, id := range s.recent.list {
			if logits[id] > 0 {
				logits[id] /= r
			} else {
				logits[id] *= r
			}
		}
	}
	if s.answer != nil {
		freq, pres := float32(s.params.FrequencyPenalty), float32(s.params.PresencePenalty)
		for _, id := range s.answer.list {
			logits[id] -= freq*float32(s.answer.count[id]) + pres
		}
	}
	for _, b := range s.bias {
		logits[b.Token] += b.LogProb
	}
}

var minusInf = float32(math.Inf(-1))

// forbid makes what the mask does not have impossible.
func forbid(logits []float32, mask []uint64) {
	for w := 0; w*64 < len(logits); w++ {
		bits := uint64(0)
		if w < len(mask) {
			bits = mask[w]
		}
		if bits == ^uint64(0) {
			continue
		}
		part := logits[w*64 : min(w*64+64, len(logits))]
		if bits == 0 {
			for i := range part {
				part[i] = minusInf
			}
			continue
		}
		for i := range part {
			if bits>>i&1 == 0 {
				part[i] = minusInf
			}
		}
	}
}

// argmax returns the most likely token. A NaN anywhere is an error: its model
// is broken, and a draw from the rest would hide it.
func argmax(logits []float32) (int32, error) {
	best, at := minusInf, -1
	for i, l := range logits {
		if l > best {
			best, at = l, i
		} else if l != l {
			return 0, ErrNaN
		}
	}
	switch {
	case at < 0:
		return 0, ErrNothing
	case math.IsInf(float64(best), 1):
		return 0, ErrNaN
	}
	return int32(at), nil
}

// report fills in the log probabilities.
func (s *Sampler) report(c *Choice, logits []float32, best float32) {
	sum := weigh(s.probs[:len(logits)], logits, 1, best)
	norm := float32(math.Log(sum)) + best
	c.LogProb = logits[c.Token] - norm
	n := s.params.LogProbs
	if n < 0 {
		return
	}
	top := s.top[:0]
	for i, l := range logits {
		if len(top) == n && l <= top[n-1].LogProb {
			continue
		}
		if l == minusInf {
			continue
		}
		if len(top) < n {
			top = append(top, TokenProb{})
		}
		j := len(top) - 1
		for ; j > 0 && top[j-1].LogProb < l; j-- {
			top[j] = top[j-1]
		}
		top[j] = TokenProb{int32(i), l}
	}
	for i := range top {
		top[i].LogProb -= norm
	}
	s.top, c.Top = top, top
}

// draw returns a token at random.
func (s *Sampler) draw(logits []float32, best float32) int32 {
	u := s.rng.Float64()
	scale := min(float32(1/s.params.Temperature), 1e30)
	k, p, m := s.params.TopK, s.params.TopP, s.params.MinP
	k, p = either(k > 0 && k < len(logits), k, 0), either(p > 0 && p < 1, p, 1)
	if k == 0 && p == 1 && m == 0 {
		w := s.probs[:len(logits)]
		return int32(pick(w, u*weigh(w, logits, scale, best)))
	}
	var ids []int32
	var w []float32
	var sum float64
	switch {
	case k > 0:
		ids, w = s.best(logits, k)
		sum = weigh(w, w, scale, best)
	case p < 1:
		// all tokens below this weight have less than 1-p of the mass together
		w = s.probs[:len(logits)]
		sum = weigh(w, logits, scale, best)
		ids, w = s.gather(w, float32((1-p)*sum/float64(len(w))))
	default:
		ids, w = s.gather(logits, best+float32(math.Log(m))/scale)
		sum = weigh(w, w, scale, best)
	}
	if p < 1 {
		n := selectMass(w, ids, p*sum)
		ids, w = ids[:n], w[:n]
	}
	if m > 0 {
		n, least := 0, float32(m)*vec.MaxVal(w)
		for i, x := range w {
			if x >= least {
				ids[n], w[n] = ids[i], x
				n++
			}
		}
		ids, w = ids[:n], w[:n]
	}
	sum = 0
	for _, x := range w {
		sum += float64(x)
	}
	return ids[pick(w, u*sum)]
}

func either[T any](ok bool, a, b T) T {
	if ok {
		return a
	}
	return b
}

// weigh computes w = e^(scale*(x-best)) and returns the sum.
func weigh(w, x []float32, scale, best float32) float64 {
	if float64(scale)*math.Abs(float64(best)) < 1e3 {
		return float64(vec.ExpSum(w, x, scale, scale*best))
	}
	var sum float64 // tiny temperatures: the difference first
	for i, v := range x {
		e := float32(math.Exp(float64(scale) * float64(v-best)))
		w[i] = e
		sum += float64(e)
	}
	return sum
}

// gather lists the tokens whose value reaches the least one, in the order of
// ids, with their values. It may work in place.
func (s *Sampler) gather(values []float32, least float32) (ids []int32, w []float32) {
	n := 0
	ids, w = s.ids, s.probs
	for i, v := range values {
		if v >= least {
			ids[n], w[n] = int32(i), v
			n++
		}
	}
	return ids[:n], w[:n]
}

// best lists the k most likely tokens with their logits.
func (s *Sampler) best(logits []float32, k int) (ids []int32, w []float32) {
	if k > maxHeap {
		ids, w = s.gather(logits, minusInf)
		selectTop(w, ids, k)
		return ids[:k], w[:k]
	}
	ids, w = s.ids[:k], s.probs[:k]
	for i := range k {
		ids[i], w[i] = int32(i), logits[i]
	}
	for i := k/2 - 1; i >= 0; i-- {
		sink(w, ids, i)
	}
	worst := w[0]
	for i, l := range logits[k:] {
		if l > worst { // of equals the lower id stays
			ids[0], w[0] = int32(k+i), l
			sink(w, ids, 0)
			worst = w[0]
		}
	}
	return ids, w
}

// pick returns the index at which the running sum of the weights passes at.
func pick(w []float32, at float64) int {
	last := 0
	for i, x := range w {
		if x == 0 {
			continue
		}
		if at -= float64(x); at < 0 {
			return i
		}
		last = i
	}
	return last // rounding
}
