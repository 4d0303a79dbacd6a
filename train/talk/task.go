package talk

import (
	"fmt"
	"math/rand/v2"

	"kuai/companion"
	"kuai/grad"
	"kuai/nn"
	"kuai/token"
	"kuai/train"
)

// balanceRate is how far a bias of the router moves in a step.
const balanceRate = 1e-3

// Source draws documents of one kind.
type Source struct {
	Name  string
	Share float64 // of the text, in bytes
	// Draw returns documents from the generator's state.
	Draw func(r *rand.Rand) companion.Sample
	// Fit, which only Recall has, draws a document of at most about so many bytes.
	Fit func(r *rand.Rand, bytes int) companion.Sample
}

// Stage is a part of a training whose rows have one length.
type Stage struct {
	Until  float64 // share of the steps
	Length int     // tokens of a row
	Only   string  // the one source that is drawn from, or "" for all by their shares
	Recall float64 // share of the rows that begin with a text of Recall that fills them
}

// Task trains a model on sources.
type Task struct {
	Model   *Model
	Sources []Source
	Tokens  int // of a step
	Steps   int // of the training
	Stages  []Stage
	Seed    uint64

	codec   *Codec
	chances []float64 // of the sources
}

// NewTask returns a task; the vocabulary must have the control tokens.
func NewTask(m *Model, t *token.Tokenizer, sources []Source, tokens, steps int, stages []Stage, seed uint64) (*Task, error) {
	codec, err := NewCodec(t)
	if err != nil {
		return nil, err
	}
	if t.Size() != m.Config.VocabSize {
		return nil, fmt.Errorf("talk: %d tokens in the vocabulary, %d in the model", t.Size(), m.Config.VocabSize)
	}
	return &Task{Model: m, Sources: sources, Tokens: tokens, Steps: steps, Stages: stages, Seed: seed, codec: codec, chances: chances(sources)}, nil
}

// Batch is the rows of a step.
type Batch struct {
	Rows, Length int
	IDs, Labels  []int32          // [B, T]
	Weights      []float32        // [B, T], of the labels
	Roles        []companion.Role // [B, T]
}

// Module returns what is trained.
func (k *Task) Module() any { return k.Model }

// stage returns the stage of a step.
func (k *Task) stage(step int) Stage {
	for _, s := range k.Stages {
		if float64(step) < s.Until*float64(k.Steps) {
			return s
		}
	}
	return k.Stages[len(k.Stages)-1]
}

// Batch draws the rows of a step.
func (k *Task) Batch(step int) (Batch, error) {
	stage := k.stage(step)
	length := stage.Length
	rows := max(1, k.Tokens/length)
	n := rows * length
	b := Batch{
		Rows: rows, Length: length, IDs: make([]int32, n), Labels: make([]int32, n),
		Weights: make([]float32, n), Roles: make([]companion.Role, n),
	}
	var pieces []piece
	for row := range rows {
		r := rand.New(rand.NewPCG(k.Seed, uint64(step)<<20|uint64(row)))
		pieces = pieces[:0]
		if stage.Recall > 0 && r.Float64() < stage.Recall {
			pieces = k.recall(pieces, r, length)
		}
		pieces = k.row(pieces, r, stage.Only, length+1)
		for i := range length {
			at, next := row*length+i, pieces[i+1]
			b.IDs[at], b.Labels[at] = pieces[i].id, next.id
			b.Weights[at], b.Roles[at] = next.weight, next.role
		}
	}
	return b, nil
}

// row fills n tokens with whole documents but for the last.
func (k *Task) row(pieces []piece, r *rand.Rand, only string, n int) []piece {
	for len(pieces) < n {
		pieces = k.codec.document(pieces, k.draw(r, only))
	}
	return pieces[:n]
}

// rowBytes is what a token takes of a text to recall from, less than most do:
// a text that is cut off loses its questions.
const rowBytes = 3.1

// recall begins a row with a text of the source Recall.
func (k *Task) recall(pieces []piece, r *rand.Rand, length int) []piece {
	for _, s := range k.Sources {
		if s.Fit != nil {
			return k.codec.document(pieces, s.Fit(r, int(rowBytes*float64(length))))
		}
	}
	return pieces
}

// draw takes a document of the source of a name, or of any.
func (k *Task) draw(r *rand.Rand, only string) companion.Sample {
	for _, s := range k.Sources {
		if only != "" && s.Name == only {
			return s.Draw(r)
		}
	}
	if k.chances == nil {
		k.chances = chances(k.Sources)
	}
	at := r.Float64()
	for i, p := range k.chances {
		if at -= p; at < 0 {
			return k.Sources[i].Draw(r)
		}
	}
	return k.Sources[len(k.Sources)-1].Draw(r)
}

// chances turns shares of the text into shares of the documents, by the mean
// length of some of each source.
func chances(sources []Source) []float64 {
	const some = 256
	p := make([]float64, len(sources))
	var all float64
	for i, s := range sources {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		bytes := 1
		for range some {
			for _, part := range s.Draw(r) {
				bytes += len(part.Text)
			}
		}
		p[i] = s.Share / float64(bytes)
		all += p[i]
	}
	for i := range p {
		p[i] /= all
	}
	return p
}

// Work counts the tokens of a batch and its arithmetic.
func (k *Task) Work(b Batch) train.Work {
	n := float64(len(b.IDs))
	return train.Work{Items: n, Unit: "tokens", FLOPs: n * k.Model.Config.flops(b.Length)}
}

// Loss is the weighted cross entropy of the next tokens. It also moves the
// routers' biases, by what this pass chose.
func (k *Task) Loss(t *grad.Tape, _ int, b Batch) (*grad.Var, []train.Metric, error) {
	x := k.Model.Forward(t, b.IDs, b.Rows, b.Length)
	nats := make([]float32, len(b.IDs))
	loss := nn.HeadLoss(t, x, k.Model.Embed.W, b.Labels, b.Weights, float32(k.Model.Config.SoftCap), nats)
	busiest := 0.0
	for _, l := range k.Model.Layers {
		if l.Experts != nil {
			busiest = max(busiest, l.Experts.Busiest())
			l.Experts.Balance(balanceRate)
		}
	}
	var sum [len(roleTokens)]float64
	var count [len(roleTokens)]int
	for i, w := range b.Weights {
		if w > 0 {
			sum[b.Roles[i]] += float64(nats[i])
			count[b.Roles[i]]++
		}
	}
	mean := func(r companion.Role) float64 { return sum[r] / float64(max(count[r], 1)) }
	return loss, []train.Metric{
		{Name: "reply", Value: mean(companion.Assistant)},
		{Name: "extract", Value: mean(companion.Extract)},
		{Name: "text", Value: mean(companion.Text)},
		{Name: "busiest", Value: busiest},
	}, nil
}
