package file

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"kuai/fault"
	"kuai/format/atomicfile"
)

const (
	maxBytes   = 512 << 20
	maxSidecar = 64 << 10
	maxFiles   = 100_000
	idBits     = 53
)

// Dir keeps files in a directory: <id>.json says what <id>.bin is.
type Dir struct {
	dir string

	mu    sync.Mutex
	files map[int64]File
}

// OpenDir opens the files of a directory, which is made if there is none. A
// description that is damaged is left out and reported.
func OpenDir(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	d := &Dir{dir: dir, files: map[int64]File{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	for _, name := range names {
		f, err := sidecar(name)
		if err != nil {
			slog.Warn("a file's description cannot be read", "file", name, "error", err)
			continue
		}
		d.files[f.ID] = f
	}
	return d, nil
}

func sidecar(name string) (File, error) {
	var f File
	info, err := os.Stat(name)
	if err != nil {
		return f, err
	}
	if info.Size() > maxSidecar {
		return f, fmt.Errorf("file: %s: %d bytes", name, info.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, err
	}
	if strconv.FormatInt(f.ID, 10) != strings.TrimSuffix(filepath.Base(name), ".json") {
		return f, fmt.Errorf("file: %s: it describes another", name)
	}
	return f, nil
}

func (d *Dir) path(id int64, ending string) string {
	return filepath.Join(d.dir, strconv.FormatInt(id, 10)+ending)
}

// errLarge ends a copy.
var errLarge = errors.New("file: too large")

// Put stores a file, its description last.
func (d *Dir) Put(_ context.Context, f File, r io.Reader) (File, error) {
	if !f.Expires.IsZero() {
		return f, &fault.Error{Code: fault.Unsupported, Param: "expires_after", Message: "files stay until they are deleted here"}
	}
	d.mu.Lock()
	full := len(d.files) >= maxFiles
	d.mu.Unlock()
	if full {
		return f, fault.New(fault.Conflict, "there are %d files; delete some", maxFiles)
	}
	f.ID, f.Created = 1+rand.Int64N(1<<idBits-1), time.Now()
	err := atomicfile.Write(d.path(f.ID, ".bin"), func(w io.Writer) error {
		n, err := io.Copy(w, io.LimitReader(r, maxBytes+1))
		if f.Bytes = n; err == nil && n > maxBytes {
			err = errLarge
		}
		return err
	})
	if errors.Is(err, errLarge) {
		return f, fault.New(fault.TooLarge, "the file is longer than %d bytes", maxBytes)
	}
	if err != nil {
		return f, fmt.Errorf("file: %w", err)
	}
	data, err := json.Marshal(f)
	if err == nil {
		err = atomicfile.WriteBytes(d.path(f.ID, ".json"), data)
	}
	if err != nil {
		return f, errors.Join(fmt.Errorf("file: %w", err), os.Remove(d.path(f.ID, ".bin")))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[f.ID] = f
	return f, nil
}

// Stat returns what is known of a file.
func (d *Dir) Stat(_ context.Context, owner string, id int64) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[id]
	if !ok || f.Owner != owner {
		return File{}, notFound()
	}
	return f, nil
}

// Open opens a file for reading.
func (d *Dir) Open(ctx context.Context, owner string, id int64) (File, io.ReadSeekCloser, error) {
	f, err := d.Stat(ctx, owner, id)
	if err != nil {
		return f, nil, err
	}
	r, err := os.Open(d.path(id, ".bin"))
	if err != nil {
		return f, nil, fmt.Errorf("file: %w", err)
	}
	return f, r, nil
}

// Delete removes a file.
func (d *Dir) Delete(ctx context.Context, owner string, id int64) error {
	if _, err := d.Stat(ctx, owner, id); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, id)
	for _, ending := range []string{".json", ".bin"} {
		if err := os.Remove(d.path(id, ending)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("file: %w", err)
		}
	}
	return nil
}

// List returns the files of an owner.
func (d *Dir) List(_ context.Context, owner string) ([]File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []File
	for _, f := range d.files {
		if f.Owner == owner {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b File) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return out, nil
}
