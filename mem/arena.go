// Package mem gives numeric code memory outside the Go heap: arenas that are
// emptied once a step, and files mapped for reading.
//
// Weights and activations on the Go heap would double the footprint before
// each collection and be zeroed and faulted in anew at every step, which costs
// 19-69 % of a training step; anonymous maps with huge pages also read a fifth
// faster.
package mem

import (
	"unsafe"

	"kuai/internal/check"
)

// Align is the alignment of everything an arena hands out: a cache line, and
// the widest vector.
const Align = 64

// Arena hands out memory that is given back all at once. It belongs to one
// goroutine at a time. Memory is not zeroed: it holds what was there before.
type Arena struct {
	buf  []byte
	used int
}

// NewArena reserves address space for limit bytes; pages are taken from the
// system as they are first written. It panics where the system has no such
// space left.
func NewArena(limit int) *Arena {
	buf, err := reserve(limit)
	check.True(err == nil, "mem: %d bytes of address space: %v", limit, err)
	return &Arena{buf: buf}
}

// Close gives the memory back. What was made from the arena must not be used
// any more.
func (a *Arena) Close() {
	release(a.buf)
	a.buf, a.used = nil, 0
}

// Mark is a point in an arena's life, to go back to.
type Mark int

// Mark returns the present point.
func (a *Arena) Mark() Mark { return Mark(a.used) }

// Release gives back everything made since the mark.
func (a *Arena) Release(m Mark) { a.used = int(m) }

// Used returns how many bytes are handed out.
func (a *Arena) Used() int { return a.used }

// Make returns n values of T from the arena, aligned and not zeroed, or from
// the Go heap for a nil arena. T must hold no pointers. An arena that is full
// is the caller's bug and panics.
func Make[T any](a *Arena, n int) []T {
	if a == nil {
		return make([]T, n)
	}
	var zero T
	size := n * int(unsafe.Sizeof(zero))
	begin := (a.used + Align - 1) &^ (Align - 1)
	if size < 0 || begin+size > len(a.buf) { // no check.True: its arguments would go to the heap each time
		check.Fail("mem: arena of %d bytes is full: %d used, %d more wanted", len(a.buf), a.used, size)
	}
	a.used = begin + size
	if size == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&a.buf[begin])), n)
}
