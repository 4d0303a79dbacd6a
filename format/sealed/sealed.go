// Package sealed keeps folders whose files are known by their checksums, such
// as backups: a manifest, written last, says what belongs there, so that what
// is missing, changed or added is found.
package sealed

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

	"kuai/format/atomicfile"
)

// ManifestFile is the manifest's name in its folder.
const ManifestFile = "manifest.json"

// Limits of a folder.
const (
	maxManifest = 64 << 20
	MaxFiles    = 500_000
	maxReported = 10 // problems
)

// Errors that callers branch on.
var (
	ErrNotEmpty = errors.New("the folder is not empty")
	ErrNone     = errors.New("it has no manifest: it is no backup, or one that was not finished")
)

// DamagedError is a folder that is not what was written.
type DamagedError struct{ Problems []string }

func (e *DamagedError) Error() string {
	return "backup: it is damaged, nothing was restored: " + strings.Join(e.Problems, "; ")
}

// Damaged is a *DamagedError of problems, the first of them in order; nil if
// there are none.
func Damaged(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	if n := len(problems); n > maxReported {
		problems = append(problems[:maxReported], fmt.Sprintf("and %d more", n-maxReported))
	}
	return &DamagedError{problems}
}

// File is a file of a folder.
type File struct {
	Path   string `json:"path"`  // with forward slashes
	Bytes  int64  `json:"bytes"` // -1: no ordinary file
	SHA256 string `json:"sha256"`
}

// Make makes an empty folder, or takes one that is there and empty.
func Make(dir string) error {
	if files, err := os.ReadDir(dir); err == nil && len(files) > 0 {
		return fmt.Errorf("backup: %s: %w", dir, ErrNotEmpty)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// Sums lists the files of a folder but its manifest and what skip says, which
// may be nil.
func Sums(ctx context.Context, dir string, skip func(path string) bool) (all []File, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel := ""
		if err == nil {
			rel, err = filepath.Rel(dir, path)
		}
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case d.IsDir() && skip != nil && skip(rel):
			return fs.SkipDir
		case d.IsDir() || rel == ManifestFile || skip != nil && skip(rel):
			return nil
		case len(all) == MaxFiles:
			return fmt.Errorf("more than %d files", MaxFiles)
		case !d.Type().IsRegular():
			all = append(all, File{Path: rel, Bytes: -1})
			return nil
		}
		f, err := sum(path)
		f.Path = rel
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

// Compare says how the files of a folder differ from those that were written.
// belongs says which paths can be in such a folder.
func Compare(have, want []File, belongs func(path string) bool) []string {
	there := map[string]File{}
	for _, f := range have {
		there[f.Path] = f
	}
	var bad []string
	for _, w := range want {
		got, ok := there[w.Path]
		delete(there, w.Path)
		switch {
		case !filepath.IsLocal(filepath.FromSlash(w.Path)) || !belongs(w.Path):
			bad = append(bad, fmt.Sprintf("%q does not belong into a backup", w.Path))
		case !ok:
			bad = append(bad, w.Path+" is missing")
		case got.Bytes < 0:
			bad = append(bad, w.Path+" is no ordinary file")
		case got.Bytes != w.Bytes:
			bad = append(bad, fmt.Sprintf("%s has %d bytes, not %d", w.Path, got.Bytes, w.Bytes))
		case got.SHA256 != w.SHA256:
			bad = append(bad, w.Path+" is not what was written")
		}
	}
	for path := range there {
		bad = append(bad, path+" was not written with it")
	}
	return bad
}

// WriteManifest ends a folder.
func WriteManifest(dir string, manifest any) error {
	data, err := json.MarshalIndent(manifest, "", " ")
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(dir, ManifestFile), data)
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// ReadManifest reads a folder's manifest as it was written. It wraps ErrNone
// where there is none.
func ReadManifest(dir string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("backup: %s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	data, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return data, nil
}

// Copy copies a file of at most limit bytes, so that the copy is there whole or
// not at all, and for its owner alone. A file that is not there is fine: false.
func Copy(from, to string, limit int64) (bool, error) {
	f, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("backup: %w", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return false, fmt.Errorf("backup: %w", err)
	}
	err = atomicfile.Write(to, func(w io.Writer) error {
		n, err := io.Copy(w, io.LimitReader(f, limit+1))
		if err == nil && n > limit {
			err = fmt.Errorf("%s: more than %d bytes", from, limit)
		}
		return err
	})
	if err == nil {
		err = os.Chmod(to, 0o600)
	}
	if err != nil {
		return false, fmt.Errorf("backup: %w", err)
	}
	return true, nil
}
