// Package shelf keeps the characters of this machine: those that came with
// Kuai, and cards that were imported, as files in a folder.
package shelf

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"kuai/character/builtin"
	"kuai/character/card"
	"kuai/companion/fact"
	"kuai/format/atomicfile"
)

// Errors to branch on.
var (
	ErrNotFound = errors.New("there is no such character")
	ErrExists   = errors.New("there is a character of this name already")
	ErrBuiltIn  = errors.New("it comes with Kuai")
)

const (
	ending   = ".png"   // cards are kept in their portraits,
	archive  = ".charx" // those with files of their own in an archive
	maxName  = 64       // bytes of an id
	maxCards = 100_000
	maxFile  = 64 << 20 // bytes of a card with its files: what card.Open reads
)

// Shelf is a folder of cards. The zero value of Dir has only what is built in.
type Shelf struct{ Dir string }

// Entry is a character on the shelf.
type Entry struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	BuiltIn bool   `json:"built_in"`
	Tags    string `json:"tags,omitempty"`
	Path    string `json:"path,omitempty"`
}

// List returns all characters, those that are built in first. A card that
// cannot be read is in broken with its reason, and the others are listed.
func (s Shelf) List(l fact.Language) (all []Entry, broken []error) {
	for _, id := range builtin.Names() {
		if c, ok := builtin.Card(id, l); ok {
			all = append(all, Entry{ID: id, Name: c.Name, BuiltIn: true, Tags: strings.Join(c.Tags, ", ")})
		}
	}
	files, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return all, []error{fmt.Errorf("character: %w", err)}
	}
	var own []Entry
	for _, f := range files[:min(len(files), maxCards)] {
		id, ok := strings.CutSuffix(f.Name(), ending)
		if !ok {
			id, ok = strings.CutSuffix(f.Name(), archive)
		}
		if !ok {
			continue
		}
		path := filepath.Join(s.Dir, f.Name())
		c, err := card.Open(path)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		own = append(own, Entry{ID: id, Name: c.Name, Tags: strings.Join(c.Tags, ", "), Path: path})
	}
	slices.SortFunc(own, func(x, y Entry) int { return cmp.Compare(x.ID, y.ID) })
	return append(all, own...), broken
}

// Card returns a character by its id. Imported ones are in one language; of
// those that are built in, the language chooses.
func (s Shelf) Card(id string, l fact.Language) (*card.Card, error) {
	if c, ok := builtin.Card(id, l); ok {
		return c, nil
	}
	if id != ID(id) {
		return nil, fmt.Errorf("character: %q: %w", id, ErrNotFound)
	}
	c, err := card.Open(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("character: %q: %w", id, ErrNotFound)
	}
	return c, err
}

// Import keeps a card under an id made of its name, and returns the id. With
// replace it may take the place of an imported one.
func (s Shelf) Import(c *card.Card, replace bool) (string, error) {
	id := ID(c.Name)
	if _, ok := builtin.Card(id, fact.English); ok {
		return "", fmt.Errorf("character: %q: %w", id, ErrExists)
	}
	old := s.path(id)
	if _, err := os.Stat(old); err == nil && !replace {
		return "", fmt.Errorf("character: %q: %w", id, ErrExists)
	}
	write, end := c.PNG, ending
	if c.HasFiles() {
		write, end = c.Archive, archive
	}
	data, err := write()
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("character: %q: %d bytes, at most %d", id, len(data), maxFile)
	}
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return "", fmt.Errorf("character: %w", err)
	}
	path := filepath.Join(s.Dir, id+end)
	if err := atomicfile.WriteBytes(path, data); err != nil {
		return "", fmt.Errorf("character: %w", err)
	}
	if old != path { // what it takes the place of was kept in another form
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("character: %w", err)
		}
	}
	return id, nil
}

// Delete removes an imported character.
func (s Shelf) Delete(id string) error {
	if _, ok := builtin.Card(id, fact.English); ok {
		return fmt.Errorf("character: %q: %w", id, ErrBuiltIn)
	}
	err := os.Remove(s.path(ID(id)))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("character: %q: %w", id, ErrNotFound)
	}
	return err
}

// path is where a card lies, or would.
func (s Shelf) path(id string) string {
	if path := filepath.Join(s.Dir, id+archive); exists(path) {
		return path
	}
	return filepath.Join(s.Dir, id+ending)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ID makes a file's name of a character's: small letters and digits of any
// script, dashes between words.
func ID(name string) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(name) {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			dash = b.Len() > 0
			continue
		}
		if dash {
			b.WriteByte('-')
			dash = false
		}
		if b.Len()+len(string(r)) > maxName {
			break
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "nameless"
	}
	return b.String()
}
