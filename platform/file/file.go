// Package file is what the platform stores for its customers: uploads and what
// jobs made. A file is a row that names bytes in the blob store; files with the
// same bytes share them.
package file

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/blob"
	"kuai/platform/db"
)

const (
	defaultMax   = 512 << 20      // bytes of a file
	defaultGrace = 24 * time.Hour // that bytes without a file are kept
	maxName      = 255            // bytes
	maxPage      = 1000
	defaultPage  = 100
	idTries      = 20

	// OutputPurpose is the purpose of what jobs made.
	OutputPurpose = "output"
)

// ID is a file's number. It is below 2^53, since clients keep it as a float,
// and rises with time.
type ID int64

// textPrefix begins the written form.
const textPrefix = "file-"

// String is the written form, such as file-1234.
func (id ID) String() string { return textPrefix + strconv.FormatInt(int64(id), 10) }

// ParseID reads an identifier with or without its prefix.
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(s, textPrefix), 10, 64)
	if err != nil || n <= 0 || n >= 1<<53 {
		return 0, fault.New(fault.NotFound, "there is no file %q", s[:min(len(s), maxName)])
	}
	return ID(n), nil
}

// epoch is where the time in identifiers begins; 40 bits of milliseconds last
// until 2054, 13 bits of chance keep those of one millisecond apart.
var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func newID(now time.Time) ID {
	return ID(now.Sub(epoch).Milliseconds()&(1<<40-1)<<13 | rand.Int64N(1<<13)) //nolint:gosec // owners guard files, not numbers
}

// File is a stored file.
type File struct {
	ID                 ID
	Org, Project, User string
	Job                string // that made it; "" for an upload
	Purpose            string
	Name, Type         string
	Bytes              int64
	SHA256             string
	Created, Expires   time.Time // zero: never
}

// Options of a store. DB and Blobs are needed.
type Options struct {
	DB        *db.DB
	Blobs     blob.Store
	Signer    *blob.Signer     // checks the addresses of this server
	MaxBytes  int64            // of a file; 0 is 512 MiB
	OutputTTL time.Duration    // of what jobs made; 0 is for ever
	Grace     time.Duration    // 0 is a day
	Now       func() time.Time // nil is time.Now
}

// Store keeps files. Goroutines and processes may share one.
type Store struct {
	db     *db.DB
	blobs  blob.Store
	signer *blob.Signer
	max    int64
	ttl    time.Duration
	grace  time.Duration
	now    func() time.Time
	swept  string // orphans are looked for after this hash
}

// New returns the store in a database.
func New(o Options) *Store {
	s := &Store{
		db: o.DB, blobs: o.Blobs, signer: o.Signer, ttl: o.OutputTTL, now: o.Now,
		max: cmp.Or(o.MaxBytes, defaultMax), grace: cmp.Or(o.Grace, defaultGrace),
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// MaxBytes is how large a file may be.
func (s *Store) MaxBytes() int64 { return s.max }

// Upload is a file that is to be stored.
type Upload struct {
	Org, Project, User string
	Purpose            string
	Name, Type         string
	Expires            time.Duration // from now; 0 is never
}

func (u Upload) check() error {
	for _, f := range []struct{ name, value string }{
		{"purpose", u.Purpose}, {"filename", u.Name}, {"type", u.Type}, {"org", u.Org}, {"project", u.Project}, {"user", u.User},
	} {
		if len(f.value) > maxName || strings.ContainsRune(f.value, 0) {
			return fault.Param(f.name, "%s has at most %d bytes", f.name, maxName)
		}
	}
	if u.Name == "" {
		return fault.Param("filename", "the file has no name")
	}
	if u.Expires < 0 {
		return fault.Param("expires_after", "a file expires after now")
	}
	return nil
}

// Create stores an upload.
func (s *Store) Create(ctx context.Context, u Upload, r io.Reader) (f File, err error) {
	if err := u.check(); err != nil {
		return f, err
	}
	info, err := s.blobs.Put(ctx, r, s.max)
	if err != nil {
		return f, fmt.Errorf("file: %w", err)
	}
	now := s.now()
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		f = File{
			Org: u.Org, Project: u.Project, User: u.User, Purpose: u.Purpose, Name: u.Name, Type: cmp.Or(u.Type, "application/octet-stream"),
			Bytes: info.Bytes, SHA256: info.Hash, Created: db.Time(db.Micros(now)),
		}
		if u.Expires > 0 {
			f.Expires = db.Time(db.Micros(now.Add(u.Expires)))
		}
		return s.insert(ctx, tx, &f)
	})
	return f, err
}

