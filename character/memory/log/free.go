package log

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Free says that no process has the log in dir open, or wraps ErrLocked. A
// directory without a log is free.
func Free(dir string) error {
	path := filepath.Join(dir, "lock")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock := flock.New(path)
	ok, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("log: %s: %w", dir, err)
	}
	if !ok {
		return fmt.Errorf("log: %s: %w", dir, ErrLocked)
	}
	if err := lock.Unlock(); err != nil {
		return fmt.Errorf("log: %s: %w", dir, err)
	}
	return nil
}
