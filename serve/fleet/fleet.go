// Package fleet is the language models of a machine: which there are, which are
// loaded and how fast they answer. It pulls, loads and unloads them while the
// others go on.
//
//	here -Load-> loading -> loaded -Unload-> unloading -> here
//	nowhere -Pull-> pulling -> here
package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"kuai/registry"
	"kuai/serve/chat"
	"kuai/text"
)

// drainTime is what the answers of a model that is unloaded get to end.
const drainTime = 30 * time.Second

// maxPulls bounds what is fetched at once.
const maxPulls = 2

// Errors that callers branch on.
var (
	ErrNotFound = errors.New("fleet: there is no such model")
	ErrBusy     = errors.New("fleet: the model is busy with that already")
	ErrState    = errors.New("fleet: not as the model stands now")
)

// State is where a model stands.
type State string

// The states.
const (
	Here      State = "here" // on the disk
	Pulling   State = "pulling"
	Loading   State = "loading"
	Loaded    State = "loaded"
	Unloading State = "unloading"
)

// Model is a language model of this machine.
type Model struct {
	Name  string // by which Load and Unload know it
	ID    string // by which requests name it while it is loaded
	State State
	Error string // why the last change failed

	Bytes        int64 // on the disk; while it is pulled: all of it
	Done         int64 // of them, that have come
	Arch         string
	Parameters   int64
	Context      int
	StateBytes   int64 // of a session, whatever its length
	KVBytes      int64 // of each token of a session
	Running      int   // requests
	Waiting      int
	Requests     int64
	ReadRate     float64 // tokens of prompts a second, measured; 0: not yet
	WriteRate    float64 // tokens of answers a second, all together
	WrittenSoFar int64   // tokens of answers
}

// Options say what a fleet is made of.
type Options struct {
	Group    *chat.Group // what is served; Load adds to it
	Registry registry.Registry
	Hub      registry.Hub
	Own      []registry.Entry // models that do not lie in the registry
	Open     func(ctx context.Context, path string) (*chat.Loaded, error)
}

// Fleet is safe for use by several goroutines. Close ends what it does in the
// background; the group stays.
type Fleet struct {
	o    Options
	life context.Context //nolint:containedctx // of what runs in the background
	stop context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	tasks map[string]*task // by name
	known map[string]text.Config
}

// task is a change on its way, or one that failed.
type task struct {
	state  State
	cancel context.CancelFunc
	done   int64
	total  int64
	err    string
}

// New returns a fleet.
func New(ctx context.Context, o Options) *Fleet {
	f := &Fleet{o: o, tasks: map[string]*task{}, known: map[string]text.Config{}}
	f.life, f.stop = context.WithCancel(ctx)
	return f
}

// Close ends pulls, which can be gone on with later, and waits for the rest.
func (f *Fleet) Close() {
	f.stop()
	f.work.Wait()
}

