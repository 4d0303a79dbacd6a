// Package isa tells the kernels which instruction sets to use. The choice is
// made once at start-up from the CPU; KUAI_ISA=generic, avx2 or avx512 forces
// a lower one, and tests go through all of them with [ForEach].
package isa

import (
	"fmt"
	"os"
	"sync/atomic"
)

// Level is a set of instructions that kernels are written for.
type Level int32

// The levels, each including those before it.
const (
	Generic Level = iota // plain Go
	AVX2                 // AVX2 and FMA
	AVX512               // AVX-512 F, BW, DQ and VL
)

// String returns the name that KUAI_ISA takes.
func (l Level) String() string {
	return [...]string{"generic", "avx2", "avx512"}[l]
}

var (
	best    = detect()
	current atomic.Int32

	withoutBF16 atomic.Bool
)

func init() {
	level, _ := wanted(os.Getenv(variable))
	current.Store(int32(level))
}

// variable is the environment's word on the level.
const variable = "KUAI_ISA"

// wanted returns the level of a name, and whether this CPU has it; the best
// one where not, or for no name.
func wanted(name string) (Level, bool) {
	for l := Generic; l <= best; l++ {
		if name == l.String() {
			return l, true
		}
	}
	return best, name == ""
}

// Check says what is wrong with KUAI_ISA, which was looked at on start-up.
func Check() error {
	name := os.Getenv(variable)
	if _, ok := wanted(name); !ok {
		return fmt.Errorf("isa: %s is %q, want one of generic, avx2 and avx512 that this CPU has (up to %v)", variable, name, best)
	}
	return nil
}

// Now returns the level in use.
func Now() Level { return Level(current.Load()) }

// Best returns the highest level of this CPU.
func Best() Level { return best }

// BF16 says whether the bf16 dot product may be used: AVX-512 is in use and
// the CPU has its BF16 extension.
func BF16() bool { return hasBF16 && Now() == AVX512 && !withoutBF16.Load() }

// VNNI says the same of the dot products of bytes.
func VNNI() bool { return hasVNNI && Now() == AVX512 }

// Force sets the level, at most the CPU's best, and returns a function that
// restores the one before. It is for tests and benchmarks, while no kernel
// runs.
func Force(l Level) (restore func()) {
	old := current.Swap(int32(min(l, best)))
	return func() { current.Store(old) }
}

// WithoutBF16 hides the bf16 dot product, as on the first CPUs with AVX-512,
// until restore is called. It is for tests.
func WithoutBF16() (restore func()) {
	old := withoutBF16.Swap(true)
	return func() { withoutBF16.Store(old) }
}
