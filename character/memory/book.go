package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	kindSeen       log.Kind = 6 // facts were looked for up to this turn
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
	seen  uint64          // last turn that facts were looked for in
	kept  uint64          // what of seen the log says
	table table
}

// entry is the text of a record.
type entry struct {
	Fact   *fact.Fact `json:"fact,omitempty"`
	Ref    uint64     `json:"ref,omitempty"`
	Edited bool       `json:"edited,omitempty"`
}

func openBook(dir string, noSync bool) (*book, error) {
	l, err := log.Open(dir, log.Options{NoSync: noSync})
	if err != nil {
		return nil, err
	}
	b := &book{log: l, facts: map[uint64]*Fact{}, turns: map[uint64]bool{}, table: newTable()}
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
		f := &Fact{ID: r.ID, Fact: *e.Fact, Edited: e.Edited}
		b.facts[r.ID] = f
		b.order = append(b.order, r.ID)
		b.table.add(f)
		b.seen = max(b.seen, e.Fact.Turn)
		b.kept = b.seen
	case kindForget:
		delete(b.facts, e.Ref)
	case kindForgetTurn:
		b.turns[e.Ref] = true
		for id, f := range b.facts {
			if f.Turn == e.Ref {
				delete(b.facts, id)
			}
		}
	case kindSeen:
		b.seen, b.kept = e.Ref, e.Ref
	case kindPin, kindUnpin:
		if f := b.facts[e.Ref]; f != nil {
			f.Pinned = r.Kind == kindPin
		}
	}
}

// write appends records and applies them, all or none. It returns the id of
// the last.
func (b *book) write(at time.Time, kind log.Kind, entries ...entry) (uint64, error) {
	recs := make([]log.Record, len(entries))
	for i, e := range entries {
		data, err := json.Marshal(e)
		if err != nil {
			return 0, fmt.Errorf("memory: %w", err)
		}
		recs[i] = log.Record{Kind: kind, ID: b.log.Last() + 1 + uint64(i), Time: at, Text: string(data)}
	}
	if err := b.log.Append(recs...); err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	for _, r := range recs {
		b.apply(r)
	}
	return b.log.Last(), nil
}

// keepSeen writes down which turns were read, so that the next Open need not
// read them again. It is done once, at the end: what is lost with a crash is
// read again.
func (b *book) keepSeen() error {
	if b.seen == b.kept {
		return nil
	}
	_, err := b.write(time.Now(), kindSeen, entry{Ref: b.seen})
	return err
}

func (b *book) forgot(turn uint64) bool { return b.turns[turn] }
func (b *book) live() int               { return len(b.facts) }

// learn keeps the facts of turns that were not read yet.
func (t *Thread) learn(turns []Turn) error {
	turns = slices.DeleteFunc(slices.Clone(turns), func(x Turn) bool { return x.ID <= t.book.seen || t.book.forgot(x.ID) })
	if len(turns) == 0 {
		return nil
	}
	var entries []entry
	for _, facts := range t.readTurns(turns) {
		for _, f := range facts {
			entries = append(entries, entry{Fact: &f})
		}
	}
	if len(entries) > 0 {
		last, err := t.book.write(turns[len(turns)-1].Time, kindFact, entries...)
		if err != nil {
			return err
		}
		for id := last + 1 - uint64(len(entries)); id <= last; id++ {
			t.addFact(t.book.facts[id])
		}
	}
	t.book.seen = turns[len(turns)-1].ID
	return nil
}

// readAtOnce is how many turns are read together when a thread catches up.
const readAtOnce = 256

// catchUpFacts learns from turns that the book has not seen, and indexes facts
// that the index lacks.
func (t *Thread) catchUpFacts() error {
	if last := t.log.Last(); t.book.seen > last { // those turns were lost, and their numbers will be others'
		t.book.seen = last
		if err := t.book.keepSeen(); err != nil {
			return err
		}
	}
	if err := t.learnUnseen(); err != nil {
		return err
	}
	for _, id := range t.book.order {
		if f := t.book.facts[id]; f != nil && id > t.facts.Last() {
			t.addFact(f)
		}
	}
	return nil
}

// learnUnseen keeps the facts of all turns that the book has not seen.
func (t *Thread) learnUnseen() error {
	var turns []Turn
	for r, err := range t.log.From(t.book.seen + 1) {
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		if r.Kind == kindTurn {
			turns = append(turns, turnOf(r))
		}
		if len(turns) == readAtOnce {
			if err := t.learn(turns); err != nil {
				return err
			}
			turns = turns[:0]
		}
	}
	return t.learn(turns)
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
		if f.Negated { // what was told to be so no longer
			for i := range out {
				if g := &out[i]; g.To.IsZero() && !g.Negated && g.Predicate == f.Predicate && strings.EqualFold(g.Subject, f.Subject) && strings.EqualFold(g.Object, f.Object) {
					g.To = f.From
				}
			}
		}
		out = append(out, *f)
		p, _ := fact.Find(f.Predicate)
		if p.Kind != fact.Single && p.Kind != fact.Fixed {
			continue
		}
		key := f.Subject + "\x00" + f.Predicate
		if i, ok := newest[key]; ok { // a new value ends the one before
			if out[i].Edited && !f.Edited && f.Learned.Before(out[i].Learned) || together(&f.Fact, &out[i].Fact) {
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
		if _, err := t.book.write(f.Learned, kindForget, entry{Ref: id}); err != nil {
			return 0, err
		}
	}
	n, err := t.book.write(f.Learned, kindFact, entry{Fact: &f, Edited: true})
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
	_, err := t.book.write(time.Now(), kind, entry{Ref: id})
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
	if _, err := t.book.write(time.Now(), kindForgetTurn, entry{Ref: id}); err != nil {
		return err
	}
	if err := errors.Join(t.log.Scrub(id), os.RemoveAll(filepath.Join(t.dir, NativeDir))); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}
