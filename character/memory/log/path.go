package log

import (
	"slices"
	"sort"
)

// Path is a branch of the tree: a record and all that it follows. As long
// stretches of a conversation have no branches, it is a short list of
// intervals, and asking whether a record is on it costs a binary search.
type Path struct {
	head  uint64
	spans []span // disjoint and rising
}

type span struct{ first, last uint64 }

// Path returns the branch that ends in head; 0 is the empty branch. Where a
// parent is missing, because its record was damaged, the branch goes on with
// the record before it, which in a conversation is nearly always right.
func (l *Log) Path(head uint64) Path {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := Path{head: head}
	for id := head; id != 0; {
		i := sort.Search(len(l.runs), func(i int) bool { return l.runs[i].Last >= id })
		if i == len(l.runs) || l.runs[i].First > id {
			if i == 0 {
				break
			}
			i--
			id = l.runs[i].Last
		}
		p.spans = append(p.spans, span{l.runs[i].First, id})
		id = l.runs[i].Parent
	}
	slices.Reverse(p.spans)
	return p
}

// Children returns the records that follow one, in the order in which they were
// written.
func (l *Log) Children(id uint64) (ids []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.runs {
		switch {
		case r.Parent == id:
			ids = append(ids, r.First)
		case r.First <= id && id < r.Last:
			ids = append(ids, id+1)
		}
	}
	return ids
}

// Leaves returns the records that nothing follows, in the order in which they
// were written.
func (l *Log) Leaves() (ids []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	followed := make(map[uint64]bool, len(l.runs))
	for _, r := range l.runs {
		followed[r.Parent] = true
	}
	for _, r := range l.runs {
		if !followed[r.Last] {
			ids = append(ids, r.Last)
		}
	}
	return ids
}

// Head returns the record that the branch ends in.
func (p *Path) Head() uint64 { return p.head }

// Has says whether the record is on the branch.
func (p *Path) Has(id uint64) bool {
	n := len(p.spans)
	if n > 0 && p.spans[n-1].first <= id { // most questions are about the trunk
		return id <= p.spans[n-1].last
	}
	i := sort.Search(n, func(i int) bool { return p.spans[i].last >= id })
	return i < n && p.spans[i].first <= id
}

// Extend makes the branch one record longer. It returns false, and changes
// nothing, where the record does not follow the head.
func (p *Path) Extend(id, parent uint64) bool {
	if parent != p.head || id <= p.head {
		return false
	}
	if n := len(p.spans); n > 0 && p.spans[n-1].last+1 == id {
		p.spans[n-1].last = id
	} else {
		p.spans = append(p.spans, span{id, id})
	}
	p.head = id
	return true
}

// Before returns up to n ids of the branch that come before id, newest first.
func (p *Path) Before(id uint64, n int) []uint64 {
	var ids []uint64
	for i := len(p.spans) - 1; i >= 0 && len(ids) < n; i-- {
		s := p.spans[i]
		if s.first >= id {
			continue
		}
		for k := min(s.last, id-1); k >= s.first && len(ids) < n; k-- {
			ids = append(ids, k)
		}
	}
	return ids
}

// After returns up to n ids of the branch that come after id, oldest first.
func (p *Path) After(id uint64, n int) []uint64 {
	var ids []uint64
	i := sort.Search(len(p.spans), func(i int) bool { return p.spans[i].last > id })
	for ; i < len(p.spans) && len(ids) < n; i++ {
		for k := max(p.spans[i].first, id+1); k <= p.spans[i].last && len(ids) < n; k++ {
			ids = append(ids, k)
		}
	}
	return ids
}

// All returns the ids of the branch, oldest first, of which there are Len.
func (p *Path) All(yield func(uint64) bool) {
	for _, s := range p.spans {
		for id := s.first; id <= s.last; id++ {
			if !yield(id) {
				return
			}
		}
	}
}

// Len returns how many records the branch has.
func (p *Path) Len() int {
	n := 0
	for _, s := range p.spans {
		n += int(s.last - s.first + 1)
	}
	return n
}
