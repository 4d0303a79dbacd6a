// Package peak drives the machine to its limits: multiply-adds on registers
// alone, and reading memory. Benchmarks state their rates as shares of these
// limits, measured in the same process and minute, because the limits move:
// two virtual cores may share a physical one for seconds at a time, and memory
// is shared with neighbours.
package peak

import (
	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/par"
)

//go:generate go run -C _asm . -out ../peak_amd64.s -stubs ../stubs_amd64.go -pkg peak

// Kind is the type of numbers that are multiplied.
type Kind uint8

const (
	// F32 is the multiply-add of float32, at the level that isa has chosen.
	F32 Kind = iota
	// BF16 is the dot product of pairs of bf16 into f32.
	BF16
	// Int8 is the dot product of four signed and unsigned bytes into int32.
	Int8
)

const (
	rounds = 5000 // of a task: 24 instructions each, some 60 µs
	perJob = 24   // tasks
)

// Has says whether this CPU, at the level in use, has such instructions.
// Where it has none there is no limit to measure.
func Has(kind Kind) bool {
	switch kind {
	case F32:
		return isa.Now() > isa.Generic
	case BF16:
		return isa.BF16()
	default:
		return isa.VNNI()
	}
}

// Spin has all workers multiply and add for a millisecond or two, and returns
// the number of operations, multiplications and additions both counted.
func Spin(p *par.Pool, kind Kind) (operations float64) {
	check.True(Has(kind), "peak: kind %d is not to be had on this CPU", kind)
	lanes, loop := 16.0, spinF32
	switch {
	case kind == BF16:
		lanes, loop = 32, spinBF16
	case kind == Int8:
		lanes, loop = 64, spinInt8
	case isa.Now() == isa.AVX2:
		lanes, loop = 8, spinAVX2
	}
	p.Do(perJob, func(_, _ int) { loop(rounds) })
	return perJob * rounds * 24 * lanes * 2
}

// Read has all workers read x, which should be much larger than the caches,
// and returns the number of bytes read.
func Read(p *par.Pool, x []float32) (bytes float64) {
	const block = 1 << 16 // values a task
	n := len(x) / block
	p.Do(n, func(task, _ int) { read(x[task*block : (task+1)*block]) })
	return float64(n) * block * 4
}

// readGo is the plain twin of the read loops.
func readGo(x []float32) (sum float32) {
	var s [8]float32
	for ; len(x) >= 8; x = x[8:] {
		for i := range s {
			s[i] += x[i]
		}
	}
	for _, v := range s {
		sum += v
	}
	return sum
}
