package embedder

import (
	"math"
	"math/rand/v2"

	"kuai/grad"
	"kuai/kernel/vec"
	"kuai/nn"
)

// Width is that of the vectors.
const Width = 128

// Model is the two tables. Read only, it may be used by any number of
// goroutines, each with its own Splitter.
type Model struct {
	Words  *nn.Embedding `name:"words"`
	Pieces *nn.Embedding `name:"pieces"`
}

// New returns a model with random rows.
func New(seed uint64) *Model {
	r := rand.New(rand.NewPCG(seed, 0xE3BED))
	return &Model{Words: nn.NewEmbedding(r, wordRows, Width), Pieces: nn.NewEmbedding(r, pieceRows, Width)}
}

// Batch is the features of some texts.
type Batch struct {
	N                     int
	words, pieces         []int32
	wordsFrom, piecesFrom []int32
}

// Add cuts a text and returns its number in the batch.
func (b *Batch) Add(s *Splitter, text string) int {
	if b.N == 0 {
		b.wordsFrom, b.piecesFrom = []int32{0}, []int32{0}
	}
	b.words, b.pieces = s.features(b.words, b.pieces, text)
	b.wordsFrom = append(b.wordsFrom, int32(len(b.words)))
	b.piecesFrom = append(b.piecesFrom, int32(len(b.pieces)))
	b.N++
	return b.N - 1
}

// Features is how many rows the batch looks up.
func (b *Batch) Features() int { return len(b.words) + len(b.pieces) }

// Forward returns the texts' vectors [N, D], of whatever length.
func (m *Model) Forward(t *grad.Tape, b *Batch) *grad.Var {
	return nn.Add(t, m.Words.Bag(t, b.words, b.wordsFrom), m.Pieces.Bag(t, b.pieces, b.piecesFrom))
}

// Vector is a text's: bytes are 127 times the numbers, whose squares sum up to 1.
type Vector [Width]int8

// Encode returns a text's vector; zero for a text without words.
func (m *Model) Encode(s *Splitter, text string) (v Vector) {
	words, pieces := s.features(nil, nil, text)
	var x [Width]float32
	mean(x[:], m.Words.W.X, words)
	mean(x[:], m.Pieces.W.X, pieces)
	norm := math.Sqrt(float64(vec.SumSquares(x[:])))
	if norm == 0 {
		return v
	}
	scale := float32(127 / norm)
	for i, f := range x {
		v[i] = int8(math.RoundToEven(float64(f * scale)))
	}
	return v
}

func mean(x, table []float32, rows []int32) {
	weight := 1 / float32(max(len(rows), 1))
	for _, r := range rows {
		vec.Axpy(x, weight, table[int(r)*Width:][:Width])
	}
}

// Near is the cosine between two vectors, about.
func Near(a, b *Vector) float32 {
	var sum int32
	for i, x := range a {
		sum += int32(x) * int32(b[i])
	}
	return float32(sum) / (127 * 127)
}
