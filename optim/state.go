package optim

import (
	"kuai/mem"
	"kuai/nn"
	"kuai/par"
)

// Slot is one named part of an optimiser's memory. X may be read and written
// between steps.
type Slot struct {
	Name  string
	Shape []int
	X     []float32
}

// newSlots returns a zeroed slot for each parameter, named after it with a
// suffix, outside the Go heap for as long as the process runs.
func newSlots(params []nn.Named, suffix string) []Slot {
	size := 0
	for _, p := range params {
		size += 4*p.P.Len() + mem.Align
	}
	arena := mem.NewArena(max(size, mem.Align))
	slots := make([]Slot, len(params))
	for i, p := range params {
		slots[i] = Slot{p.Name + suffix, p.P.Shape, mem.Make[float32](arena, p.P.Len())}
		clear(slots[i].X)
	}
	return slots
}

// piece is the part [i, j) of parameter p.
type piece struct{ p, i, j int }

// pieceLen is how many values one task updates.
const pieceLen = 32 << 10

// pieces cuts parameters into tasks of similar length.
func pieces(params []nn.Named) []piece {
	var all []piece
	for p := range params {
		n := params[p].P.Len()
		for i := 0; i < n; i += pieceLen {
			all = append(all, piece{p, i, min(i+pieceLen, n)})
		}
	}
	return all
}

// each runs f on all pieces with all workers.
func each(pool *par.Pool, all []piece, f func(k int, at piece)) {
	pool.Do(len(all), func(task, _ int) { f(task, all[task]) })
}
