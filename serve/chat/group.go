package chat

import (
	"errors"
	"slices"
	"sync"
)

// Group is models that are served together, by name; the first is the default.
// They may come and go while others answer.
type Group struct {
	mu     sync.Mutex
	names  []string
	loaded []*Loaded
}

// Served is a model of a group and what it does.
type Served struct {
	Name, Path string
	Stats      Stats
}

// Add makes a loaded model one of the group. A name that is taken already is
// refused with false.
func (g *Group) Add(name string, l *Loaded) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.names, name) {
		return false
	}
	g.names, g.loaded = append(g.names, name), append(g.loaded, l)
	return true
}

// Remove takes a model out of the group: no new request finds it. The caller
// drains its engine and closes it. nil is returned where there is none.
func (g *Group) Remove(name string) *Loaded {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.names, name)
	if i < 0 {
		return nil
	}
	l := g.loaded[i]
	g.names, g.loaded = slices.Delete(g.names, i, i+1), slices.Delete(g.loaded, i, i+1)
	return l
}

// Names lists the models.
func (g *Group) Names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.names)
}

// All lists the models with what they do.
func (g *Group) All() []Served {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Served, len(g.names))
	for i, l := range g.loaded {
		out[i] = Served{g.names[i], l.Path, l.Talker.Engine.Stats()}
	}
	return out
}

// Talker returns a model by its name, "" for the default.
func (g *Group) Talker(name string) (t *Talker, id string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.names, name)
	if name == "" && len(g.names) > 0 {
		i = 0
	}
	if i < 0 {
		return nil, "", false
	}
	return g.loaded[i].Talker, g.names[i], true
}

// Close ends all.
func (g *Group) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for _, l := range g.loaded {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
