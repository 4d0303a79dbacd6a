package log

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/gofrs/flock"

	"kuai/format/atomicfile"
)

// Hold keeps all processes from opening the log in dir until release is called,
// or wraps ErrLocked where one has it open. A directory without a log needs no
// holding.
func Hold(dir string) (release func() error, err error) {
	path := filepath.Join(dir, "lock")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil
	}
	lock := flock.New(path)
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("log: %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("log: %s: %w", dir, ErrLocked)
	}
	return lock.Unlock, nil
}

// Copy copies the log in one directory into another, which is made. It may be
// open and written to meanwhile, by any process: the copy is what the log was
// at some moment, to the last whole record. Damage that was there is copied and
// returned.
func Copy(from, to string) ([]Damage, error) {
	names, err := filepath.Glob(filepath.Join(from, "log-[0-9][0-9][0-9][0-9][0-9][0-9].seg"))
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	if len(names) > maxSegments {
		return nil, fmt.Errorf("log: %s: %d segments, at most %d", from, len(names), maxSegments)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	sort.Strings(names)
	salt, err := findSalt(names)
	if err != nil {
		return nil, err
	}
	var damage []Damage
	var last uint64
	for i, name := range names {
		data, err := readSegment(name)
		if err != nil {
			return nil, err
		}
		end, holes := scan(data, salt, last, func(_ int64, h head) { last = h.id })
		if n := len(holes); i == len(names)-1 && n > 0 && holes[n-1].Offset == end {
			data, holes = data[:end], holes[:n-1] // it is being written
		}
		for _, h := range holes {
			h.File = name
			damage = append(damage, h)
		}
		if err := atomicfile.WriteBytes(filepath.Join(to, filepath.Base(name)), data); err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
	}
	return damage, nil
}
