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
	"time"

	memory "kuai/character/backup"
	"kuai/character/converse"
	"kuai/format/sealed"
	"kuai/platform"
	"kuai/platform/blob"
	"kuai/platform/db"
)

// maxDatabase bounds the copy of a database.
const maxDatabase = 1 << 42

// Check reads a whole backup and says what is wrong with it: a
// *sealed.DamagedError, sealed.ErrNone where it is none, or db.ErrNewer.
func Check(ctx context.Context, dir string) (*Manifest, error) {
	data, err := sealed.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	have, err := sealed.Sums(ctx, dir, aside)
	if err != nil {
		return nil, err
	}
	bad := sealed.Compare(have, m.Files, belongs)
	if !slices.ContainsFunc(m.Files, func(f sealed.File) bool { return f.Path == database }) {
		bad = append(bad, database+" is not in the manifest")
	}
	if len(bad) == 0 { // else its blobs need not be asked for
		if bad, err = checkBlobs(ctx, m, dir); err != nil {
			return nil, err
		}
	}
	for _, user := range m.Users {
		_, err := memory.Check(ctx, filepath.Join(dir, usersDir, user))
		if damaged, ok := errors.AsType[*sealed.DamagedError](err); ok {
			for _, p := range damaged.Problems {
				bad = append(bad, usersDir+"/"+user+": "+p)
			}
		} else if err != nil && !errors.Is(err, sealed.ErrNone) { // that was told above
			return nil, err
		}
	}
	if err := sealed.Damaged(bad); err != nil {
		return nil, err
	}
	return m, nil
}

// checkBlobs reads all bytes that the database names.
func checkBlobs(ctx context.Context, m *Manifest, dir string) (bad []string, err error) {
	from, err := blob.NewDir(filepath.Join(dir, blobsDir), nil)
	if err != nil {
		return nil, err
	}
	err = eachBlob(ctx, dir, func(b blobOf) error {
		if slices.Contains(m.Missing, b.hash) {
			return nil
		}
		fault, err := blob.Verify(ctx, from, blob.Info{Hash: b.hash, Bytes: b.bytes})
		if fault != "" {
			bad = append(bad, blobsDir+"/"+b.hash+" "+fault)
		}
		return err
	})
	if err != nil && !errors.Is(err, db.ErrNewer) && ctx.Err() == nil {
		return append(bad, database+": "+err.Error()), nil
	}
	return bad, err
}

// Restore puts a backup back, into a place and a SQLite database at a path. It
// is checked whole before anything is touched: a *sealed.DamagedError says what
// is wrong. It wraps ErrExists where there is a platform already, unless replace
// is set, and platform.ErrServing where a server works on it. The database
// comes last: until then the old one is there. It is kept beside as
// kuai.db.replaced-TIME. A kuai.yaml that is there stays.
func Restore(ctx context.Context, path string, p Place, dir string, replace bool, now time.Time) (*Manifest, error) {
	m, err := Check(ctx, dir)
	if err != nil {
		return nil, err
	}
	release, err := platform.HoldDatabase(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = release() }() // ends with the process at the latest
	if err := m.refuse(path, p, replace); err != nil {
		return nil, err
	}
	from, err := blob.NewDir(filepath.Join(dir, blobsDir), nil)
	if err != nil {
		return nil, err
	}
	if err := eachBlob(ctx, dir, func(b blobOf) error {
		if slices.Contains(m.Missing, b.hash) {
			return nil
		}
		fault, err := copyBlob(ctx, from, p.Blobs, b)
		if err == nil && fault != "" {
			err = sealed.Damaged([]string{fault}) // since it was checked
		}
		return err
	}); err != nil {
		return nil, err
	}
	if err := m.restoreSmall(p.Data, dir); err != nil {
		return nil, err
	}
	for _, user := range m.Users {
		if _, err := memory.Restore(ctx, p.Memory, "", filepath.Join(dir, usersDir, user), replace); err != nil {
			return nil, err
		}
	}
	return m, restoreDatabase(path, filepath.Join(dir, database), now)
}

// refuse says what would be lost.
func (m *Manifest) refuse(path string, p Place, replace bool) error {
	if replace {
		return nil
	}
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("backup: %s: %w", path, ErrExists)
	}
	users, err := converse.Persons(p.Memory.Threads, p.Memory.People)
	for _, u := range users {
		if slices.Contains(m.Users, u) {
			return fmt.Errorf("backup: something is remembered of %s here: %w", u, ErrExists)
		}
	}
	return err
}

func (m *Manifest) restoreSmall(data, dir string) error {
	for _, f := range m.Files {
		rel, ok := strings.CutPrefix(f.Path, dataDir+"/")
		if !ok {
			continue
		}
		to := filepath.Join(data, filepath.FromSlash(rel))
		if _, err := os.Stat(to); err == nil && rel == "kuai.yaml" {
			continue // by it this place was found
		}
		if _, err := sealed.Copy(filepath.Join(dir, filepath.FromSlash(f.Path)), to, maxSmall); err != nil {
			return err
		}
	}
	return nil
}

// restoreDatabase moves the old database aside, with what SQLite keeps beside
// it, and the new one in.
func restoreDatabase(path, from string, now time.Time) error {
	fresh := path + ".restoring"
	if _, err := sealed.Copy(from, fresh, maxDatabase); err != nil {
		return err
	}
	old := path + ".replaced-" + now.UTC().Format("20060102T150405")
	for _, ending := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+ending, old+ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("backup: %w", err)
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}
