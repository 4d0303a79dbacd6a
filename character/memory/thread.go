// Package memory is the memory of one conversation between a character and a
// user: a thread, whose cost a turn stays about the same while it grows from
// eight thousand characters to eight million.
//
// A thread is a directory:
//
//	head      where the conversation went on from last, if not from the last turn
//	turns/    the log of turns: the truth, package log
//	book/     the log of facts and of what the user did with them
//	index/    turns, windows, sessions, facts: BM25, package index; made anew
//	          from the logs when absent or damaged
//	native/   what a model has seen of the turns, where one keeps it; it goes
//	          when a turn is forgotten
//
// Turns are a tree, as swipes and branches make it. Everything that is
// remembered knows the turn that it comes from, and counts only where that
// turn is on the branch of the present head.
package memory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kuai/character/memory/index"
	"kuai/character/memory/log"
	"kuai/character/memory/term"
	"kuai/companion/fact"
	"kuai/embedder"
	"kuai/format/atomicfile"
)

// Errors to branch on.
var (
	ErrLocked   = log.ErrLocked   // another process has the thread open
	ErrFull     = log.ErrFull     // the disk is full; nothing was lost
	ErrNotFound = log.ErrNotFound // no such turn or fact
)

// NativeDir is where in a thread's directory a model keeps what it has seen.
const NativeDir = "native"

// kindTurn is the kind of a turn's record.
const kindTurn log.Kind = 1

// Turn is something that was said.
type Turn struct {
	ID      uint64 // given by Append
	Parent  uint64 // the turn before; with Branch false, Append takes the head
	Branch  bool   // Parent is meant, also where it is 0: a new root
	Time    time.Time
	Speaker string // "user", "companion", or a name
	Text    string
}

// Options of a thread. The zero value is for daily use.
type Options struct {
	// Language of packs and notes where a text does not show it.
	Language fact.Language
	// Reader finds facts in turns; nil is Rules, NoFacts turns it off.
	Reader Reader
	// Tuning changes how the reader weighs; nil is the tuned one.
	Tuning *Tuning
	// NoSync leaves writing to the system: for what can be made again.
	NoSync bool
	// Flush, where set, writes the index in the foreground: for building.
	Flush bool
}

// Thread is an open memory. It may be used by several goroutines.
type Thread struct {
	dir  string
	opt  Options
	tune Tuning
	log  *log.Log
	book *book

	mu   sync.Mutex // guards what follows
	path log.Path
	made maker

	turns, windows, sessions, facts *index.Index
	flush                           sync.WaitGroup
	busy                            bool
	behind                          bool // some turns' facts could not be written
	flushErr                        error
	warnings                        []string
}

