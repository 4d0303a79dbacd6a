package nn

import (
	"math"
	"testing"

	"kuai/kernel/gemm"
	"kuai/par"
)

// TestDropout drops the share that was asked for, the same whatever the number
// of workers, and keeps the mean.
func TestDropout(t *testing.T) {
	t.Parallel()
	const n, p = 100_000, 0.1
	ones := make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	drop := func(workers int, p float32, seed uint64) []float32 {
		tape := newTape(t, par.New(workers), gemm.F32)
		return Dropout(tape, tape.Const(ones, n), p, seed).X
	}
	one, two, other := drop(1, p, 7), drop(2, p, 7), drop(1, p, 8)
	zeros, same, sum := 0, 0, 0.0
	for i, v := range one {
		if v != two[i] {
			t.Fatalf("value %d is %v with one worker, %v with two", i, v, two[i])
		}
		if v == 0 {
			zeros++
			if other[i] == 0 {
				same++
			}
		}
		sum += float64(v)
	}
	if math.Abs(float64(zeros)/n-p) > 0.005 || math.Abs(sum/n-1) > 0.005 {
		t.Errorf("%d of %d dropped, mean %v", zeros, n, sum/n)
	}
	if share := float64(same) / float64(zeros); math.Abs(share-p) > 0.02 {
		t.Errorf("another seed drops %v of the same values", share)
	}
	if x := drop(1, 0, 7); x[0] != 1 || x[n-1] != 1 {
		t.Error("a dropout of nothing changes values")
	}
}
