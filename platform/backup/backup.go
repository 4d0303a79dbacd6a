// Package backup copies a platform of one machine into a folder and back: the
// database, the bytes of its files, keys, and what characters remember of
// everyone. It works while the server does: the database is copied as it is at
// one moment, and the bytes that its files name outlive the copying.
//
//	DIR/manifest.json         what is in it, with SHA-256 of all but the below
//	DIR/kuai.db               the database
//	DIR/blobs/ab/cd/abcd…     bytes under their own SHA-256, as kuai.db names them
//	DIR/memory/USER/          a backup of package character/backup
//	DIR/data/…                keys, certificates, settings, cards, uploads
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	memory "kuai/character/backup"
	"kuai/character/converse"
	"kuai/character/shelf"
	"kuai/format/sealed"
	"kuai/platform/blob"
	"kuai/platform/db"
)

const (
	format   = "kuai platform backup 1"
	database = "kuai.db"
	blobsDir = "blobs"
	usersDir = "memory"
	dataDir  = "data"
	maxSmall = 1 << 30 // an upload has at most half of it
)

// ErrExists says that there is a platform where one is to be restored.
var ErrExists = errors.New("there is a platform already")

// small are the files of the data directory that are kept; the last element
// may be a pattern.
var small = []string{
	"kuai.yaml", "links.key", "jobs/blobs.key", "tls/cert.pem", "tls/key.pem", "characters/rules.json",
	"characters/cards/*.png", "characters/cards/*.charx", "files/*.bin", "files/*.json",
}

// Place is where a platform lives.
type Place struct {
	Data   string       // its data directory
	Memory memory.Roots // of its characters
	Blobs  blob.Store
}

// Manifest says what a backup is.
type Manifest struct {
	Format   string    `json:"format"`
	Made     time.Time `json:"made"`
	Warnings []string  `json:"warnings,omitempty"` // what was damaged already

	Blobs     int64         `json:"blobs"` // that kuai.db names
	BlobBytes int64         `json:"blob_bytes"`
	Missing   []string      `json:"missing,omitempty"` // of those: gone before the backup was made
	Users     []string      `json:"users"`
	Files     []sealed.File `json:"files"`
}

// Save writes a backup into dir, which is made and must be empty. It wraps
// sealed.ErrNotEmpty, and db.ErrNoCopy for PostgreSQL. A folder without a
// manifest is one that was not finished.
func Save(ctx context.Context, d *db.DB, p Place, dir string, now time.Time) (*Manifest, error) {
	if d.Dialect() != db.SQLite {
		return nil, fmt.Errorf("backup: %w", db.ErrNoCopy)
	}
	if err := sealed.Make(dir); err != nil {
		return nil, err
	}
	m := &Manifest{Format: format, Made: now.UTC(), Users: []string{}}
	if err := d.CopyTo(ctx, filepath.Join(dir, database)); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := m.saveBlobs(ctx, p.Blobs, dir); err != nil {
		return nil, err
	}
	if err := saveSmall(p.Data, filepath.Join(dir, dataDir)); err != nil {
		return nil, err
	}
	if err := m.savePeople(ctx, p.Memory, dir, now); err != nil {
		return nil, err
	}
	var err error
	if m.Files, err = sealed.Sums(ctx, dir, aside); err != nil {
		return nil, err
	}
	return m, sealed.WriteManifest(dir, m)
}

// aside says which files have checksums of their own: blobs are named by them,
// those of a user's memory are in its manifest.
func aside(rel string) bool {
	parts := strings.Split(rel, "/")
	return parts[0] == blobsDir || parts[0] == usersDir && len(parts) > 2 && (len(parts) > 3 || parts[2] != sealed.ManifestFile)
}

// belongs says whether a path is one that Save writes and sums.
func belongs(rel string) bool {
	if parts := strings.Split(rel, "/"); parts[0] == usersDir {
		return len(parts) == 3 && parts[1] == shelf.ID(parts[1]) && parts[2] == sealed.ManifestFile
	}
	if name, ok := strings.CutPrefix(rel, dataDir+"/"); ok {
		for _, pattern := range small {
			if ok, err := path.Match(pattern, name); ok && err == nil {
				return true
			}
		}
	}
	return rel == database
}

// blobOf is what the database says of bytes.
type blobOf struct {
	hash  string
	bytes int64
}

