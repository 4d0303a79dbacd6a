// Package backup copies everything of a user's into a folder and back: what
// was said with every character, groups, personas, and the cards of characters
// that do not come with Kuai. It works while others talk: each conversation is
// copied as it was at some moment.
//
//	DIR/manifest.json          what is in it, with SHA-256 of every file
//	DIR/threads/CHARACTER/     a conversation, see package memory
//	DIR/groups/ID/             a group and its conversation
//	DIR/personas/ID.json
//	DIR/cards/ID.png or ID.charx
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kuai/character/converse"
	"kuai/character/memory"
	"kuai/format/sealed"
)

const (
	format   = "kuai characters backup 1"
	maxSmall = 64 << 20 // a card with its portrait
)

// Errors to branch on.
var (
	ErrNothing  = errors.New("there is nothing to back up")
	ErrNotEmpty = sealed.ErrNotEmpty
	ErrExists   = errors.New("there is a conversation already")
	ErrNone     = sealed.ErrNone
)

// DamagedError is a backup that is not what was written.
type DamagedError = sealed.DamagedError

// Roots are where everything lies.
type Roots struct {
	Threads string // conversations with one character
	People  string // personas and groups
	Cards   string // imported characters
}

// Manifest says what a backup is.
type Manifest struct {
	Format   string        `json:"format"`
	User     string        `json:"user"`
	Made     time.Time     `json:"made"`
	Warnings []string      `json:"warnings,omitempty"` // what was damaged already
	Files    []sealed.File `json:"files"`
}

// Save writes a backup of a user's into dir, which is made and must be empty.
// It wraps ErrNothing and ErrNotEmpty. A folder without a manifest is one that
// was not finished.
func Save(ctx context.Context, r Roots, user, dir string, now time.Time) (*Manifest, error) {
	dirs, err := converse.PersonDirs(r.Threads, r.People, user)
	if err != nil {
		return nil, err
	}
	if err := sealed.Make(dir); err != nil {
		return nil, err
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
			for _, end := range []string{".png", ".charx"} {
				if _, err := sealed.Copy(filepath.Join(r.Cards, character+end), filepath.Join(dir, "cards", character+end), maxSmall); err != nil {
					return nil, err
				}
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
	if m.Files, err = sealed.Sums(ctx, dir, nil); err != nil {
		return nil, err
	}
	if len(m.Files) == 0 {
		return nil, fmt.Errorf("backup: %s: %w", user, ErrNothing)
	}
	return m, sealed.WriteManifest(dir, m)
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
		if _, err := sealed.Copy(filepath.Join(from, f.Name()), filepath.Join(dir, "personas", f.Name()), maxSmall); err != nil {
			return err
		}
	}
	return nil
}

// Check reads a whole backup and says what is wrong with it: a *DamagedError,
// or ErrNone where it is none.
func Check(ctx context.Context, dir string) (*Manifest, error) {
	data, err := sealed.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	have, err := sealed.Sums(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	return m, sealed.Damaged(sealed.Compare(have, m.Files, known))
}

// known says whether a path is one that Save writes.
func known(path string) bool {
	parts := strings.Split(path, "/")
	return (parts[0] == "threads" || parts[0] == "groups") && len(parts) > 2 || (parts[0] == "personas" || parts[0] == "cards") && len(parts) == 2
}

func parseManifest(data []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, &DamagedError{Problems: []string{"the manifest is not JSON: " + err.Error()}}
	}
	if m.Format != format || len(m.Files) > sealed.MaxFiles {
		return nil, fmt.Errorf("backup: %w", ErrNone)
	}
	return &m, nil
}
