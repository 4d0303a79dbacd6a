package nn

import (
	"math"

	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/kernel/vec"
)

// headRows is how many rows of logits are alive at once: with a vocabulary of
// 8,192 they are 8 MiB, which the third cache holds.
const headRows = 256

// HeadLoss is the weighted mean cross entropy of the next tokens,
//
//	logits = c·tanh(x Wᵀ / c),   loss = Σ_i w_i (-log softmax(logits_i)[label_i]) / Σ_i w_i,
//
// computed a block of rows at a time together with its gradients, so that the
// logits [N, V] are never all in memory. Rows of weight 0 cost nothing.
//
//	x       [N, D]   W [V, D]
//	labels  [N]
//	weight  [N]      of the rows
//	limit   c, which keeps logits within ±c; 0 for no limit
//
// nats [N], unless nil, gets -log p of each row that has a weight.
//
// Sources: the soft cap of Gemma 2, arXiv:2408.00118; blocks with their
// gradients: Hsu et al., Liger Kernel, arXiv:2410.10989.
func HeadLoss(t *grad.Tape, x *grad.Var, w *Param, labels []int32, weight []float32, limit float32, nats []float32) *grad.Var {
	n, d, v := x.Rows(), x.Dim(-1), w.Dim(0)
	check.True(len(labels) == n && len(weight) == n && w.Dim(1) == d, "nn: head of %v for shape %v, %d labels", w.Shape, x.Shape, len(labels))
	h := &head{w: w, d: d, v: v, limit: limit, labels: labels, weight: weight, nats: nats}
	for i, wt := range weight {
		if wt != 0 {
			h.rows = append(h.rows, int32(i))
			h.total += float64(wt)
		}
	}
	if t.Recording() {
		h.dx, h.dw = t.Make(len(h.rows)*d), t.Make(v*d)
		t.Clear(h.dw)
	}
	var sum float64
	t.Temp(func() {
		b := h.block(t)
		for i := 0; i < len(h.rows); i += headRows {
			sum += b.run(t, x.X, i, min(headRows, len(h.rows)-i))
		}
	})
	y := scalar(t, sum/max(h.total, 1e-9))
	t.Then(func() { h.back(t, y, x) })
	return y
}

// head is a loss on its way.
type head struct {
	w      *Param
	d, v   int
	limit  float32
	labels []int32
	weight []float32
	nats   []float32
	rows   []int32 // those with a weight
	total  float64 // of the weights
	dx     []float32
	dw     []float32
}

// headBlock is the memory of a block of rows.
type headBlock struct {
	*head
	x    []float32 // [headRows, D]
	z, p []float32 // [headRows, V]: capped logits over c, and probabilities
	part []float64
}

func (h *head) block(t *grad.Tape) *headBlock {
	return &headBlock{head: h, x: t.Make(headRows * h.d), z: t.Make(headRows * h.v), p: t.Make(headRows * h.v), part: make([]float64, headRows)}
}

// run adds up the loss of n rows from the i-th on.
func (b *headBlock) run(t *grad.Tape, x []float32, i, n int) float64 {
	d, v := b.d, b.v
	rows := b.rows[i : i+n]
	for r, at := range rows {
		copy(b.x[r*d:][:d], x[int(at)*d:])
	}
	in := gemm.View{P: b.x, Row: d, K: 1}
	gemm.MulPacked(t.Pool, b.z, v, n, in, b.w.forward(t, v, d), gemm.Opt{})
	t.Pool.Do(n, func(r, _ int) { b.part[r] = b.row(t.Recording(), r, int(rows[r])) })
	var sum float64
	for _, s := range b.part[:n] {
		sum += s
	}
	if t.Recording() {
		gemm.MulPacked(t.Pool, b.dx[i*d:], d, n, gemm.View{P: b.p, Row: v, K: 1}, b.w.backward(t, v, d), gemm.Opt{})
		gemm.Mul(t.Pool, t.Type, b.dw, d, v, d, n, gemm.View{P: b.p, Row: 1, K: v}, gemm.View{P: b.x, Row: 1, K: d}, gemm.Opt{Acc: true})
	}
	return sum
}

// row computes a row's loss and leaves the gradient of its products in p.
func (b *headBlock) row(grads bool, r, at int) float64 {
	z, p := b.z[r*b.v:][:b.v], b.p[r*b.v:][:b.v]
	if b.limit > 0 {
		vec.Scale(z, z, 1/b.limit)
		vec.Tanh(z, z)
		vec.Scale(p, z, b.limit)
	} else {
		copy(p, z)
	}
	label := b.labels[at]
	top, said := vec.MaxVal(p), p[label]
	all := vec.ExpSum(p, p, 1, top)
	nats := math.Log(float64(all)) + float64(top) - float64(said)
	if b.nats != nil {
		b.nats[at] = float32(nats)
	}
	if grads {
		share := float32(float64(b.weight[at]) / b.total)
		vec.Scale(p, p, share/all)
		p[label] -= share
		if b.limit > 0 { // (c tanh(z/c))' = 1 - tanh²
			vec.Mul(z, z, z)
			vec.Mul(z, z, p)
			vec.Axpy(p, -1, z)
		}
	}
	return float64(b.weight[at]) * nats
}

// back adds the gradients made beforehand, times the loss's own.
func (h *head) back(t *grad.Tape, y, x *grad.Var) {
	if y.Got() == nil {
		return
	}
	g, d := y.G[0], h.d
	if dx := t.Grad(x); dx != nil {
		t.RowChunks(len(h.rows), d, func(_, i, j int) {
			for ; i < j; i++ {
				vec.Axpy(dx[int(h.rows[i])*d:][:d], g, h.dx[i*d:][:d])
			}
		})
	}
	dw := t.Grad(&h.w.Var)
	t.Chunks(len(dw), func(i, j int) { vec.Axpy(dw[i:j], g, h.dw[i:j]) })
}
