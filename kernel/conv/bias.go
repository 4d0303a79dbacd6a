package conv

import (
	"sync"

	"kuai/kernel/vec"
	"kuai/par"
)

// biasParts is into how many parts the pixels are cut for the bias and for
// depthwise weights: fixed, so that the sum does not depend on the workers.
const biasParts = 8

var ones = func() []float32 {
	x := make([]float32, 1024)
	vec.Fill(x, 1)
	return x
}()

// sums holds the parts' sums.
type sums struct {
	v    []float32
	dy   []float32 // [pixels, c]
	c    int
	bias func(part, worker int)
}

var sumPool = sync.Pool{New: func() any {
	s := &sums{}
	s.bias = s.biasPart
	return s
}}

func getSums(n int) *sums {
	s := sumPool.Get().(*sums)
	if cap(s.v) < n {
		s.v = make([]float32, n)
	}
	s.v = s.v[:n]
	return s
}

func putSums(s *sums) { sumPool.Put(s) }

// backBias adds the sum of all pixels of dy to db.
func backBias(p *par.Pool, db, dy []float32) {
	s := getSums(biasParts * len(db))
	s.dy, s.c = dy, len(db)
	p.Do(biasParts, s.bias)
	for i := range biasParts {
		vec.Acc(db, s.v[i*s.c:(i+1)*s.c])
	}
	s.dy = nil
	putSums(s)
}

func (s *sums) biasPart(part, _ int) {
	n := len(s.dy) / s.c
	sum := s.v[part*s.c : (part+1)*s.c]
	clear(sum)
	for i, end := part*n/biasParts, (part+1)*n/biasParts; i < end; i += len(ones) {
		rows := min(len(ones), end-i)
		vec.AxpyRows(sum, 0, ones[:rows], s.dy[i*s.c:], s.c, s.c)
	}
}
