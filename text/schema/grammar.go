package schema

import "sync"

// sym is a symbol of a grammar.
type sym int32

type kind uint8

const (
	isBytes  kind = iota // one byte of a set
	isAlt                // one of several sequences
	isRepeat             // another symbol, min to max times
)

// symbol is what a sym stands for.
type symbol struct {
	kind     kind
	bytes    byteSet
	alts     [][]sym
	of       sym
	min, max int // max -1: no end
}

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 == 1 }

// grammar holds the symbols. Counted repetitions are added while it runs, so
// all machines of a grammar share its lock.
type grammar struct {
	mu sync.Mutex

	symbols []symbol
	dead    []bool // symbols that stand for nothing at all; see prune
	single  [256]sym
	classes map[byteSet]sym
	shared  map[string]sym // symbols that are built once, by name
	repeats map[symbolRepeat]sym
}

type symbolRepeat struct {
	of       sym
	min, max int
}

func newGrammar() *grammar {
	g := &grammar{classes: map[byteSet]sym{}, shared: map[string]sym{}, repeats: map[symbolRepeat]sym{}}
	for b := range 256 {
		g.single[b] = g.class(byte(b), byte(b))
	}
	return g
}

func (g *grammar) add(s symbol) sym {
	g.symbols = append(g.symbols, s)
	return sym(len(g.symbols) - 1)
}

// class is one byte of the ranges, given as pairs.
func (g *grammar) class(pairs ...byte) sym {
	var set byteSet
	for i := 0; i < len(pairs); i += 2 {
		set.add(pairs[i], pairs[i+1])
	}
	if s, ok := g.classes[set]; ok {
		return s
	}
	s := g.add(symbol{kind: isBytes, bytes: set})
	g.classes[set] = s
	return s
}

// alt is one of the sequences.
func (g *grammar) alt(seqs ...[]sym) sym { return g.add(symbol{kind: isAlt, alts: seqs}) }

// seq is symbols one after the other.
func (g *grammar) seq(s ...sym) sym {
	if len(s) == 1 {
		return s[0]
	}
	return g.alt(s)
}

// lit is a text.
func (g *grammar) lit(text string) []sym {
	out := make([]sym, len(text))
	for i := range len(text) {
		out[i] = g.single[text[i]]
	}
	return out
}

// repeat is a symbol, min to max times; max -1 is without end.
func (g *grammar) repeat(of sym, low, high int) sym {
	key := symbolRepeat{of, low, high}
	s, ok := g.repeats[key]
	if !ok {
		s = g.add(symbol{kind: isRepeat, of: of, min: low, max: high})
		g.repeats[key] = s
	}
	return s
}

// fewer is a repetition after one of its rounds.
func (g *grammar) fewer(s sym) sym {
	r := g.symbols[s]
	if r.max < 0 && r.min == 0 {
		return s
	}
	return g.repeat(r.of, max(r.min-1, 0), max(r.max-1, -1))
}

// isDead says whether a symbol stands for nothing; symbols that were added
// while running do not.
func (g *grammar) isDead(s sym) bool { return int(s) < len(g.dead) && g.dead[s] }

// prune finds the symbols that no text can fulfil, such as a range without
// numbers or a recursion without an end, and takes the alternatives away that
// use them: from every state that is left, the end can be reached.
func (g *grammar) prune() {
	live := make([]bool, len(g.symbols))
	for changed, round := true, 0; changed; round++ {
		changed = false
		for i := range g.symbols {
			if round%2 == 0 { // what a symbol stands for comes before it, or behind
				i = len(live) - 1 - i
			}
			if live[i] {
				continue
			}
			s := &g.symbols[i]
			ok := false
			switch s.kind {
			case isBytes:
				ok = s.bytes != byteSet{}
			case isRepeat:
				ok = s.min == 0 || live[s.of]
			case isAlt:
				for _, seq := range s.alts {
					ok = ok || all(live, seq)
				}
			}
			if ok {
				live[i], changed = true, true
			}
		}
	}
	g.dead = make([]bool, len(live))
	for i := range g.symbols {
		g.dead[i] = !live[i]
		s := &g.symbols[i]
		kept := s.alts[:0]
		for _, seq := range s.alts {
			if all(live, seq) {
				kept = append(kept, seq)
			}
		}
		s.alts = kept
	}
}

func all(live []bool, seq []sym) bool {
	for _, s := range seq {
		if !live[s] {
			return false
		}
	}
	return true
}