// Open opens the memory in dir, which is made where absent. Its index is made
// anew from the log where it is missing, damaged, or of another version. It
// wraps ErrLocked where another process has the thread open.
func Open(dir string, opt Options) (*Thread, error) {
	if opt.Reader == nil {
		opt.Reader = Rules{}
	}
	t := &Thread{dir: dir, opt: opt, tune: Tuned()}
	if opt.Tuning != nil {
		t.tune = *opt.Tuning
	}
	var err error
	if t.log, err = log.Open(filepath.Join(dir, "turns"), log.Options{NoSync: opt.NoSync}); err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	if t.book, err = openBook(filepath.Join(dir, "book"), opt.NoSync); err != nil {
		return nil, errors.Join(fmt.Errorf("memory: %w", err), t.log.Close())
	}
	for _, d := range slices.Concat(t.log.Damage(), t.book.log.Damage()) {
		t.warnings = append(t.warnings, d.String())
	}
	t.path = t.log.Path(t.keptHead())
	if err := t.openIndex(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// indexVersion changes with what goes into documents.
const indexVersion = 2

// indices lists what openIndex opens.
func (t *Thread) indices() map[string]**index.Index {
	return map[string]**index.Index{"turns": &t.turns, "windows": &t.windows, "sessions": &t.sessions, "facts": &t.facts}
}

// openIndex opens the index and adds what the logs have beyond it.
func (t *Thread) openIndex() error {
	for name, x := range t.indices() {
		dir := filepath.Join(t.dir, "index", name)
		var err error
		*x, err = index.Open(dir, indexVersion)
		if errors.Is(err, index.ErrDamaged) {
			t.warnings = append(t.warnings, fmt.Sprintf("memory: made anew from the log: %v", err))
			if err = index.Reset(dir); err == nil {
				*x, err = index.Open(dir, indexVersion)
			}
		}
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
	}
	if err := t.catchUp(); err != nil {
		return err
	}
	return t.catchUpFacts()
}

// catchUp makes documents of the turns that the index lacks. Documents hold
// what came shortly before them, so that reading begins a little earlier.
func (t *Thread) catchUp() error {
	from := min(t.turns.Flushed(), t.windows.Flushed(), t.sessions.Flushed())
	path := t.log.Path(from)
	if before := path.Before(from+1, lookBack); len(before) > 0 {
		from = before[len(before)-1]
	}
	for r, err := range t.log.From(from) {
		if err != nil {
			return fmt.Errorf("memory: %w", err)
		}
		t.add(turnOf(r))
		if t.turns.Pending()+t.windows.Pending() > 4*index.TailPostings {
			if err := t.flushAll(); err != nil {
				return err
			}
		}
	}
	return nil
}

func turnOf(r log.Record) Turn {
	return Turn{ID: r.ID, Parent: r.Parent, Time: r.Time, Speaker: r.Name, Text: r.Text}
}

// Append keeps turns, each after the head unless it says otherwise, and makes
// the last one the head. When it returns they are on the disk; facts are found
// in them and the index knows them. It returns the id of the last one.
func (t *Thread) Append(turns ...Turn) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	recs := make([]log.Record, len(turns))
	head, id := t.path.Head(), t.log.Last()
	for i := range turns {
		id++
		turns[i].ID = id
		if !turns[i].Branch {
			turns[i].Parent = head
		}
		if p := turns[i].Parent; p >= id {
			return 0, fmt.Errorf("memory: parent %d: %w", p, ErrNotFound)
		}
		if turns[i].Time.IsZero() {
			turns[i].Time = time.Now()
		}
		recs[i] = log.Record{Kind: kindTurn, ID: id, Parent: turns[i].Parent, Time: turns[i].Time, Name: turns[i].Speaker, Text: turns[i].Text}
		head = id
	}
	if err := t.log.Append(recs...); err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	for _, turn := range turns {
		if !t.path.Extend(turn.ID, turn.Parent) {
			t.path = t.log.Path(turn.ID)
		}
		t.add(turn)
	}
	t.note(turns)
	return id, t.tend()
}

// note learns from turns that are on the disk. Where their facts cannot be
// written, as on a full disk, the turns count all the same: they are read again
// at the next turn, or when the thread is opened.
func (t *Thread) note(turns []Turn) {
	var err error
	if t.behind {
		err = t.learnUnseen()
	} else {
		err = t.learn(turns)
	}
	t.behind = err != nil
}

// tend writes the index in the background when enough waits in memory.
func (t *Thread) tend() error {
	if t.opt.Flush {
		if t.turns.Pending() > 8*index.TailPostings {
			return t.flushAll()
		}
		return nil
	}
	if t.busy || t.turns.Pending()+t.windows.Pending() < index.TailPostings {
		return nil
	}
	t.busy = true
	t.flush.Go(func() {
		err := t.flushAll()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.busy = false
		if err != nil { // the log has everything: tried again at the next turn
			t.flushErr = err
		}
	})
	return nil
}

func (t *Thread) flushAll() error {
	var errs []error
	for _, x := range []*index.Index{t.turns, t.windows, t.sessions, t.facts} {
		errs = append(errs, x.Flush())
	}
	return errors.Join(errs...)
}

// Flush writes the index to the disk, so that the next Open need not make it.
func (t *Thread) Flush() error { return t.flushAll() }

// Head returns the turn that the conversation has come to, 0 for none.
func (t *Thread) Head() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.path.Head()
}

