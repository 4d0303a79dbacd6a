package mem

import "golang.org/x/sys/unix"

const noReserve = unix.MAP_NORESERVE

// adviseHuge asks for huge pages; a kernel without them says no, and small
// pages do.
func adviseHuge(buf []byte) { _ = unix.Madvise(buf, unix.MADV_HUGEPAGE) }
