package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Dir is a store in a local directory.
type Dir struct {
	root   string
	signer *Signer
}

// NewDir opens or makes a store in a directory. signer may be nil for one
// without signed addresses.
func NewDir(root string, signer *Signer) (*Dir, error) {
	if err := os.MkdirAll(filepath.Join(root, "tmp"), 0o700); err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	return &Dir{root, signer}, nil
}

func (d *Dir) path(hash string) string { return filepath.Join(d.root, hash[:2], hash[2:4], hash) }

// Put writes beside the store and moves the whole file in.
func (d *Dir) Put(ctx context.Context, r io.Reader, limit int64) (Info, error) {
	info, err := d.put(ctx, r, limit)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w (%w)", ErrFull, err)
	}
	return info, err
}

func (d *Dir) put(ctx context.Context, r io.Reader, limit int64) (info Info, err error) {
	f, err := os.CreateTemp(filepath.Join(d.root, "tmp"), "put-")
	if err != nil {
		return info, fmt.Errorf("blob: %w", err)
	}
	moved := false
	defer func() {
		if !moved {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	n, hash, err := spool(ctx, f, r, limit)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return info, fmt.Errorf("blob: %w", err)
	}
	path := d.path(hash)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return info, fmt.Errorf("blob: %w", err)
	}
	// Over one that is there: the same bytes, and its time becomes now, which
	// keeps it from being cleaned up.
	if err := os.Rename(f.Name(), path); err != nil {
		return info, fmt.Errorf("blob: %w", err)
	}
	moved = true
	for dir := filepath.Dir(path); len(dir) >= len(d.root); dir = filepath.Dir(dir) {
		if err := syncDir(dir); err != nil {
			return info, err
		}
	}
	return Info{Hash: hash, Bytes: n, Modified: time.Now()}, nil
}

// syncDir makes a name in a directory survive a loss of power.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	return nil
}

// Get opens the file.
func (d *Dir) Get(_ context.Context, hash string, from, n int64) (io.ReadCloser, error) {
	if err := checkHash(hash); err != nil {
		return nil, err
	}
	f, err := os.Open(d.path(hash))
	if err != nil {
		return nil, notFound(err)
	}
	info, err := f.Stat()
	if err == nil {
		n, err = checkRange(info.Size(), from, n)
	}
	if err == nil {
		_, err = f.Seek(from, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, n), f}, nil
}

func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return fmt.Errorf("blob: %w", err)
}

// Stat looks at the file.
func (d *Dir) Stat(_ context.Context, hash string) (Info, error) {
	if err := checkHash(hash); err != nil {
		return Info{}, err
	}
	i, err := os.Stat(d.path(hash))
	if err != nil {
		return Info{}, notFound(err)
	}
	return Info{hash, i.Size(), i.ModTime()}, nil
}

// Delete removes the file.
func (d *Dir) Delete(_ context.Context, hash string) error {
	if err := checkHash(hash); err != nil {
		return err
	}
	if err := os.Remove(d.path(hash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: %w", err)
	}
	return nil
}

// List walks the directory.
func (d *Dir) List(ctx context.Context, after string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := filepath.WalkDir(d.root, func(path string, e fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case errors.Is(err, fs.ErrNotExist):
				return nil // removed meanwhile
			case err != nil:
				return err
			case e.IsDir() && d.before(path, after):
				return fs.SkipDir
			case e.IsDir() || checkHash(e.Name()) != nil || e.Name() <= after:
				return nil //nolint:nilerr // no file of ours, or not wanted
			}
			i, err := e.Info()
			if err != nil {
				return nil //nolint:nilerr // removed meanwhile
			}
			if !yield(Info{e.Name(), i.Size(), i.ModTime()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(Info{}, fmt.Errorf("blob: %w", err))
		}
	}
}

// before says whether all of a directory lies before a hash.
func (d *Dir) before(path, after string) bool {
	rel, err := filepath.Rel(d.root, path)
	if err != nil || rel == "." {
		return false
	}
	prefix := strings.ReplaceAll(filepath.ToSlash(rel), "/", "")
	return len(prefix) <= len(after) && prefix < after[:len(prefix)] || rel == "tmp"
}

// Clean removes what killed processes left half written, if it is older than
// that.
func (d *Dir) Clean(older time.Duration) error {
	left, err := os.ReadDir(filepath.Join(d.root, "tmp"))
	if err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	for _, e := range left {
		if i, err := e.Info(); err == nil && time.Since(i.ModTime()) > older {
			if err := os.Remove(filepath.Join(d.root, "tmp", e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("blob: %w", err)
			}
		}
	}
	return nil
}

// SignedURL is an address at this server.
func (d *Dir) SignedURL(_ context.Context, hash string, l Link) (string, error) {
	if err := checkHash(hash); err != nil {
		return "", err
	}
	if d.signer == nil {
		return "", errors.New("blob: this store signs no addresses")
	}
	return d.signer.Sign(hash, l), nil
}