// named are a batch of the bytes that the files of a database need.
func named(ctx context.Context, d *db.DB, after string) (all []blobOf, err error) {
	const batch = 1000
	err = d.Read(ctx, func(tx *db.Tx) (err error) {
		all, err = db.List(ctx, tx, func(row db.Scanner) (b blobOf, err error) {
			err = row.Scan(&b.hash, &b.bytes)
			return b, err
		}, "SELECT sha256, bytes FROM blobs WHERE refs > 0 AND sha256 > ? ORDER BY sha256 LIMIT ?", after, batch)
		return err
	})
	return all, err
}

// eachBlob calls f with the bytes that the database of a backup names.
func eachBlob(ctx context.Context, dir string, f func(blobOf) error) (err error) {
	d, err := db.OpenCopy(ctx, filepath.Join(dir, database))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for after := ""; ; {
		some, err := named(ctx, d, after)
		if err != nil || len(some) == 0 {
			return err
		}
		for _, b := range some {
			if err := f(b); err != nil {
				return err
			}
			after = b.hash
		}
	}
}

// saveBlobs copies what the copied database names, so that later files do not
// matter. Bytes without a file are kept for a day, longer than this takes.
func (m *Manifest) saveBlobs(ctx context.Context, from blob.Store, dir string) error {
	to, err := blob.NewDir(filepath.Join(dir, blobsDir), nil)
	if err != nil {
		return err
	}
	return eachBlob(ctx, dir, func(b blobOf) error {
		m.Blobs++
		fault, err := copyBlob(ctx, from, to, b)
		switch {
		case err != nil:
			return err
		case fault != "":
			m.Missing, m.Warnings = append(m.Missing, b.hash), append(m.Warnings, fault)
		default:
			m.BlobBytes += b.bytes
		}
		return nil
	})
}

// copyBlob copies bytes from one store to another; fault says what is wrong
// with them where they are.
func copyBlob(ctx context.Context, from, to blob.Store, b blobOf) (fault string, err error) {
	r, err := from.Get(ctx, b.hash, 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		return fmt.Sprintf("the bytes %s of a file are missing", b.hash), nil
	}
	if err != nil {
		return "", err
	}
	info, err := to.Put(ctx, r, b.bytes+1)
	if err = errors.Join(err, r.Close()); err != nil {
		return "", err
	}
	if info.Hash != b.hash || info.Bytes != b.bytes {
		return fmt.Sprintf("the bytes %s of a file are not what was stored", b.hash), to.Delete(ctx, info.Hash)
	}
	return "", nil
}

// saveSmall copies the small files. Of an upload the description is last: one
// without its bytes was deleted meanwhile.
func saveSmall(data, dir string) error {
	for _, pattern := range small {
		found, err := filepath.Glob(filepath.Join(globbed(data), filepath.FromSlash(pattern)))
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		for _, name := range found {
			rel, err := filepath.Rel(data, name)
			if err != nil {
				return fmt.Errorf("backup: %w", err)
			}
			if _, err := sealed.Copy(name, filepath.Join(dir, rel), maxSmall); err != nil {
				return err
			}
		}
	}
	lone, err := filepath.Glob(filepath.Join(globbed(dir), "files", "*.json"))
	for _, name := range lone {
		if _, e := os.Stat(strings.TrimSuffix(name, ".json") + ".bin"); errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

// globbed is a path as a pattern that fits it alone.
func globbed(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// savePeople copies what is remembered of everyone.
func (m *Manifest) savePeople(ctx context.Context, r memory.Roots, dir string, now time.Time) error {
	users, err := converse.Persons(r.Threads, r.People)
	if err != nil {
		return err
	}
	for _, user := range users {
		to := filepath.Join(dir, usersDir, user)
		one, err := memory.Save(ctx, r, user, to, now)
		if errors.Is(err, memory.ErrNothing) {
			if err := os.RemoveAll(to); err != nil {
				return fmt.Errorf("backup: %w", err)
			}
			continue
		}
		if err != nil {
			return err
		}
		m.Users = append(m.Users, user)
		for _, w := range one.Warnings {
			m.Warnings = append(m.Warnings, user+": "+w)
		}
	}
	return nil
}

// parseManifest reads a manifest.
func parseManifest(data []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, sealed.Damaged([]string{"the manifest is not JSON: " + err.Error()})
	}
	if m.Format != format || len(m.Files) > sealed.MaxFiles {
		return nil, fmt.Errorf("backup: it is %.40q, want %q: %w", m.Format, format, sealed.ErrNone)
	}
	for _, u := range m.Users {
		if u != shelf.ID(u) {
			return nil, sealed.Damaged([]string{fmt.Sprintf("%q is no user", u)})
		}
	}
	return &m, nil
}
