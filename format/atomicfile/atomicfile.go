// Package atomicfile replaces files so that they are there whole or not at
// all: whoever opens the name finds the old contents or the new ones, after a
// full disk, a kill or a loss of power too.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrFull is wrapped by errors of a disk without room.
var ErrFull = errors.New("the disk is full; free some room and try again")

// tries bounds the temporary names that are tried: others are left-overs of
// killed processes of the same number.
const tries = 1000

// bufferBytes gathers small writes.
const bufferBytes = 1 << 18

// Write replaces the file at path by what fill writes. It is on the disk when
// Write returns; after an error the file is as it was. A path that is no
// ordinary file, such as /dev/stdout or a pipe, is written to directly.
// Errors name the path and wrap ErrFull or what the system said.
func Write(path string, fill func(io.Writer) error) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		err = errors.New("is a directory")
	case err == nil && !info.Mode().IsRegular():
		err = direct(path, fill)
	case err == nil || errors.Is(err, fs.ErrNotExist):
		err = replace(resolve(path), fill)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w (%w)", ErrFull, err)
	}
	if p := (*fs.PathError)(nil); errors.As(err, &p) && p.Path == path {
		return err // names the path already
	}
	return fmt.Errorf("%s: %w", path, err)
}

// WriteBytes is Write with the contents at hand.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// resolve follows a symbolic link, so that the link stays one.
func resolve(path string) string {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to
	}
	return path
}

// direct writes to what is no ordinary file.
func direct(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(buffered(f, fill), f.Close())
}

// buffered runs fill on a buffer before w.
func buffered(w io.Writer, fill func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, bufferBytes)
	if err := fill(b); err != nil {
		return err
	}
	return b.Flush()
}

// replace writes a temporary file beside path and renames it.
func replace(path string, fill func(io.Writer) error) (err error) {
	f, err := temporary(path)
	if err != nil {
		return err
	}
	closed := false
	defer func() { // also when fill panics
		if !closed {
			_ = f.Close() // the error that counts is the first
		}
		if err != nil || !closed {
			_ = os.Remove(f.Name())
		}
	}()
	if err := buffered(f, fill); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	closed = true
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// temporary makes a new file beside path, with the rights of a usual one.
func temporary(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	if len(base) > 100 {
		base = base[:100] // names end at 255 bytes
	}
	for i := range tries {
		name := fmt.Sprintf("%s.%s.%d-%d.tmp", dir, base, os.Getpid(), i)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			if p := (*fs.PathError)(nil); errors.As(err, &p) {
				err = p.Err // the user knows the file by its own name
			}
			return f, err
		}
	}
	return nil, fmt.Errorf("%d temporary files beside it", tries)
}

// syncDir makes a rename last. Not every system can; the file itself is safe.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// ErrLarge is returned for a file that has more bytes than it may.
var ErrLarge = errors.New("atomicfile: the file is too large")

// Read returns what a file holds, which is at most limit bytes. It wraps
// fs.ErrNotExist and ErrLarge.
func Read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // was only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: %w", path, ErrLarge)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}
