package talk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/format/atomicfile"
	"kuai/grad"
	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/nn"
)

// Variant is the architecture with one part changed.
type Variant struct {
	Name, What string
	change     func(c *Config)
}

// Dense names the variant without experts.
const Dense = "dense"

func dense(c *Config) { c.Experts, c.FeedForward = 0, c.ExpertsUsed*c.ExpertWidth }

// Variants are the changes that ablations compare, the unchanged first.
func Variants() []Variant {
	return []Variant{
		{"base", "the architecture as it is", func(*Config) {}},
		{"no-convolution", "without the short convolutions over q, k and v", func(c *Config) { c.ConvKernel = 0 }},
		{"rotary", "the full layer with rotary positions, without log n", func(c *Config) { c.Ablation = rotaryFull }},
		{"no-log", "the full layer without log n", func(c *Config) { c.Ablation = noLog }},
		{Dense, "one feed-forward of as many active weights in place of the experts", dense},
		{"no-bigrams", "without the table of pairs of tokens", func(c *Config) { c.BigramRows = 0 }},
		{"value-embeddings", "each second layer with values of its own for each token", func(c *Config) {
			for i := 1; i < c.Layers; i += 2 {
				c.ValueEmbedding = append(c.ValueEmbedding, i)
			}
		}},
	}
}

// Ablations say how variants are compared. What is trained, and on what, Options
// say; Steps follow from the budget.
type Ablations struct {
	Options
	Dense     bool          // every variant is without experts too: recall begins sooner
	Budget    time.Duration // of a training
	Corpora   []*Corpus     // whose held-out parts are measured
	Documents int           // of each
	Lengths   []int         // of the recall ladder, tokens
}

// Ablation is what came of a variant.
type Ablation struct {
	Variant
	Weights int
	Step    time.Duration // of training, at its best
	Steps   int
	Trained time.Duration
	Bits    map[string]float64 // a byte, of each corpus
	Recall  map[int]Recalled   // by length
}

// Recalled are questions about made-up pairs.
type Recalled struct{ Right, Of int }

// ablationStages have rows of pairs alone first, as every training, then rows
// of which half are to be recalled from.
var ablationStages = []Stage{{0.4, 256, Copying, 0}, {0.8, 512, "", 0.5}, {1, 1024, "", 0.5}}

// timingSteps of training say what a step costs; timingRounds of them are made
// in turns, and the best counts, since others may share the machine.
const (
	timingSteps  = 4
	timingRounds = 3
)

// timesFile keeps what a step costs, by variant: a comparison that goes on has the
// steps that it began with.
const timesFile = "times.json"

// Times measures what a step of each variant costs, in turns, or returns what was
// measured when the comparison of them began.
func (a Ablations) Times(ctx context.Context, variants []Variant) ([]time.Duration, error) {
	best := make([]time.Duration, len(variants))
	kept := map[string]time.Duration{}
	path := filepath.Join(a.Dir, timesFile)
	if data, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(data, &kept); err != nil {
			return nil, fmt.Errorf("talk: %s: %w", path, err)
		}
	}
	known := true
	for i, v := range variants {
		best[i] = kept[v.Name]
		known = known && best[i] > 0
	}
	if known {
		return best, nil
	}
	clear(best)
	for range timingRounds {
		for i, v := range variants {
			dir, err := os.MkdirTemp(a.Dir, "timing-*")
			if err != nil {
				return nil, fmt.Errorf("talk: %w", err)
			}
			o := a.of(v, dir)
			o.Steps, o.View = timingSteps, nil
			task, err := o.task(ctx)
			if err == nil {
				begin := time.Now()
				_, err = o.run(ctx, task)
				if d := time.Since(begin) / timingSteps; best[i] == 0 || d < best[i] {
					best[i] = d
				}
			}
			if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
				return nil, err
			}
		}
	}
	for i, v := range variants {
		kept[v.Name] = best[i]
	}
	data, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("talk: %w", err)
	}
	return best, atomicfile.WriteBytes(path, data)
}

// of are the options of a variant's training in a directory, with the vocabulary
// of all.
func (a Ablations) of(v Variant, dir string) Options {
	o := a.Options
	o.Dir, o.Change, o.rows = dir, v.change, ablationStages
	if a.Dense {
		o.Change = func(c *Config) { dense(c); v.change(c) }
	}
	return o
}

// Ablate trains a variant for the budget, or goes on, and measures it.
func (a Ablations) Ablate(ctx context.Context, v Variant, step time.Duration) (Ablation, error) {
	o := a.of(v, filepath.Join(a.Dir, v.Name))
	o.Steps = max(1, int(a.Budget/step))
	task, err := o.task(ctx)
	if err != nil {
		return Ablation{}, err
	}
	res, err := o.run(ctx, task)
	if err != nil {
		return Ablation{}, err
	}
	out := Ablation{Variant: v, Weights: nn.Count(nn.Params(task.Model)), Step: step, Steps: res.Steps, Trained: res.Trained, Bits: map[string]float64{}, Recall: map[int]Recalled{}}
	m := &measured{task: task, arena: mem.NewArena(measureArena)}
	defer m.arena.Close()
	m.tape = grad.NewForward(o.Pool, m.arena, gemm.F32)
	for _, c := range a.Corpora {
		if out.Bits[c.Name], err = m.bits(ctx, c, a.Documents); err != nil {
			return out, err
		}
	}
	for _, n := range a.Lengths {
		out.Recall[n] = m.recall(n, a.Seed)
	}
	return out, nil
}