// insert gives a file a number and its share of the bytes.
func (s *Store) insert(ctx context.Context, tx *db.Tx, f *File) error {
	if err := s.acquire(ctx, tx, f.SHA256, f.Bytes); err != nil {
		return err
	}
	for range idTries {
		f.ID = newID(f.Created)
		res, err := tx.ExecContext(ctx, `INSERT INTO files (id, org, project, user_id, job, purpose, name, type, bytes, sha256, created, expires)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			int64(f.ID), f.Org, f.Project, f.User, f.Job, f.Purpose, f.Name, f.Type, f.Bytes, f.SHA256, db.Micros(f.Created), db.Micros(f.Expires))
		if err != nil {
			return wrap(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return wrap(err)
		}
	}
	return fault.New(fault.Overloaded, "too many files at once; try again")
}

// acquire counts one more file with some bytes, and makes sure that they are
// there: a sweeper who has just removed them has done so before.
func (s *Store) acquire(ctx context.Context, tx *db.Tx, hash string, size int64) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO blobs (sha256, bytes, refs, since) VALUES (?, ?, 1, 0)
		ON CONFLICT (sha256) DO UPDATE SET refs = blobs.refs + 1, since = 0`, hash, size); err != nil {
		return wrap(err)
	}
	if _, err := s.blobs.Stat(ctx, hash); err != nil {
		return fmt.Errorf("file: the bytes are gone before they were used: %w", err)
	}
	return nil
}

const selectFile = "SELECT id, org, project, user_id, job, purpose, name, type, bytes, sha256, created, expires FROM files"

func scan(row interface{ Scan(...any) error }) (f File, err error) {
	var created, expires int64
	err = row.Scan(&f.ID, &f.Org, &f.Project, &f.User, &f.Job, &f.Purpose, &f.Name, &f.Type, &f.Bytes, &f.SHA256, &created, &expires)
	f.Created, f.Expires = db.Time(created), db.Time(expires)
	return f, err
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("file: %w", err)
}

// Get returns a file of an organisation; "" is any. One that has expired is
// not found.
func (s *Store) Get(ctx context.Context, org string, id ID) (f File, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		f, err = scan(tx.QueryRowContext(ctx, selectFile+" WHERE id = ?", int64(id)))
		return err
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return f, wrap(err)
	}
	if err != nil || org != "" && f.Org != org || !f.Expires.IsZero() && !s.now().Before(f.Expires) {
		return File{}, fault.New(fault.NotFound, "there is no file %s", id)
	}
	return f, nil
}

// Filter chooses files; empty fields choose all.
type Filter struct {
	Org, Project, Purpose, Job string
	After                      ID  // the last one of the page before
	Limit                      int // 1 to 1000; 0 is 100
	OldestFirst                bool
}

// List returns a page of files, the newest first unless asked otherwise, and
// whether there are more.
func (s *Store) List(ctx context.Context, f Filter) (files []File, more bool, err error) {
	f.Limit = cmp.Or(f.Limit, defaultPage)
	if f.Limit < 1 || f.Limit > maxPage {
		return nil, false, fault.Param("limit", "limit is %d, want 1 to %d", f.Limit, maxPage)
	}
	query, args := selectFile+" WHERE (expires = 0 OR expires > ?)", []any{db.Micros(s.now())}
	for _, c := range []struct{ column, value string }{{"org", f.Org}, {"project", f.Project}, {"purpose", f.Purpose}, {"job", f.Job}} {
		if c.value != "" {
			query += " AND " + c.column + " = ?"
			args = append(args, strings.ReplaceAll(c.value, "\x00", ""))
		}
	}
	direction, beyond := "DESC", "<"
	if f.OldestFirst {
		direction, beyond = "ASC", ">"
	}
	if f.After != 0 {
		query += " AND id " + beyond + " ?"
		args = append(args, int64(f.After))
	}
	query += fmt.Sprintf(" ORDER BY id %s LIMIT %d", direction, f.Limit+1)
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		files, err = all(ctx, tx, query, args...)
		return err
	})
	if len(files) > f.Limit {
		return files[:f.Limit], true, err
	}
	return files, false, err
}

func all(ctx context.Context, tx *db.Tx, query string, args ...any) (out []File, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		f, err := scan(rows)
		if err != nil {
			return nil, wrap(err)
		}
		out = append(out, f)
	}
	return out, wrap(rows.Err())
}

// Delete removes a file of an organisation. Its bytes go when nobody else has
// them, after a while.
func (s *Store) Delete(ctx context.Context, org string, id ID) error {
	if _, err := s.Get(ctx, org, id); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		f, err := scan(tx.QueryRowContext(ctx, selectFile+" WHERE id = ?"+tx.ForUpdate(), int64(id)))
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "there is no file %s", id)
		}
		if err != nil {
			return wrap(err)
		}
		return s.remove(ctx, tx, f)
	})
}

// DeleteOf removes the files that a job made, in the transaction that deletes
// the job.
func (s *Store) DeleteOf(ctx context.Context, tx *db.Tx, job string) error {
	files, err := all(ctx, tx, selectFile+" WHERE job = ?", job)
	for _, f := range files {
		if err := s.remove(ctx, tx, f); err != nil {
			return err
		}
	}
	return err
}

func (s *Store) remove(ctx context.Context, tx *db.Tx, f File) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM files WHERE id = ?", int64(f.ID)); err != nil {
		return wrap(err)
	}
	_, err := tx.ExecContext(ctx, "UPDATE blobs SET refs = refs - 1, since = ? WHERE sha256 = ?", db.Micros(s.now()), f.SHA256)
	return wrap(err)
}
