package checkpoint

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"unsafe"
)

// ErrLost says that a file could not be read any more while it was mapped: it
// was cut off, or the disk under it failed.
var ErrLost = errors.New("the file was cut off or its disk failed while it was in use")

// Guard runs what reads tensors. The system kills a process that touches a page
// of a mapped file which is not there any more; here that is ErrLost. Reading
// the weights into memory instead would cost a copy of the model for an error
// that hardly ever comes.
//
// It holds for the goroutine that calls it and for the workers of a par.Pool.
// Other panics go through.
func (c *Checkpoint) Guard(f func() error) error { return guard(c.Path, c.has, f) }

// Reading is Guard for work that begins with opening the file at path: every
// fault is taken for that file's.
func Reading(path string, f func() error) error {
	return guard(path, func(uintptr) bool { return true }, f)
}

// has says whether an address lies in a mapped tensor, or in the rest of its
// last page.
func (c *Checkpoint) has(address uintptr) bool {
	const page = 1 << 16
	for _, t := range c.Tensors {
		from := uintptr(unsafe.Pointer(unsafe.SliceData(t.Data)))
		if address >= from && address < from+uintptr(len(t.Data))+page {
			return true
		}
	}
	return false
}

// guard runs f; a fault at an address that is the file's is an error.
func guard(path string, has func(uintptr) bool, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		fault, ok := v.(interface {
			runtime.Error
			Addr() uintptr
		})
		if !ok || !has(fault.Addr()) {
			panic(v) //nolint:forbidigo // another's panic, handed on
		}
		err = fmt.Errorf("text: %s: %w", path, ErrLost)
	}()
	return f()
}
