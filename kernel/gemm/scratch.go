package gemm

import "sync"

// scratch is what one task works in.
type scratch struct {
	a    []float32 // rows of A: one tile's, or four transposed ones'
	row  []float32 // one gathered row before rounding
	rows []float32 // 32 rows of B on their way to a panel
	tail [panel]float32
	c    [maxRows * panel]float32 // an edge tile, for instruction sets without masks

	tilesEnd int // row of A after those that pairTiles has packed
}

func newScratch() *scratch {
	return &scratch{
		a:    aligned(make([]float32, transposedTiles*(blockLanes*maxRows+lanePad)+2*lanePad)),
		row:  make([]float32, 2*blockLanes+panel),
		rows: aligned(make([]float32, panel*(laneChunk+lanePad)+lanePad)),
	}
}

// freeList keeps what products work in from call to call. A sync.Pool would
// forget it at every collection, and a training step must not allocate.
type freeList[T any] struct {
	make func() *T
	mu   sync.Mutex
	free []*T
}

func (l *freeList[T]) get() *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free) - 1
	if n < 0 {
		return l.make()
	}
	x := l.free[n]
	l.free = l.free[:n]
	return x
}

func (l *freeList[T]) put(x *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, x)
}

var (
	scratches = freeList[scratch]{make: newScratch}
	packed    = freeList[Weights]{make: func() *Weights { return &Weights{} }}
	jobs      = freeList[job]{make: newJob}
)
