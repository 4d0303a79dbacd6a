package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"kuai/character/memory/log"
	"kuai/companion"
	"kuai/companion/fact"
)

// Kinds of the book's records. What was written stays: a fact is ended,
// corrected or forgotten by a later record.
const (
	kindFact       log.Kind = 1
	kindForget     log.Kind = 2 // a fact; its id is in the text
	kindForgetTurn log.Kind = 3 // a turn that is forgotten
	kindPin        log.Kind = 4
	kindUnpin      log.Kind = 5
	kindLazy       log.Kind = 6 // turns that are read when a question finds them
)

// Fact is something known, and from which turn.
type Fact struct {
	ID uint64
	fact.Fact
	Pinned bool
	Edited bool // by the user: no turn ends it
}

// book is the log of facts and of what the user did with them, and its table
// in memory: facts are few.
type book struct {
	log   *log.Log
	facts map[uint64]*Fact
	order []uint64
	turns map[uint64]bool // forgotten
	seen  uint64          // last turn that facts were looked for in, or are left to a question
	lazy  []span          // of turns that are left so
}

// span is turns from one to another, both in it.
type span struct{ From, To uint64 }

// entry is the text of a record.
type entry struct {
	Fact   *fact.Fact `json:"fact,omitempty"`
	Ref    uint64     `json:"ref,omitempty"`
	Edited bool       `json:"edited,omitempty"`
	Lazy   *span      `json:"lazy,omitempty"`
}

func openBook(dir string, noSync bool) (*book, error) {
	l, err := log.Open(dir, log.Options{NoSync: noSync})
	if err != nil {
		return nil, err
	}
	b := &book{log: l, facts: map[uint64]*Fact{}, turns: map[uint64]bool{}}
	for r, err := range l.From(1) {
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		b.apply(r)
	}
	return b, nil
}

// apply makes a record part of the table. One that says nothing is passed over.
func (b *book) apply(r log.Record) {
	var e entry
	if r.Kind == log.Scrubbed || json.Unmarshal([]byte(r.Text), &e) != nil {
		return
	}
	switch r.Kind {
	case kindFact:
		if e.Fact == nil {
			return
		}
		b.facts[r.ID] = &Fact{ID: r.ID, Fact: *e.Fact, Edited: e.Edited}
		b.order = append(b.order, r.ID)
		b.seen = max(b.seen, e.Fact.Turn)
	case kindLazy:
		if e.Lazy != nil {
			b.lazy = append(b.lazy, *e.Lazy)
			b.seen = max(b.seen, e.Lazy.To)
		}
	case kindForget:
		delete(b.facts, e.Ref)
	case kindForgetTurn:
		b.turns[e.Ref] = true
		for id, f := range b.facts {
			if f.Turn == e.Ref {
				delete(b.facts, id)
			}
		}
	case kindPin, kindUnpin:
		if f := b.facts[e.Ref]; f != nil {
			f.Pinned = r.Kind == kindPin
		}
	}
}

// write appends a record and applies it.
func (b *book) write(kind log.Kind, e entry, at time.Time) (uint64, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	r := log.Record{Kind: kind, ID: b.log.Last() + 1, Time: at, Text: string(data)}
	if err := b.log.Append(r); err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	b.apply(r)
	return r.ID, nil
}

// unread says whether a turn is left for a question to find.
func (b *book) unread(turn uint64) bool {
	return slices.ContainsFunc(b.lazy, func(s span) bool { return s.From <= turn && turn <= s.To })
}

func (b *book) forgot(turn uint64) bool { return b.turns[turn] }
func (b *book) live() int               { return len(b.facts) }

// learn keeps the facts of a turn.
func (t *Thread) learn(turn Turn) error {
	if turn.ID <= t.book.seen || t.opt.Lazy {
		return nil
	}
	t.book.seen = turn.ID
	for _, f := range t.readTurns([]Turn{turn})[0] {
		id, err := t.book.write(kindFact, entry{Fact: &f}, turn.Time)
		if err != nil {
			return err
		}
		t.addFact(t.book.facts[id])
	}
	return nil
}

// maxCatchUp is how many turns are read while somebody waits for a thread to
// open; more, as an import leaves them, are read when a question finds them.
const maxCatchUp = 256

