package apt

import (
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"path/filepath"

	"kuai/embedder"
	"kuai/format/safetensors"
	"kuai/grad"
	"kuai/nn"
)

// Model tells what is said in other words: vectors that were trained for ways to
// say the same, and for each language a net that weighs how two texts compare.
type Model struct {
	Vectors *embedder.Model `name:"vectors"`
	Nets    [2]*Net         `name:"nets"`
}

const modelFile = "model.safetensors"

// NewModel returns a model whose nets are random.
func NewModel(vectors *embedder.Model, seed uint64) *Model {
	m := &Model{Vectors: vectors}
	for i := range m.Nets {
		m.Nets[i] = newNet(rand.New(rand.NewPCG(seed, uint64(i)))) //nolint:gosec // no secrets
	}
	return m
}

// OpenModel reads a model from a directory. Damaged weights wrap
// safetensors.ErrDamaged.
func OpenModel(dir fs.FS) (*Model, error) {
	data, err := fs.ReadFile(dir, modelFile)
	if err != nil {
		return nil, fmt.Errorf("apt: %w", err)
	}
	f, err := safetensors.Parse(data)
	m := NewModel(embedder.New(0), 0)
	if err == nil {
		err = nn.Load(m, f)
	}
	if err != nil {
		return nil, fmt.Errorf("apt: %s: %w", modelFile, err)
	}
	return m, nil
}

// SaveModel writes a model into a directory that exists: the vectors as int8, the
// nets as they are.
func SaveModel(dir string, m *Model) error {
	return safetensors.Write(filepath.Join(dir, modelFile), nn.Int8Tensors(m, 1<<16), nil)
}

// Net is what two texts have in common, weighed: logits of [another situation, the
// same] from Features numbers, by one hidden layer and past it.
type Net struct {
	In   *nn.Linear `name:"in"`
	Out  *nn.Linear `name:"out"`
	Past *nn.Linear `name:"past"`
}

const hidden = 24

func newNet(r *rand.Rand) *Net {
	return &Net{nn.NewLinear(r, Features, hidden, true), nn.NewLinear(r, hidden, 2, true), nn.NewLinear(r, Features, 2, false)}
}

// Forward returns the logits [N, 2] of comparisons [N, Features].
func (n *Net) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	return nn.Add(t, n.Out.Forward(t, nn.ReLU(t, n.In.Forward(t, x))), n.Past.Forward(t, x))
}

// Likely is how likely two texts say the same.
func (n *Net) Likely(f *[Features]float32) float32 {
	var z [2]float32
	for c := range z {
		z[c] = n.Out.B.X[c] + dot(n.Past.W.X[c*Features:], f[:])
	}
	for h := range hidden {
		v := n.In.B.X[h] + dot(n.In.W.X[h*Features:], f[:])
		if v > 0 {
			z[0] += v * n.Out.W.X[h]
			z[1] += v * n.Out.W.X[hidden+h]
		}
	}
	return float32(1 / (1 + math.Exp(float64(z[0]-z[1]))))
}

func dot(w, x []float32) (sum float32) {
	for i, v := range x {
		sum += w[i] * v
	}
	return sum
}
