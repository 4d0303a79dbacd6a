package nn

import (
	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/attn"
)

// linearEps keeps linear attention finite where no key matches.
const linearEps = 1e-6

func attnShape(q, k, v *grad.Var) attn.Shape {
	check.True(len(q.Shape) == 4 && len(k.Shape) == 4, "nn: attention of shapes %v and %v", q.Shape, k.Shape)
	sameShape("attention", k, v)
	return attn.Shape{B: q.Dim(0), N: q.Dim(1), M: k.Dim(1), NH: q.Dim(2), D: q.Dim(3)}
}

// SoftmaxAttention attends from q [B, N, NH, D] to k and v [B, M, NH, D], with
// scores over √D. lens, unless nil, says how many of the M keys each of the
// batch has.
func SoftmaxAttention(t *grad.Tape, q, k, v *grad.Var, lens []int32) *grad.Var {
	return softmaxAttention(t, q, k, v, attn.Mask{Keys: lens})
}

// CausalAttention is SoftmaxAttention in which no query sees a later key.
func CausalAttention(t *grad.Tape, q, k, v *grad.Var) *grad.Var {
	return softmaxAttention(t, q, k, v, attn.Mask{Causal: true})
}

func softmaxAttention(t *grad.Tape, q, k, v *grad.Var, m attn.Mask) *grad.Var {
	s := attnShape(q, k, v)
	o, lse := t.From([]*grad.Var{q, k, v}, q.Shape...), t.Make(s.B*s.NH*s.N)
	attn.Softmax(t.Pool, t.Type, s, o.X, lse, q.X, k.X, v.X, m)
	attentionBack(t, o, q, k, v, func(dq, dk, dv, do []float32) {
		attn.SoftmaxBack(t.Pool, t.Type, s, dq, dk, dv, do, o.X, lse, q.X, k.X, v.X, m)
	})
	return o
}

// LinearAttention is bidirectional attention whose cost grows with N: q and k
// [B, N, NH, D] pass a ReLU; the rotary table, unless nil, turns them in the
// numerator only.
//
// Sources: SANA, arXiv:2410.10629; SANA-Video, arXiv:2509.24695.
func LinearAttention(t *grad.Tape, q, k, v *grad.Var, rope *Rope) *grad.Var {
	q, k = ReLU(t, q), ReLU(t, k)
	s := attnShape(q, k, v)
	var r attn.Rotary
	if rope != nil {
		r = attn.Rotary{Cos: rope.cos, Sin: rope.sin}
	}
	o := t.From([]*grad.Var{q, k, v}, q.Shape...)
	attn.Linear(t.Pool, t.Type, s, o.X, q.X, k.X, v.X, r, linearEps)
	attentionBack(t, o, q, k, v, func(dq, dk, dv, do []float32) {
		attn.LinearBack(t.Pool, t.Type, s, dq, dk, dv, do, o.X, q.X, k.X, v.X, r, linearEps)
	})
	return o
}

// LightningAttention is causal linear attention with one decay a head, over
// q, k and v [B, N, NH, D], from an empty state.
//
// Source: Qin et al., Lightning Attention-2, arXiv:2401.04658.
func LightningAttention(t *grad.Tape, q, k, v *grad.Var, decay []float32) *grad.Var {
	s := attnShape(q, k, v)
	o := t.From([]*grad.Var{q, k, v}, q.Shape...)
	attn.Lightning(t.Pool, t.Type, s, o.X, q.X, k.X, v.X, decay, nil)
	attentionBack(t, o, q, k, v, func(dq, dk, dv, do []float32) {
		attn.LightningBack(t.Pool, t.Type, s, dq, dk, dv, do, q.X, k.X, v.X, decay, nil, nil)
	})
	return o
}

// attentionBack records the backward of an attention, which gets the gradients
// of q, k and v, or scratch where nobody wants one.
func attentionBack(t *grad.Tape, o, q, k, v *grad.Var, back func(dq, dk, dv, do []float32)) {
	t.Then(func() {
		do := o.Got()
		if do == nil || !o.Needs() {
			return
		}
		var g [3][]float32
		for i, x := range []*grad.Var{q, k, v} {
			if g[i] = t.Grad(x); g[i] == nil {
				g[i] = t.Make(x.Len())
				t.Clear(g[i])
			}
		}
		back(g[0], g[1], g[2], do)
	})
}
