package attention

import (
	"math"

	"kuai/kernel/attn"
	"kuai/kernel/vec"
	"kuai/text/room"
)

// farRange is the blocks of a room that one task scans: 65,536 positions, 2 MB of
// keys. Each range begins with an empty list of the best, into which the first
// positions all go; ranges of an eighth of it cost four times the scan itself.
const farRange = 256

// farPeek is the scores that are looked at together before any by itself.
const farPeek = 32

// entry is a position far back and its score.
type entry struct {
	score float32
	at    int32
}

// worse says whether a is to give way before b: of two alike the later one.
func (a entry) worse(b entry) bool {
	return a.score < b.score || a.score == b.score && a.at > b.at
}

// list is the best entries so far, a heap with the worst on top.
type list struct {
	entries []entry // room for the most that are kept
	n       int
}

// threshold is what a score must exceed to be kept.
func (l *list) threshold() float32 {
	if l.n < len(l.entries) {
		return float32(math.Inf(-1))
	}
	return l.entries[0].score
}

// offer keeps an entry if it is among the best; entries come in the order of
// their positions, or any that no two calls differ in.
func (l *list) offer(e entry) {
	h := l.entries
	if l.n < len(h) {
		i := l.n
		for l.n++; i > 0 && e.worse(h[(i-1)/2]); i = (i - 1) / 2 {
			h[i] = h[(i-1)/2]
		}
		h[i] = e
		return
	}
	if !h[0].worse(e) {
		return
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1].worse(h[c]) {
			c++
		}
		if !h[c].worse(e) {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = e
}

// planFar shares the blocks of a single query's heads out.
func (t *Attention) planFar(w work, s *split, blocks int, slot int32) int32 {
	w.far = true
	s.lists = int32(t.listed)
	for from := 0; from < blocks; from += farRange {
		w.from, w.to = int32(from), int32(min(from+farRange, blocks))
		if t.Top > 0 {
			w.slot = int32(t.listed)
			t.listed++
		} else {
			w.slot = slot
			slot++
			s.n++
		}
		t.works = append(t.works, w)
	}
	s.ranges = int32(t.listed) - s.lists
	return slot
}

// reserveLists makes room for the lists of the plan.
func (t *Attention) reserveLists() {
	if n := t.listed * t.rows; n > len(t.lists) {
		n += n / 2
		t.lists = make([]list, n)
		entries := make([]entry, n*t.Top)
		for i := range t.lists {
			t.lists[i].entries = entries[i*t.Top:][:t.Top:t.Top]
		}
	}
	for i := range t.scratch {
		if s := &t.scratch[i]; len(s.best) < t.Top {
			s.best = make([]entry, t.Top)
		}
	}
}

// attendFar computes one work over blocks of a room.
func (t *Attention) attendFar(w *work, s *scratch) {
	pt, per := &t.parts[w.part], w.rows()
	for kv := range int(w.kvs) {
		s.probe.Set(t.q[pt.Row*t.hdd+(int(w.head)+kv*per)*t.d:][:per*t.d], per, t.d)
		if t.Top > 0 {
			t.listFar(w, s, pt, kv, per)
		} else {
			t.sumFar(w, s, pt, kv, per)
		}
	}
}

// scan computes the scores of the probe's heads with a block, rows BlockLen
// apart.
func (s *scratch) scan(b *room.Block, layer, head int) {
	keys, scale := b.Keys(layer, head)
	if b.Bits() == 4 {
		s.probe.Nibbles(s.x, room.BlockLen, keys, scale, room.BlockLen)
	} else {
		s.probe.Bytes(s.x, room.BlockLen, keys, scale, room.BlockLen)
	}
}

// listFar finds the best positions of a range of blocks for the heads of a
// key-value head.
func (t *Attention) listFar(w *work, s *scratch, pt *Part, kv, per int) {
	lists := t.lists[int(w.slot)*t.rows+kv*per:][:per]
	for r := range lists {
		lists[r].n = 0
	}
	for i := int(w.from); i < int(w.to); i++ {
		s.scan(pt.Far[i], t.Layer, int(w.kvHead)+kv)
		for r := range lists {
			l, row := &lists[r], s.x[r*room.BlockLen:][:room.BlockLen]
			least := l.threshold()
			if vec.MaxVal(row) <= least {
				continue
			}
			for from := 0; from < len(row); from += farPeek {
				some := row[from:][:farPeek]
				if vec.MaxVal(some) <= least {
					continue
				}
				for j, x := range some {
					if x > least {
						l.offer(entry{x, int32(i*room.BlockLen + from + j)})
						least = l.threshold()
					}
				}
			}
		}
	}
}

// sumFar attends to every position of a range of blocks.
func (t *Attention) sumFar(w *work, s *scratch, pt *Part, kv, per int) {
	scale, ldo := float32(1/math.Sqrt(float64(t.d))), padded(t.d)
	sum, top, o := t.result(int(w.slot))
	sum, top, o = sum[kv*per:][:per], top[kv*per:][:per], o[kv*per*ldo:][:per*ldo]
	for r := range per {
		sum[r], top[r] = 0, float32(math.Inf(-1))
	}
	for i := int(w.from); i < int(w.to); i++ {
		b := pt.Far[i]
		s.scan(b, t.Layer, int(w.kvHead)+kv)
		values, halves := b.Values(t.Layer, int(w.kvHead)+kv)
		vscale := s.kv[:room.BlockLen]
		vec.FromF16(vscale, halves)
		for r := range per {
			row := s.x[r*room.BlockLen:][:room.BlockLen]
			best := max(top[r], scale*vec.MaxVal(row))
			fix := float32(math.Exp(float64(top[r] - best)))
			sum[r] = sum[r]*fix + vec.ExpSum(row, row, scale, best)
			top[r], s.fix[r] = best, fix
			vec.Mul(row, row, vscale)
		}
		if i > int(w.from) {
			vec.ScaleRows(o, ldo, o, ldo, s.fix[:per], t.d)
		}
		for c := 0; c < t.d; c += lanes {
			attn.ByteTile(o[c:], ldo, s.x, room.BlockLen, values[c*room.BlockLen:], per, room.BlockLen, i > int(w.from))
		}
	}
}

// best gathers the best entries of a row of a split.
func (t *Attention) best(s *scratch, sp *split, r int) []entry {
	l := list{entries: s.best[:t.Top]}
	for i := range int(sp.ranges) {
		from := &t.lists[(int(sp.lists)+i)*t.rows+r]
		for _, e := range from.entries[:from.n] {
			if e.score >= l.threshold() {
				l.offer(e)
			}
		}
	}
	return l.entries[:l.n]
}

// addFar adds the values of entries, weighted, to an output, and returns the sum
// of the weights.
func (t *Attention) addFar(out []float32, pt *Part, head int, entries []entry, top float32) (sum float32) {
	scale := 1 / math.Sqrt(float64(t.d))
	kv := head / (t.heads / t.kvHeads)
	for _, e := range entries {
		w := float32(math.Exp(float64(e.score)*scale - float64(top)))
		sum += w
		pt.Far[e.at/room.BlockLen].AddValue(out, t.Layer, kv, int(e.at%room.BlockLen), w)
	}
	return sum
}
