package memory

import (
	"fmt"
	"iter"

	"kuai/character/memory/log"
)

// AsOf runs f as if the conversation had come to another turn, 0 for the
// beginning, and then goes back to where it was. Nothing of that is written:
// who stops amid f finds the old head. The thread must be used by nobody else
// meanwhile; what f appends must name its parent.
func (t *Thread) AsOf(id uint64, f func() error) error {
	t.mu.Lock()
	if id != 0 {
		if _, err := t.log.Get(id); err != nil {
			t.mu.Unlock()
			return fmt.Errorf("memory: %w", err)
		}
	}
	was := t.path
	t.path = t.log.Path(id)
	t.mu.Unlock()
	err := f()
	t.mu.Lock()
	t.path = was
	t.mu.Unlock()
	return err
}

// OnPath says whether a turn is on the branch of the present head.
func (t *Thread) OnPath(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.path.Has(id)
}

// Back returns the turn of the present branch that is so many before its head,
// 0 before the first.
func (t *Thread) Back(n int) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := t.path.Before(t.path.Head()+1, n+1)
	if len(ids) <= n {
		return 0
	}
	return ids[n]
}

// Forgotten returns how many turns were forgotten.
func (t *Thread) Forgotten() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.book.turns)
}

// Leaves returns the turns that nothing follows, oldest first: each is the end
// of a branch.
func (t *Thread) Leaves() []uint64 { return t.log.Leaves() }

// Fork returns how many turns of the branch that ends in one are not on the
// present branch, and the last that is, 0 for none.
func (t *Thread) Fork(id uint64) (own int, from uint64) {
	path := t.log.Path(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		ids := path.Before(id+1, 64)
		for _, i := range ids {
			if t.path.Has(i) {
				return own, i
			}
			own++
			id = i - 1
		}
		if len(ids) == 0 {
			return own, 0
		}
	}
}

// Turns yields all turns from an id on, on any branch, in the order in which
// they were said. Of a forgotten one there is the place in the tree alone.
func (t *Thread) Turns(from uint64) iter.Seq2[Turn, error] {
	return func(yield func(Turn, error) bool) {
		for r, err := range t.log.From(max(from, 1)) {
			if err != nil {
				yield(Turn{}, fmt.Errorf("memory: %w", err))
				return
			}
			turn := turnOf(r)
			if r.Kind == log.Scrubbed || t.book.forgot(r.ID) {
				turn.Speaker, turn.Text = "", ""
			}
			if !yield(turn, nil) {
				return
			}
		}
	}
}

// Children returns the ids of the turns that follow one.
func (t *Thread) Children(id uint64) []uint64 { return t.log.Children(id) }
