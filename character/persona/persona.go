// Package persona keeps whom users say to be: a name, a description and, if
// wanted, pronouns, that characters are told. A user may have several, a file
// each, and chooses one for a conversation.
//
//	DIR/USER/personas/ID.json
package persona

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
	"unicode"
	"unicode/utf8"

	"kuai/character/shelf"
	"kuai/fault"
	"kuai/format/atomicfile"
)

// Limits of a persona, in bytes, and of how many a user has.
const (
	MaxName        = 100
	MaxDescription = 4000
	MaxPronouns    = 40
	MaxPersonas    = 100

	maxFile = 64 << 10
)

// Errors to branch on.
var (
	ErrNotFound = errors.New("there is no such persona")
	ErrExists   = errors.New("there is a persona of this name already")
	ErrUser     = errors.New("a user's name is small letters, digits and dashes, at most 64 bytes")
	ErrInvalid  = errors.New("that is no persona") // the error says why
)

// Persona is whom a user says to be.
type Persona struct {
	ID          string `json:"id"` // made of the first name
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Pronouns    string `json:"pronouns,omitempty"`
}

// Check says what cannot be.
func (p *Persona) Check() error {
	p.Name, p.Pronouns = strings.Join(strings.Fields(p.Name), " "), strings.Join(strings.Fields(p.Pronouns), " ")
	p.Description = strings.TrimSpace(p.Description)
	for _, f := range []struct {
		what, text string
		most       int
	}{{"name", p.Name, MaxName}, {"description", p.Description, MaxDescription}, {"pronouns", p.Pronouns, MaxPronouns}} {
		if len(f.text) > f.most || !utf8.ValidString(f.text) {
			return fault.Blame(ErrInvalid, fault.Invalid, f.what, "the %s is no text of at most %d bytes", f.what, f.most)
		}
	}
	if !strings.ContainsFunc(p.Name, unicode.IsLetter) || strings.ContainsAny(p.Name, ":{}<>|\n") {
		return fault.Blame(ErrInvalid, fault.Invalid, "name", "a name has a letter, and none of : { } < > |")
	}
	return nil
}

// Text is what a character is told of the user, "" for nothing but the name.
func (p *Persona) Text() string {
	if p.Pronouns == "" {
		return p.Description
	}
	return strings.TrimSpace(p.Description + " (" + p.Pronouns + ")")
}

// Store is a folder of personas.
type Store struct{ Dir string }

func (s Store) dir(user string) (string, error) {
	if user != shelf.ID(user) {
		return "", fmt.Errorf("persona: %w", ErrUser)
	}
	return filepath.Join(s.Dir, user, "personas"), nil
}

// path is the file of a persona.
func (s Store) path(user, id string) (string, error) {
	dir, err := s.dir(user)
	if err == nil && id != shelf.ID(id) {
		err = fmt.Errorf("persona: %q: %w", id, ErrNotFound)
	}
	return filepath.Join(dir, id+".json"), err
}

// List returns a user's personas by their names. One that cannot be read is in
// broken with its reason.
func (s Store) List(user string) (all []Persona, broken []error) {
	dir, err := s.dir(user)
	if err != nil {
		return nil, []error{err}
	}
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, []error{fmt.Errorf("persona: %w", err)}
	}
	for _, f := range files[:min(len(files), 2*MaxPersonas)] {
		id, ok := strings.CutSuffix(f.Name(), ".json")
		if !ok || id != shelf.ID(id) {
			continue
		}
		p, err := s.Get(user, id)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(x, y Persona) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID)) })
	return all, broken
}

// Get returns a persona. It wraps ErrNotFound.
func (s Store) Get(user, id string) (Persona, error) {
	path, err := s.path(user, id)
	if err != nil {
		return Persona{}, err
	}
	data, err := atomicfile.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Persona{}, fmt.Errorf("persona: %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return Persona{}, fmt.Errorf("persona: %w", err)
	}
	p, err := Parse(data)
	if err != nil {
		return Persona{}, fmt.Errorf("persona: %s: %w", path, err)
	}
	p.ID = id
	return p, nil
}

// Parse reads a persona from JSON and checks it.
func Parse(data []byte) (Persona, error) {
	var p Persona
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("persona: %w: %w", ErrInvalid, err)
	}
	return p, p.Check()
}

// Add keeps a new persona under an id made of its name.
func (s Store) Add(user string, p Persona) (Persona, error) {
	if err := p.Check(); err != nil {
		return p, err
	}
	p.ID = shelf.ID(p.Name)
	path, err := s.path(user, p.ID)
	if err != nil {
		return p, err
	}
	if _, err := os.Stat(path); err == nil {
		return p, fault.Blame(ErrExists, fault.Conflict, "name", "there is a persona of this name already: %s", p.ID)
	}
	if all, _ := s.List(user); len(all) >= MaxPersonas {
		return p, fmt.Errorf("persona: %w: there are %d already", ErrInvalid, MaxPersonas)
	}
	return p, s.write(path, p)
}

// Edit puts another persona in the place of one; the id stays.
func (s Store) Edit(user string, p Persona) error {
	if err := p.Check(); err != nil {
		return err
	}
	if _, err := s.Get(user, p.ID); err != nil {
		return err
	}
	path, err := s.path(user, p.ID)
	if err != nil {
		return err
	}
	return s.write(path, p)
}

// Delete removes a persona.
func (s Store) Delete(user, id string) error {
	path, err := s.path(user, id)
	if err != nil {
		return err
	}
	if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("persona: %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("persona: %w", err)
	}
	return nil
}

func (s Store) write(path string, p Persona) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = atomicfile.WriteBytes(path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("persona: %w", err)
	}
	return nil
}
