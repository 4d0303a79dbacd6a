package memory

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kuai/character/memory/log"
	"kuai/format/atomicfile"
)

// maxSmall bounds the files of a thread besides its logs: the head, what others
// keep beside it.
const maxSmall = 4 << 20

// Hold keeps all processes from opening the thread in dir until release is
// called, or wraps ErrLocked where one has it open.
func Hold(dir string) (release func() error, err error) {
	turns, err := log.Hold(filepath.Join(dir, "turns"))
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	book, err := log.Hold(filepath.Join(dir, "book"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("memory: %w", err), turns())
	}
	return func() error { return errors.Join(turns(), book()) }, nil
}

// Copy copies the thread in one directory into another, which is made. It may
// be open and written to meanwhile, by any process: what is known is copied
// before what was said, so that nothing is known from a turn that is not there.
// The index is left out: it is made anew. It returns what was damaged.
func Copy(from, to string) (warnings []string, err error) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	for _, f := range files { // the head first: it says of which last turn it is
		if !f.Type().IsRegular() || strings.Contains(f.Name(), ".tmp") {
			continue
		}
		err := copySmall(filepath.Join(from, f.Name()), filepath.Join(to, f.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // taken away meanwhile
			return nil, fmt.Errorf("memory: %w", err)
		}
	}
	for _, name := range []string{"book", "turns"} {
		damage, err := log.Copy(filepath.Join(from, name), filepath.Join(to, name))
		if err != nil {
			return warnings, fmt.Errorf("memory: %w", err)
		}
		for _, d := range damage {
			warnings = append(warnings, d.String())
		}
	}
	return warnings, nil
}

func copySmall(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // was only read
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err != nil {
		return err
	}
	if len(data) > maxSmall {
		return fmt.Errorf("%s: more than %d bytes", from, maxSmall)
	}
	return atomicfile.WriteBytes(to, data)
}