// Share keeps the vocabulary, which is learned once, in the directory of each.
func (a Ablations) Share(ctx context.Context, variants []Variant) error {
	if _, err := a.Tokenizer(ctx); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(a.Dir, tokenizerFile))
	for _, v := range variants {
		dir := filepath.Join(a.Dir, v.Name)
		err = errors.Join(err, os.MkdirAll(dir, 0o755), atomicfile.WriteBytes(filepath.Join(dir, tokenizerFile), data))
	}
	if err != nil {
		return fmt.Errorf("talk: %w", err)
	}
	return nil
}

const (
	measureArena = 8 << 30 // address space
	// longest is how many tokens of a held-out document count.
	longest = 1024
	// rowUnit is what rows are filled up to, so that few lengths have tables.
	rowUnit = 128
)

// measured is a model that was trained, as it is in training.
type measured struct {
	task  *Task
	tape  *grad.Tape
	arena *mem.Arena
}

// states are the last hidden states [T, D] of a row.
func (m *measured) states(ids []int32) *grad.Var {
	for len(ids)%rowUnit != 0 {
		ids = append(ids, m.task.codec.End)
	}
	x := m.task.Model.Forward(m.tape, ids, 1, len(ids))
	return nn.Reshape(m.tape, x, len(ids), m.task.Model.Config.HiddenSize)
}

// bits is what a byte of a corpus's held-out part costs.
func (m *measured) bits(ctx context.Context, c *Corpus, documents int) (float64, error) {
	var sum float64
	bytes := 0
	for i := range documents {
		d, ok := c.Held(i)
		if !ok {
			break
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		ids, scored := m.task.codec.Scored(d)
		ids, scored = ids[:min(len(ids), longest)], scored[:min(len(ids), longest)]
		x := m.states(ids)
		rows := x.Dim(0)
		labels, weights, nats := make([]int32, rows), make([]float32, rows), make([]float32, rows)
		for j := 1; j < len(ids); j++ {
			if labels[j-1] = ids[j]; scored[j] {
				weights[j-1] = 1
				if ids[j] != m.task.codec.End {
					bytes += len(m.task.codec.Tokenizer.Decode([]int32{ids[j]}))
				}
			}
		}
		nn.HeadLoss(m.tape, x, m.task.Model.Embed.W, labels, weights, float32(m.task.Model.Config.SoftCap), nats)
		for j, n := range nats {
			if weights[j] > 0 {
				sum += float64(n)
			}
		}
		m.tape.Reset()
	}
	return sum / math.Ln2 / float64(max(bytes, 1)), nil
}

// recall asks for made-up pairs among chatter of about so many tokens: an answer
// counts if each of its tokens is the likeliest after those before it.
func (m *measured) recall(length int, seed uint64) (out Recalled) {
	const pairs, least, bytesOfToken, texts = 96, 20, 3, 4
	for text := range uint64(texts) {
		r := rand.New(rand.NewPCG(seed, text<<32|uint64(length)))
		n := min(pairs, max(1, length/least))
		l := companion.NewLadder(r, companion.Test, fact.English, n, max(0, (length-10*n)*bytesOfToken))
		codec := m.task.codec
		ids := codec.Append([]int32{codec.Begin}, companion.Sample{{Role: companion.Text, Text: strings.Join(l.Lines, "\n")}})
		var from, to []int // of the answers' tokens
		for _, i := range r.Perm(n)[:min(n, 24)] {
			ids = codec.Append(ids, companion.Sample{{Role: companion.User, Text: l.Keys[i]}})
			ids = append(ids, codec.Roles[companion.Assistant])
			from = append(from, len(ids))
			ids = append(append(ids, codec.Tokenizer.Encode(l.Values[i], false)...), codec.End)
			to = append(to, len(ids))
		}
		x := m.states(ids)
		for i := range from {
			right := true
			for j := from[i]; j < to[i] && right; j++ {
				right = m.likeliest(x, j-1) == ids[j]
			}
			out.Of++
			if right {
				out.Right++
			}
		}
		m.tape.Reset()
	}
	return out
}

// likeliest is the token that follows a position.
func (m *measured) likeliest(x *grad.Var, position int) int32 {
	d := m.task.Model.Config.HiddenSize
	h, table := x.X[position*d:][:d], m.task.Model.Embed.W.X
	best, at := float32(math.Inf(-1)), int32(0)
	for id := range m.task.Model.Config.VocabSize {
		var s float32
		for i, v := range table[id*d:][:d] {
			s += v * h[i]
		}
		if s > best {
			best, at = s, int32(id)
		}
	}
	return at
}
