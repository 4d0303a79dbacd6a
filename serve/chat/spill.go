package chat

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"kuai/format/atomicfile"
)

// Saver is a Model whose sessions can be written down; Text is one. What Load
// reads goes on exactly as what Save wrote.
type Saver interface {
	Fork(s Session) Session
	Save(s Session, w io.Writer) error
	Load(r io.Reader) (Session, error)
}

// ErrNoSession says that a conversation has no session that could be saved.
var ErrNoSession = errors.New("chat: nothing is kept of this conversation")

// spill holds sessions on disk for which there was no memory, up to a budget of
// bytes; the one that lay there longest goes first.
type spill struct {
	model  Saver
	dir    string
	budget int64
	bytes  int64
	count  int
	list   []spilled
}

type spilled struct {
	name, path string
	bytes      int64
}

// newSpill makes a folder of this process's own in dir; nil where sessions
// cannot be written down.
func newSpill(m Model, dir string, budget int64) *spill {
	s, ok := m.(Saver)
	if !ok || dir == "" {
		return nil
	}
	own, err := os.MkdirTemp(dir, "sessions-")
	if err != nil {
		slog.Warn("sessions cannot be put on disk", "error", err)
		return nil
	}
	return &spill{model: s, dir: own, budget: budget}
}

// put writes a session down. The loop waits for it: about a second for a
// gigabyte.
func (d *spill) put(name string, s Session) {
	d.drop(name)
	if sessionBytes(s) > d.budget {
		return
	}
	d.count++
	path := filepath.Join(d.dir, fmt.Sprint(d.count))
	if err := atomicfile.Write(path, func(w io.Writer) error { return d.model.Save(s, w) }); err != nil {
		slog.Warn("a session cannot be put on disk", "error", err)
		return
	}
	n := sessionBytes(s)
	if info, err := os.Stat(path); err == nil {
		n = info.Size()
	}
	d.list = append(d.list, spilled{name, path, n})
	d.bytes += n
	for d.bytes > d.budget {
		d.drop(d.list[0].name)
	}
}

func (d *spill) find(name string) int {
	return slices.IndexFunc(d.list, func(e spilled) bool { return e.name == name })
}

// take reads a session back; nil if there is none of that name.
func (d *spill) take(name string) Session {
	at := d.find(name)
	if at < 0 {
		return nil
	}
	defer d.drop(name)
	f, err := os.Open(d.list[at].path)
	if err != nil {
		slog.Warn("a session cannot be read back", "error", err)
		return nil
	}
	defer f.Close() //nolint:errcheck // was only read
	s, err := d.model.Load(f)
	if err != nil {
		slog.Warn("a session cannot be read back", "error", err)
		return nil
	}
	return s
}

// drop forgets a session.
func (d *spill) drop(name string) {
	at := d.find(name)
	if at < 0 {
		return
	}
	if err := os.Remove(d.list[at].path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Warn("a session stays on disk", "error", err)
	}
	d.bytes -= d.list[at].bytes
	d.list = slices.Delete(d.list, at, at+1)
}

// close removes everything.
func (d *spill) close() {
	if err := os.RemoveAll(d.dir); err != nil {
		slog.Warn("sessions stay on disk", "error", err)
	}
	d.list, d.bytes = nil, 0
}

// call runs f in the loop, between two steps.
func (e *Engine) call(f func()) error {
	done := make(chan struct{})
	e.mu.Lock()
	e.calls = append(e.calls, func() { defer close(done); f() })
	e.mu.Unlock()
	e.poke()
	select {
	case <-done:
		return nil
	case <-e.done:
	}
	select {
	case <-done:
		return nil
	default:
		return ErrClosed
	}
}

// called runs what was asked for meanwhile.
func (e *Engine) called() {
	e.mu.Lock()
	calls := e.calls
	e.calls = nil
	e.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

// Export writes down what is kept of a conversation between its turns, so that
// another process can Import it. It fails with ErrNoSession where there is
// nothing. Others are not held up: a fork is written, outside the loop.
func (e *Engine) Export(conversation string, w io.Writer) error {
	m, ok := e.model.(Saver)
	if !ok {
		return ErrNoSession
	}
	var fork Session
	err := e.call(func() {
		if s := e.kept.take(conversation); s != nil {
			fork = m.Fork(s)
			e.kept.put(conversation, s)
		}
	})
	if err != nil {
		return err
	}
	if fork == nil {
		return ErrNoSession
	}
	defer fork.Close()
	return m.Save(fork, w)
}

// Import makes what Export wrote the session of a conversation: its next turn
// computes only what is new. It fails by what is wrong with the session, of
// another model for instance, or with ErrMemory.
func (e *Engine) Import(conversation string, r io.Reader) error {
	m, ok := e.model.(Saver)
	if !ok {
		return errors.ErrUnsupported
	}
	s, err := m.Load(r)
	if err != nil {
		return err
	}
	kept := false
	err = e.call(func() {
		e.kept.put(conversation, s)
		kept = e.kept.has(conversation)
	})
	if err != nil {
		s.Close()
		return err
	}
	if !kept {
		return ErrMemory
	}
	return nil
}