// List returns the models, by name.
func (f *Fleet) List() ([]Model, error) {
	pulled, err := f.o.Registry.List()
	if err != nil {
		return nil, err
	}
	entries := append(slices.Clone(f.o.Own), pulled...)
	loaded := map[string]chat.Served{}
	for _, s := range f.o.Group.All() {
		if !slices.ContainsFunc(entries, func(e registry.Entry) bool { return e.Path == s.Path }) {
			e, err := registry.At(s.Name, s.Path)
			if err != nil {
				e = registry.Entry{Name: s.Name, Path: s.Path} // its file has gone; it works on
			}
			entries = append(entries, e)
		}
		loaded[s.Path] = s
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Model, 0, len(entries))
	seen := map[string]bool{}
	for _, e := range entries {
		s, on := loaded[e.Path]
		out = append(out, f.model(e, s, on))
		seen[e.Name] = true
	}
	for name, t := range f.tasks {
		if !seen[name] { // on its way, or it never came
			out = append(out, Model{Name: name, State: cmp.Or(t.state, Here), Error: t.err, Bytes: t.total, Done: t.done})
		}
	}
	slices.SortFunc(out, func(a, b Model) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// model is what is known of an entry.
func (f *Fleet) model(e registry.Entry, s chat.Served, on bool) Model {
	m := Model{Name: e.Name, State: Here, Bytes: e.Bytes, Done: e.Bytes}
	c, ok := f.known[e.Path]
	if !ok {
		var err error
		if c, err = text.Describe(e.Path); err != nil {
			m.Error = err.Error()
		} else {
			f.known[e.Path] = c
		}
	}
	m.Arch, m.Parameters, m.Context, m.StateBytes, m.KVBytes = c.Arch, c.Parameters, c.Context, c.StateBytes, c.KVBytes
	if on {
		st := s.Stats
		m.ID, m.State = s.Name, Loaded
		m.Running, m.Waiting, m.Requests, m.WrittenSoFar = st.Running, st.Waiting, st.Requests, st.CompletionTokens
		m.ReadRate, m.WriteRate = st.ReadRate(), st.WriteRate()
	}
	if t, ok := f.tasks[e.Name]; ok {
		m.State, m.Error = cmp.Or(t.state, m.State), cmp.Or(t.err, m.Error)
	}
	return m
}

// find returns a model of the list.
func (f *Fleet) find(name string) (Model, error) {
	all, err := f.List()
	if err != nil {
		return Model{}, err
	}
	for _, m := range all {
		if m.Name == name {
			return m, nil
		}
	}
	return Model{}, fmt.Errorf("%w: %.200s", ErrNotFound, name)
}

// begin notes a change and runs it in the background.
func (f *Fleet) begin(name string, s State, run func(ctx context.Context, t *task) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t, ok := f.tasks[name]; ok && t.state != "" {
		return fmt.Errorf("%w: %s: %s", ErrBusy, name, t.state)
	}
	pulls := 0
	for _, t := range f.tasks {
		if t.state == Pulling {
			pulls++
		}
	}
	if s == Pulling && pulls >= maxPulls {
		return fmt.Errorf("%w: %d others are fetched, at most %d at once", ErrBusy, pulls, maxPulls)
	}
	if f.life.Err() != nil {
		return fmt.Errorf("%w: the server shuts down", ErrState)
	}
	ctx, cancel := context.WithCancel(f.life)
	t := &task{state: s, cancel: cancel}
	f.tasks[name] = t
	f.work.Go(func() {
		defer cancel()
		err := run(ctx, t)
		f.mu.Lock()
		defer f.mu.Unlock()
		if err == nil || ctx.Err() != nil {
			delete(f.tasks, name)
			return
		}
		t.state, t.err = "", err.Error()
		slog.Warn("a model could not be changed", "model", name, "to", s, "error", err)
	})
	return nil
}

// Load begins to load a model.
func (f *Fleet) Load(name string) error {
	m, err := f.find(name)
	if err != nil {
		return err
	}
	if m.State == Loaded {
		return fmt.Errorf("%w: %s is loaded", ErrState, name)
	}
	file, err := f.path(name)
	if err != nil {
		return err
	}
	return f.begin(name, Loading, func(ctx context.Context, _ *task) error {
		l, err := f.o.Open(context.WithoutCancel(ctx), file) // the model outlives the task
		if err != nil {
			return err
		}
		short := strings.TrimSuffix(path.Base(name), ".gguf")
		if !f.o.Group.Add(short, l) && !f.o.Group.Add(name, l) {
			return errors.Join(fmt.Errorf("%w: two models are called %s", ErrState, name), l.Close())
		}
		return nil
	})
}

// path is where a model that is not loaded lies.
func (f *Fleet) path(name string) (string, error) {
	pulled, err := f.o.Registry.List()
	if err != nil {
		return "", err
	}
	for _, e := range append(slices.Clone(f.o.Own), pulled...) {
		if e.Name == name {
			return e.Path, nil
		}
	}
	return "", fmt.Errorf("%w: %.200s", ErrNotFound, name)
}

// Unload begins to unload a model: it takes no more requests, and those that it
// has get some time to end.
func (f *Fleet) Unload(name string) error {
	m, err := f.find(name)
	if err != nil {
		return err
	}
	if m.State != Loaded {
		return fmt.Errorf("%w: %s is not loaded", ErrState, name)
	}
	return f.begin(name, Unloading, func(ctx context.Context, _ *task) error {
		l := f.o.Group.Remove(m.ID)
		if l == nil {
			return nil
		}
		ctx, stop := context.WithTimeout(ctx, drainTime)
		defer stop()
		l.Talker.Engine.Drain(ctx)
		return l.Close()
	})
}

// Pull begins to fetch a model from the hub; one that was begun goes on.
func (f *Fleet) Pull(name string) error {
	n, err := registry.ParseName(name)
	if err != nil {
		return err
	}
	key := n.Repo
	if n.Pick != "" {
		key += ":" + n.Pick
	}
	return f.begin(key, Pulling, func(ctx context.Context, t *task) error {
		_, err := f.o.Registry.Pull(ctx, f.o.Hub, name, func(p registry.Progress) {
			f.mu.Lock()
			defer f.mu.Unlock()
			t.done, t.total = p.Done, p.Total
		})
		return err
	})
}

// Cancel ends a pull, or forgets that one failed.
func (f *Fleet) Cancel(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tasks[name]
	switch {
	case !ok:
		return fmt.Errorf("%w: nothing is done to %.200s", ErrNotFound, name)
	case t.state == "":
		delete(f.tasks, name)
	case t.state != Pulling:
		return fmt.Errorf("%w: %s is %s", ErrState, name, t.state)
	default:
		t.cancel()
	}
	return nil
}