// SetHead goes to another turn: what is not on its branch is not remembered.
// It holds for the next Open too.
func (t *Thread) SetHead(id uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id != 0 {
		if _, err := t.log.Get(id); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
	}
	if err := atomicfile.WriteBytes(t.headFile(), fmt.Appendf(nil, "%d %d\n", id, t.log.Last())); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	t.path = t.log.Path(id)
	return nil
}

func (t *Thread) headFile() string { return filepath.Join(t.dir, "head") }

// keptHead is the head that was set last or, where something was said since,
// the last turn.
func (t *Thread) keptHead() uint64 {
	var head, last uint64
	b, err := os.ReadFile(t.headFile())
	if err == nil {
		_, err = fmt.Sscanf(string(b), "%d %d", &head, &last)
	}
	if err != nil || last != t.log.Last() || head > last {
		return t.log.Last()
	}
	return head
}

// Follow returns the turns that were said after one, on any branch, oldest
// first: alternatives to each other. 0 is the beginning.
func (t *Thread) Follow(id uint64) (turns []Turn, err error) {
	for _, c := range t.log.Children(id) {
		turn, err := t.Turn(c)
		if errors.Is(err, ErrNotFound) {
			continue // forgotten
		}
		if err != nil {
			return nil, err
		}
		turns = append(turns, turn)
	}
	return turns, nil
}

// Turn returns a turn, whatever branch it is on. A forgotten one is not found.
func (t *Thread) Turn(id uint64) (Turn, error) {
	r, err := t.log.Get(id)
	if err == nil && (r.Kind != kindTurn || t.book.forgot(id)) {
		err = fmt.Errorf("turn %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return Turn{}, fmt.Errorf("memory: %w", err)
	}
	return turnOf(r), nil
}

// Last returns the newest n turns of the present branch, oldest first.
func (t *Thread) Last(n int) ([]Turn, error) {
	t.mu.Lock()
	ids := t.path.Before(t.path.Head()+1, n)
	t.mu.Unlock()
	slices.Reverse(ids)
	turns := make([]Turn, 0, len(ids))
	for _, id := range ids {
		turn, err := t.Turn(id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		turns = append(turns, turn)
	}
	return turns, nil
}

// Warnings says what was found damaged and what was done about it.
func (t *Thread) Warnings() []string { return t.warnings }

// Stats are the sizes of a thread.
type Stats struct {
	Turns, Facts, Documents int
	Head                    uint64
}

// Stats returns the sizes.
func (t *Thread) Stats() Stats {
	return Stats{
		Turns: t.log.Len(), Facts: t.book.live(), Head: t.Head(),
		Documents: t.turns.Docs() + t.windows.Docs() + t.sessions.Docs() + t.facts.Docs(),
	}
}

// Close writes what waits and lets other processes open the thread.
func (t *Thread) Close() error {
	t.flush.Wait()
	var errs []error
	for _, x := range t.indices() {
		if *x != nil {
			errs = append(errs, (*x).Flush(), (*x).Close())
		}
	}
	if t.book != nil {
		if _, nobody := t.opt.Reader.(NoFacts); !nobody && !t.behind {
			errs = append(errs, t.book.keepSeen())
		}
		errs = append(errs, t.book.log.Close())
	}
	return errors.Join(append(errs, t.log.Close())...)
}

// maker makes documents of turns; it remembers the last few of the branch
// that was added to last.
type maker struct {
	words    term.Analyzer
	split    embedder.Splitter
	recent   []Turn   // newest last, each the parent of the next
	speakers []string // seen since the thread was opened
	session  []uint64 // terms of the present session
	closed   uint64   // last turn of it
	count    int
}
