package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kuai/character/converse"
	"kuai/character/memory"
	"kuai/character/shelf"
	"kuai/format/sealed"
)

// Endings of what lies beside a conversation while it is restored. Deleting a
// person deletes them too.
const (
	staged   = ".restoring"
	replaced = ".replaced"
)

// place is a conversation of a backup and where it goes.
type place struct{ from, to string }

// Restore puts a backup back, for a user, "" for the one that it is of. It is
// checked whole before anything is touched: a *DamagedError says what is wrong.
// Where there is a conversation already it wraps ErrExists, unless replace is
// set; it wraps memory.ErrLocked where a process has that one open. Cards that
// are there stay as they are.
func Restore(ctx context.Context, r Roots, user, dir string, replace bool) (*Manifest, error) {
	m, err := Check(ctx, dir)
	if err != nil {
		return nil, err
	}
	if user == "" {
		user = m.User
	}
	if user != shelf.ID(user) {
		return nil, converse.ErrUser
	}
	places, err := m.places(r, user, dir)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		release, err := memory.Hold(p.to)
		if err != nil {
			return nil, err
		}
		defer func() { _ = release() }() // the lock goes with what it is of
	}
	for _, p := range places {
		if _, err := os.Stat(p.to); err == nil && !replace {
			return nil, fmt.Errorf("backup: %s: %w", filepath.Base(p.to), ErrExists)
		}
	}
	for _, p := range places {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := stage(p); err != nil {
			return nil, err
		}
	}
	for _, p := range places {
		if err := settle(p.to); err != nil {
			return nil, err
		}
	}
	return m, m.small(r, user, dir)
}

// places are the conversations of the backup.
func (m *Manifest) places(r Roots, user, dir string) (out []place, err error) {
	for _, f := range m.Files {
		parts := strings.Split(f.Path, "/")
		if parts[0] != "threads" && parts[0] != "groups" {
			continue
		}
		if len(parts) < 3 || parts[1] != shelf.ID(parts[1]) {
			return nil, &DamagedError{Problems: []string{fmt.Sprintf("%q does not belong into a backup", f.Path)}}
		}
		p := place{filepath.Join(dir, parts[0], parts[1]), filepath.Join(r.People, user, "groups", parts[1])}
		if parts[0] == "threads" {
			p.to = converse.ThreadDir(r.Threads, parts[1], user)
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// stage copies a conversation beside where it goes.
func stage(p place) error {
	to := p.to + staged
	err := os.MkdirAll(filepath.Dir(to), 0o700)
	if err == nil {
		err = os.RemoveAll(to)
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	_, err = memory.Copy(p.from, to)
	return err
}

// settle moves it there.
func settle(to string) error {
	old := to + replaced
	err := os.RemoveAll(old)
	if err == nil {
		if err = os.Rename(to, old); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.Rename(to+staged, to)
	}
	if err == nil {
		err = os.RemoveAll(old)
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// small restores personas, and cards that are not there.
func (m *Manifest) small(r Roots, user, dir string) error {
	for _, f := range m.Files {
		name := filepath.Base(filepath.FromSlash(f.Path))
		var to string
		switch filepath.Dir(filepath.FromSlash(f.Path)) {
		case "personas":
			to = filepath.Join(r.People, user, "personas", name)
		case "cards":
			to = filepath.Join(r.Cards, name)
			if _, err := os.Stat(to); err == nil {
				continue
			}
		default:
			continue
		}
		if _, err := sealed.Copy(filepath.Join(dir, filepath.FromSlash(f.Path)), to, maxSmall); err != nil {
			return err
		}
	}
	return nil
}
