// Package group keeps who is in a conversation of several characters and a
// user, and decides who of them speaks. What is said lies beside it, in the
// thread of the group:
//
//	DIR/USER/groups/ID/group.json
//	                   turns/, book/, index/ ...   see package memory
package group

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"kuai/character/persona"
	"kuai/character/shelf"
	"kuai/companion/fact"
	"kuai/fault"
	"kuai/format/atomicfile"
)

// Limits.
const (
	MaxMembers = 16
	MaxGroups  = 1000 // of a user
	maxName    = 100  // bytes
	maxFile    = 64 << 10
	fileName   = "group.json"
)

// Errors to branch on.
var (
	ErrNotFound = errors.New("there is no such group")
	ErrExists   = errors.New("there is a group of this name already")
	ErrInvalid  = errors.New("that is no group") // the error says why
	ErrMember   = errors.New("nobody of that name is in the group")
)

// Order says who answers.
type Order string

// The orders.
const (
	Natural Order = "natural" // who is named, and others as talkative as they are
	List    Order = "list"    // everybody, in the order of the list
	Manual  Order = "manual"  // who is asked to
)

// Member is a character in a group.
type Member struct {
	ID    string `json:"id"`   // on the shelf
	Name  string `json:"name"` // under which it speaks here
	Muted bool   `json:"muted,omitempty"`
}

// Group is who talks together.
type Group struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Order   Order    `json:"order"`
	Members []Member `json:"members"`
}

// Check says what cannot be.
func (g *Group) Check() error {
	g.Name = strings.Join(strings.Fields(g.Name), " ")
	g.Order = cmp.Or(g.Order, Natural)
	switch {
	case g.Name == "" || len(g.Name) > maxName || !utf8.ValidString(g.Name):
		return fault.Blame(ErrInvalid, fault.Invalid, "name", "a name is a text of 1 to %d bytes", maxName)
	case g.Order != Natural && g.Order != List && g.Order != Manual:
		return fault.Blame(ErrInvalid, fault.Invalid, "order", "the order is %q, want natural, list or manual", g.Order)
	case len(g.Members) == 0 || len(g.Members) > MaxMembers:
		return fault.Blame(ErrInvalid, fault.Invalid, "members", "%d characters, want 1 to %d", len(g.Members), MaxMembers)
	}
	names := map[string]bool{fact.User: true, fact.Companion: true, "kuai": true}
	for i := range g.Members {
		m := &g.Members[i]
		m.Name = strings.Join(strings.Fields(m.Name), " ")
		key := strings.ToLower(m.Name)
		if m.ID != shelf.ID(m.ID) || m.Name == "" || len(m.Name) > maxName || strings.ContainsAny(m.Name, ":<>|") || !utf8.ValidString(m.Name) {
			return fault.Blame(ErrInvalid, fault.Invalid, "members", "a character %.40q called %.40q cannot speak in a group", m.ID, m.Name)
		}
		if names[key] {
			return fault.Blame(ErrInvalid, fault.Invalid, "members", "two are called %s", m.Name)
		}
		names[key] = true
	}
	return nil
}

// Find returns the place of a member by id or name. It wraps ErrMember.
func (g *Group) Find(who string) (int, error) {
	i := slices.IndexFunc(g.Members, func(m Member) bool { return m.ID == who || strings.EqualFold(m.Name, who) })
	if i < 0 {
		return 0, fmt.Errorf("%.60q: %w", who, ErrMember)
	}
	return i, nil
}

// Store is a folder of groups: that of the personas.
type Store struct{ Dir string }

// Path returns where a user's group and its thread lie.
func (s Store) Path(user, id string) (string, error) {
	if user != shelf.ID(user) {
		return "", fmt.Errorf("group: %w", persona.ErrUser)
	}
	if id != shelf.ID(id) {
		return "", fmt.Errorf("group: %q: %w", id, ErrNotFound)
	}
	return filepath.Join(s.Dir, user, "groups", id), nil
}

// List returns a user's groups by their names. One that cannot be read is in
// broken with its reason.
func (s Store) List(user string) (all []Group, broken []error) {
	dir, err := s.Path(user, "x")
	if err != nil {
		return nil, []error{err}
	}
	files, err := os.ReadDir(filepath.Dir(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, []error{fmt.Errorf("group: %w", err)}
	}
	for _, f := range files[:min(len(files), 2*MaxGroups)] {
		if f.Name() != shelf.ID(f.Name()) {
			continue
		}
		g, err := s.Get(user, f.Name())
		if err != nil {
			broken = append(broken, err)
			continue
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(x, y Group) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID)) })
	return all, broken
}

// Get returns a group. It wraps ErrNotFound.
func (s Store) Get(user, id string) (Group, error) {
	dir, err := s.Path(user, id)
	if err != nil {
		return Group{}, err
	}
	path := filepath.Join(dir, fileName)
	data, err := atomicfile.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Group{}, fmt.Errorf("group: %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return Group{}, fmt.Errorf("group: %w", err)
	}
	g, err := Parse(data)
	if err != nil {
		return Group{}, fmt.Errorf("%s: %w", path, err)
	}
	g.ID = id
	return g, nil
}

// Parse reads a group from JSON and checks it.
func Parse(data []byte) (Group, error) {
	var g Group
	if err := json.Unmarshal(data, &g); err != nil {
		return g, fmt.Errorf("group: %w: %w", ErrInvalid, err)
	}
	return g, g.Check()
}

// Create keeps a new group under an id made of its name.
func (s Store) Create(user string, g Group) (Group, error) {
	if err := g.Check(); err != nil {
		return g, err
	}
	g.ID = shelf.ID(g.Name)
	dir, err := s.Path(user, g.ID)
	if err != nil {
		return g, err
	}
	if _, err := os.Stat(filepath.Join(dir, fileName)); err == nil {
		return g, fault.Blame(ErrExists, fault.Conflict, "name", "there is a group of this name already: %s", g.ID)
	}
	if all, _ := s.List(user); len(all) >= MaxGroups {
		return g, fmt.Errorf("group: %w: there are %d already", ErrInvalid, MaxGroups)
	}
	return g, s.write(dir, g)
}

// Save puts a group in the place of what it was.
func (s Store) Save(user string, g Group) error {
	if err := g.Check(); err != nil {
		return err
	}
	if _, err := s.Get(user, g.ID); err != nil {
		return err
	}
	dir, err := s.Path(user, g.ID)
	if err != nil {
		return err
	}
	return s.write(dir, g)
}

func (s Store) write(dir string, g Group) error {
	data, err := json.MarshalIndent(g, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(dir, fileName), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("group: %w", err)
	}
	return nil
}