// catchUpFacts learns from turns that the book has not seen, and indexes facts
// that the index lacks.
func (t *Thread) catchUpFacts() error {
	if last := t.log.Last(); !t.opt.Lazy && last > t.book.seen+maxCatchUp {
		if _, err := t.book.write(kindLazy, entry{Lazy: &span{t.book.seen + 1, last}}, time.Now()); err != nil {
			return err
		}
	}
	for r, err := range t.log.From(t.book.seen + 1) {
		if t.opt.Lazy {
			break
		}
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		if r.Kind != kindTurn {
			continue
		}
		if err := t.learn(turnOf(r)); err != nil {
			return err
		}
	}
	for _, id := range t.book.order {
		if f := t.book.facts[id]; f != nil {
			t.addFact(f)
		}
	}
	return nil
}

// addFact makes the document of a fact: what it says, and how one would ask
// for it.
//
// Source: LongMemEval, arXiv:2410.10813: keys that facts augment are found
// more often.
func (t *Thread) addFact(f *Fact) {
	l := t.language(f.Object + f.Subject)
	terms := t.made.words.Terms(nil, companion.Note(l, f.Fact))
	for _, q := range companion.Wordings(l, f.Fact) {
		terms = t.made.words.Terms(terms, q)
	}
	t.facts.Add(f.ID, terms, len(terms), 0)
}

// Facts returns what is known on the present branch, oldest first: with
// history also what is no longer so.
func (t *Thread) Facts(history bool) []Fact {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.factsLocked(history)
}

func (t *Thread) factsLocked(history bool) []Fact {
	var out []Fact
	newest := map[string]int{}
	for _, id := range t.book.order {
		f := t.book.facts[id]
		if f == nil || f.Turn != 0 && !t.path.Has(f.Turn) {
			continue
		}
		out = append(out, *f)
		p, _ := fact.Find(f.Predicate)
		if p.Kind != fact.Single && p.Kind != fact.Fixed {
			continue
		}
		key := f.Subject + "\x00" + f.Predicate
		if i, ok := newest[key]; ok { // a new value ends the one before
			if out[i].Edited && !f.Edited && f.Learned.Before(out[i].Learned) {
				continue
			}
			out[i].To = f.From
		}
		newest[key] = len(out) - 1
	}
	if history {
		return out
	}
	return slices.DeleteFunc(out, func(f Fact) bool { return !f.To.IsZero() || f.Negated })
}

// EditFact puts another object in a fact's place; the old one stays in the
// history.
func (t *Thread) EditFact(id uint64, object string) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.book.facts[id]
	if old == nil {
		return 0, fmt.Errorf("memory: fact %d: %w", id, ErrNotFound)
	}
	f := old.Fact
	f.Object, f.Learned = object, time.Now()
	if p, _ := fact.Find(f.Predicate); p.Kind == fact.Multi || p.Kind == fact.Event {
		if _, err := t.book.write(kindForget, entry{Ref: id}, f.Learned); err != nil {
			return 0, err
		}
	}
	n, err := t.book.write(kindFact, entry{Fact: &f, Edited: true}, f.Learned)
	if err == nil {
		t.addFact(t.book.facts[n])
	}
	return n, err
}

// ForgetFact takes a fact out of all that is remembered.
func (t *Thread) ForgetFact(id uint64) error {
	return t.mark(kindForget, id)
}

// Pin keeps a fact in the profile, whatever else is known.
func (t *Thread) Pin(id uint64, pinned bool) error {
	if pinned {
		return t.mark(kindPin, id)
	}
	return t.mark(kindUnpin, id)
}

func (t *Thread) mark(kind log.Kind, id uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.book.facts[id] == nil {
		return fmt.Errorf("memory: fact %d: %w", id, ErrNotFound)
	}
	_, err := t.book.write(kind, entry{Ref: id}, time.Now())
	return err
}

// ForgetTurn erases what was said in a turn, from the disk too, and the facts
// that came from it. Its place in the tree stays.
func (t *Thread) ForgetTurn(id uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.log.Get(id)
	if err != nil || r.Kind != kindTurn || t.book.forgot(id) {
		return fmt.Errorf("memory: turn %d: %w", id, ErrNotFound)
	}
	if _, err := t.book.write(kindForgetTurn, entry{Ref: id}, time.Now()); err != nil {
		return err
	}
	if err := t.log.Scrub(id); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}
