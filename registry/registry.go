// Package registry keeps the language models of this machine: it pulls them
// from a hub, lists them and finds them by name.
//
// A model lives in <dir>/<organisation>/<repository>: GGUF files beside each
// other, or a Hugging Face directory. Files arrive as <file>.part and get their
// name when they are whole and their checksum is right.
package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kuai/format/gguf"
)

// Errors that callers branch on.
var (
	ErrName     = errors.New("registry: not a model's name")
	ErrNotFound = errors.New("registry: there is no such model here")
	ErrMany     = errors.New("registry: the name fits several models")
)

// Registry is a directory of models.
type Registry struct {
	Dir string
}

// Name is what the hub calls a model.
type Name struct {
	Repo     string // organisation/repository
	Pick     string // a file, or what its name contains, such as Q4_K_M; "" for the usual one
	Revision string // "main" unless said
}

var nameForm = regexp.MustCompile(`^([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?::([\w.][\w./-]{0,250}))?(?:@([\w.][\w./-]{0,100}))?$`)

// ParseName reads organisation/repository[:file-or-part][@revision].
func ParseName(s string) (Name, error) {
	m := nameForm.FindStringSubmatch(s)
	if m == nil || strings.Contains(s, "..") || strings.HasSuffix(m[1], ".") {
		return Name{}, fmt.Errorf("%w: %q, want organisation/repository, and after it :file or @revision if so wished", ErrName, s)
	}
	n := Name{m[1], m[2], m[3]}
	if n.Revision == "" {
		n.Revision = "main"
	}
	return n, nil
}

// Entry is a model that is here.
type Entry struct {
	Name  string // by which Find knows it
	Path  string // of the GGUF file or the directory
	Bytes int64  // on disk
}

// List returns all models, by name. Partial downloads are left out.
func (r Registry) List() ([]Entry, error) {
	var out []Entry
	err := filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && path == r.Dir {
				return fs.SkipAll
			}
			return err
		}
		rel, err := filepath.Rel(r.Dir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && isHF(path):
			n, err := size(path)
			if err != nil {
				return err
			}
			out = append(out, Entry{rel, path, n})
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(rel, ".gguf"):
			name, part, _, isPart := gguf.PartOf(rel)
			if !isPart {
				name = strings.TrimSuffix(rel, ".gguf")
			} else if part > 1 {
				return nil // the first stands for all
			}
			n, err := size(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a link to nowhere, just removed, or a part is missing
			}
			if err != nil {
				return err
			}
			out = append(out, Entry{name, path, n})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// At describes the model at a path: a GGUF file or a Hugging Face directory.
func At(name, path string) (Entry, error) {
	n, err := size(path)
	if err != nil {
		return Entry{}, fmt.Errorf("registry: %w", err)
	}
	return Entry{name, path, n}, nil
}

// isHF says whether a directory holds a whole model: nothing in it is still on
// its way.
func isHF(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		return false
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, "*"+partSuffix)); len(parts) > 0 {
		return false
	}
	weights, _ := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	return len(weights) > 0
}

// size adds up the files of a directory, and the parts of a GGUF file of which it
// gets the first; any other file's is its own. Links count as what they lead to:
// caches of other programs are full of them.
func size(path string) (n int64, err error) {
	if name, part, parts, ok := gguf.PartOf(path); ok && part == 1 {
		for i := range parts {
			info, err := os.Stat(gguf.PartName(name, i+1, parts))
			if err != nil {
				return 0, err
			}
			n += info.Size()
		}
		return n, nil
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return 0, err
	}
	err = filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a link to nowhere
		}
		if err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// Find returns the path of a model: a path that exists is itself; otherwise the
// name of an entry, or a part of one that fits no other, whatever the case.
func (r Registry) Find(name string) (string, error) {
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	all, err := r.List()
	if err != nil {
		return "", err
	}
	var fits []Entry
	for _, e := range all {
		if strings.EqualFold(e.Name, strings.TrimSuffix(name, ".gguf")) {
			return e.Path, nil
		}
		if part := strings.ReplaceAll(name, ":", "/"); name != "" && contains(e.Name, part) {
			fits = append(fits, e)
		}
	}
	switch len(fits) {
	case 0:
		return "", fmt.Errorf("%w: %s", ErrNotFound, name)
	case 1:
		return fits[0].Path, nil
	}
	names := make([]string, len(fits))
	for i, e := range fits {
		names[i] = e.Name
	}
	return "", fmt.Errorf("%w: %s: %s", ErrMany, name, strings.Join(names, ", "))
}

// contains says whether all parts of a name occur in another one, in order.
func contains(name, parts string) bool {
	name = strings.ToLower(name)
	for p := range strings.SplitSeq(strings.ToLower(parts), "/") {
		at := strings.Index(name, p)
		if at < 0 {
			return false
		}
		name = name[at+len(p):]
	}
	return true
}
