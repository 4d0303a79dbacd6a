package schema

import (
	"encoding/binary"
	"slices"
)

// machine runs a grammar over a vocabulary. A stack of symbols is a list whose
// cells are numbered; 0 is the empty one. A state is a set of stacks, each with
// a byte class on top, or empty.
type machine struct {
	g     *grammar
	vocab *Vocabulary

	cells  []cell
	cellAt map[cell]int32
	states []*position
	known  map[string]int32 // the tops of a state -> its number
	masks  int

	seen    map[int32]bool // scratch
	tops    []int32
	key     []byte
	walking []int32 // states by depth
}

type cell struct {
	sym  sym
	next int32
}

// position is a state.
type position struct {
	tops []int32
	ends bool
	next *[256]int32 // 0 not known, -1 nowhere, else the state + 1
	mask []uint64
}

func newMachine(g *grammar, v *Vocabulary) *machine {
	return &machine{
		g: g, vocab: v, cells: make([]cell, 1), cellAt: map[cell]int32{}, known: map[string]int32{}, seen: map[int32]bool{},
		walking: make([]int32, v.deepest+1),
	}
}

// push puts a symbol on a stack.
func (m *machine) push(s sym, next int32) int32 {
	c := cell{s, next}
	at, ok := m.cellAt[c]
	if !ok {
		at = int32(len(m.cells))
		m.cells = append(m.cells, c)
		m.cellAt[c] = at
	}
	return at
}

// open replaces the symbol on top of a stack by what it may stand for, until
// bytes are on top, and adds those stacks to tops.
func (m *machine) open(stack int32) {
	if m.seen[stack] || len(m.seen) > 2*maxStacks {
		return
	}
	m.seen[stack] = true
	if stack == 0 {
		m.tops = append(m.tops, 0)
		return
	}
	c := m.cells[stack]
	switch s := m.g.symbols[c.sym]; s.kind {
	case isBytes:
		m.tops = append(m.tops, stack)
	case isAlt:
		for _, seq := range s.alts {
			top := c.next
			for _, s := range slices.Backward(seq) {
				top = m.push(s, top)
			}
			m.open(top)
		}
	case isRepeat:
		if s.min == 0 {
			m.open(c.next)
			if s.max == 0 || m.g.isDead(s.of) {
				return
			}
		}
		m.open(m.push(s.of, m.push(m.g.fewer(c.sym), c.next)))
	}
}

// state returns the number of the state in which these stacks are possible.
func (m *machine) state(stacks []int32) (int32, error) {
	clear(m.seen)
	m.tops = m.tops[:0]
	for _, s := range stacks {
		m.open(s)
	}
	if len(m.seen) > 2*maxStacks || len(m.tops) > maxStacks {
		return -1, ErrComplex
	}
	return m.intern(), nil
}

// intern numbers the state of the stacks in tops.
func (m *machine) intern() int32 {
	if len(m.tops) == 0 {
		return -1
	}
	slices.Sort(m.tops)
	m.key = m.key[:0]
	for _, t := range m.tops {
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(t))
	}
	at, ok := m.known[string(m.key)]
	if !ok {
		at = int32(len(m.states))
		m.states = append(m.states, &position{tops: slices.Clone(m.tops), ends: m.tops[0] == 0})
		m.known[string(m.key)] = at
	}
	return at
}

// step goes on by a byte; -1 is nowhere.
func (m *machine) step(at int32, b byte) (int32, error) {
	p := m.states[at]
	if p.next == nil {
		p.next = new([256]int32)
	}
	switch to := p.next[b]; {
	case to > 0:
		return to - 1, nil
	case to < 0:
		return -1, nil
	}
	clear(m.seen)
	m.tops = m.tops[:0]
	for _, t := range p.tops {
		if t == 0 {
			continue
		}
		if c := m.cells[t]; m.g.symbols[c.sym].bytes.has(b) {
			m.open(c.next)
		}
	}
	if len(m.seen) > 2*maxStacks || len(m.tops) > maxStacks {
		return -1, ErrComplex
	}
	to := m.intern()
	p.next[b] = to + 1
	if to < 0 {
		p.next[b] = -1
	}
	return to, nil
}

// stacks lists the stacks of a state, the top symbol first.
func (m *machine) stacks(at int32) (out [][]sym) {
	for _, t := range m.states[at].tops {
		var stack []sym
		for ; t != 0; t = m.cells[t].next {
			stack = append(stack, m.cells[t].sym)
		}
		out = append(out, stack)
	}
	return out
}

// mask returns the tokens that may follow in a state.
func (m *machine) mask(at int32) ([]uint64, error) {
	p := m.states[at]
	if p.mask != nil {
		return p.mask, nil
	}
	if m.masks++; m.masks > maxMasks {
		for _, s := range m.states {
			s.mask = nil
		}
		m.masks = 1
	}
	mask := make([]uint64, (m.vocab.size+63)/64)
	if p.ends {
		for _, id := range m.vocab.ends {
			mask[id/64] |= 1 << (id % 64)
		}
	}
	v := m.vocab
	m.walking[0] = at
	for i := 0; i < len(v.edge); {
		e := &v.edge[i]
		from := m.states[m.walking[e.depth]]
		to := int32(0)
		if from.next != nil {
			to = from.next[e.b]
		}
		if to == 0 {
			next, err := m.step(m.walking[e.depth], e.b)
			if err != nil {
				return nil, err
			}
			to = next + 1 // 0 is nowhere here
		}
		if to <= 0 {
			i = int(e.skip)
			continue
		}
		m.walking[e.depth+1] = to - 1
		for _, id := range v.tokens[e.first:e.last] {
			mask[id/64] |= 1 << (id % 64)
		}
		i++
	}
	p.mask = mask
	return mask, nil
}
