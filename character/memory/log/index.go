package log

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sort"

	"kuai/format/atomicfile"
)

const (
	indexMagic   = "KUAILIX\x01"
	indexHeader  = 8 * 7    // magic, salt, size, records, last, marks, runs
	maxIndexFile = 64 << 20 // one run a record in a full segment is far below
)

// Run is a stretch of records with consecutive ids, each the parent of the
// next. A conversation without branches is one run, however long.
type Run struct {
	First, Last uint64
	Parent      uint64 // of First
}

// mark says where a record begins.
type mark struct {
	id  uint64
	off int64
}

// index is what is kept in memory of a segment, and in a file beside a sealed
// one: marks in steps, and the shape of the tree. It can be made anew from the
// segment at any time.
//
//	magic 8 | salt u64 | segment's size u64 | records u64 | last id u64 | marks u64 | runs u64
//	marks: id u64, offset u64 | runs: first u64, last u64, parent u64 | checksum u32
type index struct {
	salt    uint64
	records int
	last    uint64
	marks   []mark
	runs    []Run
	since   int   // records since the last mark
	markOff int64 // where that was
}

// note adds a record.
func (x *index) note(off int64, h head) {
	if len(x.marks) == 0 || x.since >= sparseEvery || off-x.markOff >= sparseBytes {
		x.marks = append(x.marks, mark{h.id, off})
		x.since, x.markOff = 0, off
	}
	x.since++
	x.records++
	x.runs = extend(x.runs, h.id, h.parent)
	x.last = h.id
}

// extend adds a record to a list of runs.
func extend(runs []Run, id, parent uint64) []Run {
	if n := len(runs); n > 0 && runs[n-1].Last == parent && id == parent+1 {
		runs[n-1].Last = id
		return runs
	}
	return append(runs, Run{id, id, parent})
}

// around returns the bytes that hold the record with the id, if any do; size
// is the end of the segment.
func (x *index) around(id uint64, size int64) (lo, hi int64) {
	i := sort.Search(len(x.marks), func(i int) bool { return x.marks[i].id > id })
	if i == 0 {
		return headerBytes, headerBytes
	}
	hi = size
	if i < len(x.marks) {
		hi = x.marks[i].off
	}
	return x.marks[i-1].off, hi
}

// first returns the id of the first record, 0 for none.
func (x *index) first() uint64 {
	if len(x.marks) == 0 {
		return 0
	}
	return x.marks[0].id
}

// writeIndex keeps the index of a sealed segment.
func writeIndex(path string, x *index, size int64) error {
	b := make([]byte, 0, indexHeader+16*len(x.marks)+24*len(x.runs)+4)
	b = append(b, indexMagic...)
	for _, v := range []uint64{x.salt, uint64(size), uint64(x.records), x.last, uint64(len(x.marks)), uint64(len(x.runs))} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	for _, m := range x.marks {
		b = binary.LittleEndian.AppendUint64(b, m.id)
		b = binary.LittleEndian.AppendUint64(b, uint64(m.off))
	}
	for _, r := range x.runs {
		b = binary.LittleEndian.AppendUint64(b, r.First)
		b = binary.LittleEndian.AppendUint64(b, r.Last)
		b = binary.LittleEndian.AppendUint64(b, r.Parent)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return atomicfile.WriteBytes(path, b)
}

// readIndex reads what writeIndex wrote.
func readIndex(path string) (x index, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return index{}, 0, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, maxIndexFile+1))
	if err != nil {
		return index{}, 0, err
	}
	return parseIndex(b)
}

func parseIndex(b []byte) (x index, size int64, err error) {
	bad := func(what string) (index, int64, error) {
		return index{}, 0, fmt.Errorf("log: index: %s", what)
	}
	if len(b) < indexHeader+4 || len(b) > maxIndexFile || string(b[:8]) != indexMagic {
		return bad("not an index")
	}
	end := len(b) - 4
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return bad("checksum differs")
	}
	u := func(i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }
	marks, runs, total := u(40), u(48), u(16)
	if marks > maxIndexFile/16 || runs > maxIndexFile/24 || indexHeader+16*marks+24*runs != uint64(end) {
		return bad("counts do not fit its size")
	}
	if total > maxSegment || u(24) > maxSegment {
		return bad("sizes out of bounds")
	}
	x = index{salt: u(8), records: int(u(24)), last: u(32)}
	at := indexHeader
	prev := mark{0, headerBytes - 1}
	for range marks {
		m := mark{u(at), int64(u(at + 8))}
		if m.id <= prev.id || m.off <= prev.off || m.off >= int64(total) {
			return bad("marks out of order")
		}
		x.marks = append(x.marks, m)
		prev = m
		at += 16
	}
	for range runs {
		r := Run{u(at), u(at + 8), u(at + 16)}
		if r.Last < r.First || r.Parent >= r.First {
			return bad("a run that goes backwards")
		}
		x.runs = append(x.runs, r)
		at += 24
	}
	return x, int64(total), nil
}
