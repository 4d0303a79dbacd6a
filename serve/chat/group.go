package chat

import (
	"errors"
	"slices"
)

// Group is models that are served together, by name; the first is the default.
type Group struct {
	names  []string
	loaded []*Loaded
}

// Add makes a loaded model one of the group. A name that is taken already is
// refused with false.
func (g *Group) Add(name string, l *Loaded) bool {
	if slices.Contains(g.names, name) {
		return false
	}
	g.names, g.loaded = append(g.names, name), append(g.loaded, l)
	return true
}

// Names lists the models.
func (g *Group) Names() []string { return g.names }

// Talker returns a model by its name, "" for the default.
func (g *Group) Talker(name string) (t *Talker, id string, ok bool) {
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
	var errs []error
	for _, l := range g.loaded {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
