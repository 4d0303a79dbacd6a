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

// biasWidth is how many values are summed side by side: of several pixels
// where they are narrow.
const biasWidth = 128

// backBias adds the sum of all pixels of dy to db.
func backBias(p *par.Pool, db, dy []float32) {
	c := len(db)
	s := getSums(biasParts * max(biasWidth/c, 1) * c)
	s.dy, s.c = dy, c
	p.Do(biasParts, s.bias)
	for v := s.v; len(v) > 0; v = v[c:] {
		vec.Acc(db, v[:c])
	}
	s.dy = nil
	putSums(s)
}

func (s *sums) biasPart(part, _ int) {
	width := len(s.v) / biasParts
	sum := s.v[part*width : (part+1)*width]
	clear(sum)
	n := len(s.dy) / s.c
	dy := s.dy[part*n/biasParts*s.c : (part+1)*n/biasParts*s.c]
	for rows := len(dy) / width; rows > 0; rows = len(dy) / width {
		rows = min(rows, len(ones))
		vec.AxpyRows(sum, 0, ones[:rows], dy, width, width)
		dy = dy[rows*width:]
	}
	vec.Acc(sum[:len(dy)], dy)
}
