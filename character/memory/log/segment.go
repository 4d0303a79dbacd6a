package log

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

const (
	magic       = "KUAILOG\x01"
	headerBytes = 32      // magic, number, salt, checksum, four bytes of nothing
	sparseEvery = 16      // records between two marks of the sparse index
	sparseBytes = 1 << 14 // or bytes, where records are long
	// maxSegment bounds the file that is read as a segment: a full one, the
	// largest batch after it, and room.
	maxSegment = 64 << 20
)

// segment is one file of the log.
type segment struct {
	path   string
	number int
	size   int64 // bytes that hold whole records
	index
	file *os.File // for reading, opened at the first use
}

// header returns the first bytes of a segment.
func header(number int, salt uint64) []byte {
	b := make([]byte, 0, headerBytes)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(number))
	b = binary.LittleEndian.AppendUint64(b, salt)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return append(b, 0, 0, 0, 0)
}

// parseHeader returns the salt of a segment's header.
func parseHeader(b []byte) (salt uint64, ok bool) {
	if len(b) < headerBytes || string(b[:8]) != magic ||
		crc32.Checksum(b[:24], castagnoli) != binary.LittleEndian.Uint32(b[24:]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[16:]), true
}

// Damage is a place of a log where records could not be read.
type Damage struct {
	File   string
	Offset int64
	Bytes  int64
	After  uint64 // id of the last whole record before it, 0 for none
	Torn   bool   // the end of the last write, which was never acknowledged: cut off
}

// String says what was damaged.
func (d Damage) String() string {
	what := "damaged, skipped"
	if d.Torn {
		what = "torn by an interrupted write, cut off"
	}
	return fmt.Sprintf("log: %s: offset %d: %d bytes after record %d: %s", filepath.Base(d.File), d.Offset, d.Bytes, d.After, what)
}

// scan reads the records of a whole segment's bytes in order, and calls each
// with the offset of every one. It returns where the last whole record ends
// and which stretches between them hold none.
func scan(data []byte, salt, last uint64, each func(off int64, h head)) (end int64, holes []Damage) {
	off := headerBytes
	end = headerBytes
	for off < len(data) {
		h, ok := parseHead(data[off:], salt)
		if ok && h.id > last {
			each(int64(off), h)
			last, off = h.id, off+h.size
			end = int64(off)
			continue
		}
		next := resync(data, off+1, salt, last)
		if next < 0 {
			holes = append(holes, Damage{Offset: int64(off), Bytes: int64(len(data) - off), After: last})
			break
		}
		holes = append(holes, Damage{Offset: int64(off), Bytes: int64(next - off), After: last})
		off = next
	}
	return end, holes
}

// resync finds the next whole record from off on, or -1. The cheap tests of
// parseHead come before its checksum, so that this stays about linear.
func resync(data []byte, off int, salt, last uint64) int {
	for ; off+frameBytes+fewest <= len(data); off++ {
		if data[off+3]&^(narrow>>24) != 0 { // no body has 2^24 bytes
			continue
		}
		if h, ok := parseHead(data[off:], salt); ok && h.id > last {
			return off
		}
	}
	return -1
}

// readSegment reads a segment's file whole.
func readSegment(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxSegment+1))
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	if len(data) > maxSegment {
		return nil, fmt.Errorf("log: %s: more than %d bytes", path, maxSegment)
	}
	return data, nil
}

// build scans the segment's bytes and fills the index.
func (s *segment) build(data []byte, salt, last uint64) (holes []Damage) {
	s.index = index{salt: salt}
	end, holes := scan(data, salt, last, s.note)
	s.size = end
	for i := range holes {
		holes[i].File = s.path
	}
	return holes
}

// get reads the record with the id.
func (s *segment) get(id uint64) (Record, error) {
	lo, hi := s.around(id, s.size)
	var rec Record
	found := false
	err := s.walk(lo, hi, func(r Record) bool {
		if r.ID == id {
			rec, found = r, true
		}
		return r.ID < id
	})
	if err == nil && !found {
		err = fmt.Errorf("log: record %d: %w", id, ErrNotFound)
	}
	return rec, err
}

// walk calls yield with the records of bytes lo to hi until it returns false.
func (s *segment) walk(lo, hi int64, yield func(Record) bool) error {
	if s.file == nil {
		f, err := os.Open(s.path)
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		s.file = f
	}
	data := make([]byte, hi-lo)
	if _, err := s.file.ReadAt(data, lo); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("log: %w", err)
	}
	for off := 0; off < len(data); {
		h, ok := parseHead(data[off:], s.salt)
		if !ok {
			if off = resync(data, off+1, s.salt, 0); off < 0 {
				return nil
			}
			continue
		}
		if !yield(parse(data[off:], h)) {
			return nil
		}
		off += h.size
	}
	return nil
}

// scrub returns the segment's bytes with the records of the ids erased.
func scrub(data []byte, salt uint64, ids map[uint64]bool) []byte {
	out := bytes.NewBuffer(make([]byte, 0, len(data)))
	out.Write(data[:headerBytes])
	at := headerBytes
	end, _ := scan(data, salt, 0, func(off int64, h head) {
		out.Write(data[at:off]) // a hole stays: it may be the only copy of something
		at = int(off) + h.size
		if !ids[h.id] {
			out.Write(data[off:at])
			return
		}
		r := parse(data[off:], h)
		r.Kind, r.Name, r.Text = Scrubbed, "", ""
		out.Write(r.appendTo(nil, salt))
	})
	out.Write(data[end:])
	return out.Bytes()
}

func (s *segment) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}
