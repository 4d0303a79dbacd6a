// Package learn trains what finds written replies (character/apt): vectors for ways
// to say the same, by contrast with other situations (train/embed), and nets that
// weigh how two texts compare.
package learn

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"kuai/character/apt"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/embedder"
	"kuai/format/safetensors"
	"kuai/grad"
	"kuai/models"
	"kuai/nn"
	"kuai/par"
	"kuai/train"
	"kuai/train/embed"
)

// Options say how much is trained, and where it is kept.
type Options struct {
	Dir   string
	Steps int // of the vectors
	Pairs int // of a language in a step
	Rate  float64
	Lines int // of a language, whose comparisons the nets learn from
	Pool  *par.Pool
	Seed  uint64
	Every time.Duration
	View  io.Writer

	netSteps int // 0 is as many as it takes
}

const (
	netSteps = 3000
	netRate  = 3e-3
	netRows  = 4096 // of a language in a step
)

// Train trains the vectors and then the nets, or goes on.
func Train(ctx context.Context, o Options) (train.Result, error) {
	dir := filepath.Join(o.Dir, "vectors")
	res, err := embed.Train(ctx, embed.Options{
		Dir: dir, Steps: o.Steps, Pairs: o.Pairs, Rate: o.Rate, Alike: true, Init: models.Embedder(),
		Pool: o.Pool, Seed: o.Seed, Every: o.Every, View: o.View,
	})
	if err != nil {
		return res, err
	}
	v, err := vectors(dir)
	if err != nil {
		return res, err
	}
	k := newTask(v, o.Lines, o.Seed)
	steps := cmp.Or(o.netSteps, netSteps)
	return train.Run(ctx, train.Config{
		Dir: filepath.Join(o.Dir, "nets"), Steps: steps, Rate: netRate, Warmup: min(100, steps/10), Decay: steps / 2,
		Weight: 0.01, Clip: 1, Every: o.Every, Pool: o.Pool, View: o.View,
	}, k)
}

// vectors are those of the newest checkpoint, as they are when they are read from
// a model's file.
func vectors(dir string) (*embedder.Model, error) {
	tmp, err := os.MkdirTemp(dir, "export-")
	if err != nil {
		return nil, fmt.Errorf("learn: %w", err)
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // left behind, it is in the training's own directory
	if err := embed.Export(dir, tmp); err != nil {
		return nil, err
	}
	return embedder.Open(os.DirFS(tmp))
}

// task trains the nets.
type task struct {
	nets *nets
	rows [2][]apt.Example
	seed uint64
}

type nets struct {
	Nets [2]*apt.Net `name:"nets"`
}

func newTask(v *embedder.Model, lines int, seed uint64) *task {
	m := apt.NewModel(v, seed)
	k := &task{nets: &nets{m.Nets}, seed: seed}
	for l := range fact.Language(2) {
		r := rand.New(rand.NewPCG(seed, uint64(l))) //nolint:gosec // no secrets
		for _, all := range apt.NewIndex(l, m, companion.Situations(l)).Examples(r, lines, companion.Train) {
			k.rows[l] = append(k.rows[l], all...)
		}
	}
	return k
}

// Module returns the nets.
func (k *task) Module() any { return k.nets }

type batch [2]struct {
	x      []float32
	labels []int32
}

// Batch draws comparisons.
func (k *task) Batch(step int) (b batch, err error) {
	r := rand.New(rand.NewPCG(k.seed, uint64(step))) //nolint:gosec // no secrets
	for l := range b {
		for range netRows {
			e := k.rows[l][r.IntN(len(k.rows[l]))]
			label := int32(0)
			if e.Same {
				label = 1
			}
			b[l].x, b[l].labels = append(b[l].x, e.Features[:]...), append(b[l].labels, label)
		}
	}
	return b, nil
}

// Loss is the cross entropy of whether it is the same situation.
func (k *task) Loss(t *grad.Tape, _ int, b batch) (*grad.Var, []train.Metric, error) {
	var sum *grad.Var
	var metrics []train.Metric
	for l := range b {
		x := t.New(netRows, apt.Features)
		copy(x.X, b[l].x)
		loss := nn.CrossEntropy(t, k.nets.Nets[l].Forward(t, x), b[l].labels)
		metrics = append(metrics, train.Metric{Name: [...]string{"en", "zh"}[l], Value: float64(loss.X[0])})
		if sum == nil {
			sum = loss
		} else {
			sum = nn.Add(t, sum, loss)
		}
	}
	return sum, metrics, nil
}

// Export writes the newest vectors and nets as a model's directory.
func Export(dir, to string) error {
	v, err := vectors(filepath.Join(dir, "vectors"))
	if err != nil {
		return err
	}
	all := train.Checkpoints(filepath.Join(dir, "nets"))
	if len(all) == 0 {
		return fmt.Errorf("learn: no checkpoint in %s", dir)
	}
	f, err := safetensors.Read(filepath.Join(all[0], train.ModelFile))
	if err != nil {
		return err
	}
	m := apt.NewModel(v, 0)
	if err := nn.Load(&nets{m.Nets}, f); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("learn: %w", err)
	}
	return apt.SaveModel(to, m)
}
