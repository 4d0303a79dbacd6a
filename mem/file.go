package mem

import (
	"fmt"
	"os"
)

// File is a file's contents, mapped where the system can do that, else read.
type File struct {
	data   []byte
	mapped bool
}

// MapFile maps a file for reading. Its pages are read as they are touched.
func MapFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("mem: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("mem: %w", err)
	}
	if n := info.Size(); n > 0 && n == int64(int(n)) {
		if data, err := mapFile(f.Fd(), int(n)); err == nil {
			return &File{data, true}, nil
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("mem: %w", err)
	}
	return &File{data: data}, nil
}

// Bytes returns the contents, which must not be written to.
func (f *File) Bytes() []byte { return f.data }

// Close unmaps the file. Its bytes must not be used any more.
func (f *File) Close() error {
	data := f.data
	f.data = nil
	if !f.mapped {
		return nil
	}
	f.mapped = false
	return unmapFile(data)
}

// MapAhead maps the first limit bytes of a file for reading, which may be more
// than it has by now: what is appended shows as it comes. Only what is there may
// be touched. It fails where the system cannot map files.
func MapAhead(f *os.File, limit int) (*File, error) {
	data, err := mapFile(f.Fd(), limit)
	if err != nil {
		return nil, fmt.Errorf("mem: %s: %w", f.Name(), err)
	}
	return &File{data, true}, nil
}
