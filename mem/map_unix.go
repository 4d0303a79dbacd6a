//go:build unix

package mem

import (
	"golang.org/x/sys/unix"
)

// hugePage is the alignment at which Linux can give a huge page.
const hugePage = 2 << 20

// reserve maps anonymous memory, with huge pages where the system has them.
func reserve(n int) ([]byte, error) {
	n = max((n+hugePage-1)&^(hugePage-1), hugePage)
	buf, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|noReserve)
	if err == nil {
		adviseHuge(buf)
	}
	return buf, err
}

// release unmaps what reserve mapped.
func release(buf []byte) {
	if len(buf) > 0 {
		_ = unix.Munmap(buf) // fails only for what is not a map
	}
}

// mapFile maps a file's bytes for reading.
func mapFile(fd uintptr, n int) ([]byte, error) {
	return unix.Mmap(int(fd), 0, n, unix.PROT_READ, unix.MAP_SHARED)
}

func unmapFile(buf []byte) error { return unix.Munmap(buf) }
