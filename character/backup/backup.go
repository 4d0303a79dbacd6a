// Package backup copies everything of a user's into a folder and back: what
// was said with every character, groups, personas, and the cards of characters
// that do not come with Kuai. It works while others talk: each conversation is
// copied as it was at some moment.
//
//	DIR/manifest.json          what is in it, with SHA-256 of every file
//	DIR/threads/CHARACTER/     a conversation, see package memory
//	DIR/groups/ID/             a group and its conversation
//	DIR/personas/ID.json
//	DIR/cards/ID.png
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kuai/character/converse"
	"kuai/character/memory"
	"kuai/format/atomicfile"
)

const (
	manifestFile = "manifest.json"
	format       = "kuai characters backup 1"
	maxManifest  = 64 << 20
	maxFiles     = 500_000
	maxSmall     = 64 << 20 // a card with its portrait
)

// Errors to branch on.
var (
	ErrNothing  = errors.New("there is nothing to back up")
	ErrNotEmpty = errors.New("the folder is not empty")
	ErrExists   = errors.New("there is a conversation already")
	ErrNone     = errors.New("it is no backup of kuai memory backup")
)

// DamagedError is a backup that is not what was written.
type DamagedError struct{ Problems []string }

func (e *DamagedError) Error() string {
	return "backup: it is damaged, nothing was restored: " + strings.Join(e.Problems, "; ")
}

// Roots are where everything lies.
type Roots struct {
	Threads string // conversations with one character
	People  string // personas and groups
	Cards   string // imported characters
}

// File is a file of a backup.
type File struct {
	Path   string `json:"path"` // with forward slashes
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Manifest says what a backup is.
type Manifest struct {
	Format   string    `json:"format"`
	User     string    `json:"user"`
	Made     time.Time `json:"made"`
	Warnings []string  `json:"warnings,omitempty"` // what was damaged already
	Files    []File    `json:"files"`
}

// Save writes a backup of a user's into dir, which is made and must be empty.
// It wraps ErrNothing and ErrNotEmpty. A folder without a manifest is one that
// was not finished.
func Save(ctx context.Context, r Roots, user, dir string, now time.Time) (*Manifest, error) {
	dirs, err := converse.PersonDirs(r.Threads, r.People, user)
	if err != nil {
		return nil, err
	}
	if files, err := os.ReadDir(dir); err == nil && len(files) > 0 {
		return nil, fmt.Errorf("backup: %s: %w", dir, ErrNotEmpty)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	m := &Manifest{Format: format, User: user, Made: now.UTC()}
	for _, from := range dirs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		name := filepath.Base(from)
		if strings.Contains(name, ".") {
			continue // left of a restore
		}
		to := filepath.Join(dir, "groups", name)
		if filepath.Dir(from) == filepath.Clean(r.Threads) {
			character, _, _ := strings.Cut(name, "--")
			to = filepath.Join(dir, "threads", character)
			if err := copyFile(filepath.Join(r.Cards, character+".png"), filepath.Join(dir, "cards", character+".png")); err != nil {
				return nil, err
			}
		}
		warnings, err := memory.Copy(from, to)
		if err != nil {
			return nil, err
		}
		for _, w := range warnings {
			m.Warnings = append(m.Warnings, name+": "+w)
		}
	}
	if err := copyPersonas(r, user, dir); err != nil {
		return nil, err
	}
	if m.Files, err = sums(ctx, dir); err != nil {
		return nil, err
	}
	if len(m.Files) == 0 {
		return nil, fmt.Errorf("backup: %s: %w", user, ErrNothing)
	}
	data, err := json.MarshalIndent(m, "", " ")
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(dir, manifestFile), data)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return m, nil
}

func copyPersonas(r Roots, user, dir string) error {
	from := filepath.Join(r.People, user, "personas")
	files, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %w", err)
	}
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".json" {
			continue
		}
		if err := copyFile(filepath.Join(from, f.Name()), filepath.Join(dir, "personas", f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file that may be absent.
func copyFile(from, to string) error {
	f, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = fmt.Errorf("%s: more than %d bytes", from, maxSmall)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = atomicfile.WriteBytes(to, data)
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// sums lists the files of a backup.
func sums(ctx context.Context, dir string) (all []File, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel := ""
		if err == nil {
			rel, err = filepath.Rel(dir, path)
		}
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case d.IsDir() || rel == manifestFile:
			return nil
		case len(all) == maxFiles:
			return fmt.Errorf("more than %d files", maxFiles)
		case !d.Type().IsRegular():
			all = append(all, File{Path: filepath.ToSlash(rel), Bytes: -1})
			return nil
		}
		f, err := sum(path)
		f.Path = filepath.ToSlash(rel)
		all = append(all, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return all, nil
}

func sum(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close() //nolint:errcheck // was only read
	h := sha256.New()
	n, err := io.Copy(h, f)
	return File{Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

// Check reads a whole backup and says what is wrong with it: a *DamagedError,
// or ErrNone where it is none.
func Check(ctx context.Context, dir string) (*Manifest, error) {
	m, err := readManifest(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, err
	}
	have, err := sums(ctx, dir)
	if err != nil {
		return nil, err
	}
	there := map[string]File{}
	for _, f := range have {
		there[f.Path] = f
	}
	var bad []string
	for _, want := range m.Files {
		got, ok := there[want.Path]
		delete(there, want.Path)
		switch {
		case !filepath.IsLocal(filepath.FromSlash(want.Path)) || !known(want.Path):
			bad = append(bad, fmt.Sprintf("%q does not belong into a backup", want.Path))
		case !ok:
			bad = append(bad, want.Path+" is missing")
		case got.Bytes < 0:
			bad = append(bad, want.Path+" is no ordinary file")
		case got.Bytes != want.Bytes:
			bad = append(bad, fmt.Sprintf("%s has %d bytes, not %d", want.Path, got.Bytes, want.Bytes))
		case got.SHA256 != want.SHA256:
			bad = append(bad, want.Path+" is not what was written")
		}
	}
	for path := range there {
		bad = append(bad, path+" was not written with it")
	}
	if len(bad) > 0 {
		const most = 10
		slices.Sort(bad)
		if n := len(bad); n > most {
			bad = append(bad[:most], fmt.Sprintf("and %d more", n-most))
		}
		return nil, &DamagedError{bad}
	}
	return m, nil
}

// known says whether a path is one that Save writes.
func known(path string) bool {
	parts := strings.Split(path, "/")
	return (parts[0] == "threads" || parts[0] == "groups") && len(parts) > 2 || (parts[0] == "personas" || parts[0] == "cards") && len(parts) == 2
}

func readManifest(path string) (*Manifest, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("backup: %s: %w", filepath.Dir(path), ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	data, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return parseManifest(data)
}

func parseManifest(data []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, &DamagedError{[]string{"the manifest is not JSON: " + err.Error()}}
	}
	if m.Format != format || len(m.Files) > maxFiles {
		return nil, fmt.Errorf("backup: %w", ErrNone)
	}
	return &m, nil
}
