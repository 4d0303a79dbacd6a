// Package shard stores training data as fixed records in files that are
// written once and read at random: for latents that were encoded beforehand.
//
// A file shard-00000.lat is
//
//	4096 bytes  header: magic, version, SHA-256 of what made the records, sizes,
//	            count, CRC-32C of the header
//	records     values in float16, Extra bytes, CRC-32C of both
//
// A shard appears under its name only when it is whole, so that a writer that
// was killed goes on after the last one. Readers draw records in an order that
// is a permutation of one number, so that one number resumes the data.
package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"kuai/kernel/vec"
)

const (
	headerBytes = 4096
	magic       = "KUAISHRD"
	version     = 1
	crcBytes    = 4

	// MaxValues and MaxExtra bound a record.
	MaxValues = 1 << 26
	// MaxExtra bounds the bytes beside the values.
	MaxExtra = 1 << 16
	// MaxRecords bounds a shard.
	MaxRecords = 1 << 24
)

// ErrDamaged is wrapped by errors that a file's contents cause, ErrOther by
// those of shards that something else made.
var (
	ErrDamaged = errors.New("damaged shard")
	ErrOther   = errors.New("these records were made by another model; remove them, or train with the model that made them")
)

// Format describes the records of a set of shards.
type Format struct {
	Source [32]byte // SHA-256 of what made them
	Shape  [4]int   // of a record's values
	Extra  int      // bytes beside them
}

// Values is the number of values of a record.
func (f Format) Values() int { return f.Shape[0] * f.Shape[1] * f.Shape[2] * f.Shape[3] }

// RecordBytes is what a record takes on the disk.
func (f Format) RecordBytes() int { return 2*f.Values() + f.Extra + crcBytes }

func (f Format) check() error {
	n := 1
	for _, s := range f.Shape {
		if s < 1 || s > MaxValues || n > MaxValues/s {
			return fmt.Errorf("records of shape %v", f.Shape)
		}
		n *= s
	}
	if f.Extra < 0 || f.Extra > MaxExtra {
		return fmt.Errorf("%d extra bytes", f.Extra)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the first part of a file.
func (f Format) header(count int) []byte {
	h := make([]byte, headerBytes)
	copy(h, magic)
	le := binary.LittleEndian
	le.PutUint32(h[8:], version)
	copy(h[16:48], f.Source[:])
	for i, s := range f.Shape {
		le.PutUint32(h[48+4*i:], uint32(s))
	}
	le.PutUint32(h[64:], uint32(f.Extra))
	le.PutUint32(h[68:], uint32(count))
	le.PutUint32(h[headerBytes-crcBytes:], crc32.Checksum(h[:headerBytes-crcBytes], castagnoli))
	return h
}

// parseHeader reads a header.
func parseHeader(h []byte) (f Format, count int, err error) {
	le := binary.LittleEndian
	switch {
	case len(h) < headerBytes || string(h[:8]) != magic:
		return f, 0, fmt.Errorf("no header: %w", ErrDamaged)
	case le.Uint32(h[headerBytes-crcBytes:]) != crc32.Checksum(h[:headerBytes-crcBytes], castagnoli):
		return f, 0, fmt.Errorf("header: wrong checksum: %w", ErrDamaged)
	case le.Uint32(h[8:]) != version:
		return f, 0, fmt.Errorf("version %d, want %d: %w", le.Uint32(h[8:]), version, ErrDamaged)
	}
	copy(f.Source[:], h[16:48])
	for i := range f.Shape {
		f.Shape[i] = int(le.Uint32(h[48+4*i:]))
	}
	f.Extra, count = int(le.Uint32(h[64:])), int(le.Uint32(h[68:]))
	if err := f.check(); err != nil {
		return f, 0, fmt.Errorf("header: %w: %w", err, ErrDamaged)
	}
	if count > MaxRecords {
		return f, 0, fmt.Errorf("header: %d records: %w", count, ErrDamaged)
	}
	return f, count, nil
}

// Record is one record.
type Record struct {
	Values []float32
	Extra  []byte
}

// Path returns the name of the i-th shard in a directory.
func Path(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("shard-%05d.lat", i)) }

// Write writes the i-th shard of a directory, whole or not at all.
func Write(dir string, i int, f Format, records []Record) error {
	if err := f.check(); err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	out := f.header(len(records))
	half := make([]uint16, f.Values())
	for k, r := range records {
		if len(r.Values) != len(half) || len(r.Extra) != f.Extra {
			return fmt.Errorf("shard: record %d has %d values and %d bytes, want %d and %d", k, len(r.Values), len(r.Extra), len(half), f.Extra)
		}
		begin := len(out)
		vec.ToF16(half, r.Values)
		for _, v := range half {
			out = binary.LittleEndian.AppendUint16(out, v)
		}
		out = append(out, r.Extra...)
		out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(out[begin:], castagnoli))
	}
	return writeFile(Path(dir, i), out)
}

// writeFile puts a file in place once it is on the disk.
func writeFile(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // the error that counts is the first
		return fmt.Errorf("shard: %s: %w", path, err)
	}
	return nil
}

// Set is all shards of a directory, open for reading. It is safe for
// concurrent use.
type Set struct {
	Format Format

	shards []part
	count  int
}

type part struct {
	path  string
	file  *os.File
	first int // its first record in the set
	count int
}

// Open opens the shards 0, 1, 2, ... of a directory. It fails with ErrDamaged
// for a file that is not what its header says, and with ErrOther for records
// whose source is not the wanted one.
func Open(dir string, source [32]byte) (*Set, error) {
	s := &Set{}
	for i := 0; ; i++ {
		p := part{path: Path(dir, i), first: s.count}
		file, err := os.Open(p.path)
		if os.IsNotExist(err) {
			return s, nil
		}
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("shard: %w", err)
		}
		p.file = file
		s.shards = append(s.shards, p)
		if err := s.open(&s.shards[i], i, source); err != nil {
			s.Close()
			return nil, fmt.Errorf("shard: %s: %w", p.path, err)
		}
		s.count += s.shards[i].count
	}
}

// open checks the i-th file.
func (s *Set) open(p *part, i int, source [32]byte) error {
	h := make([]byte, headerBytes)
	if n, err := p.file.ReadAt(h, 0); n < len(h) {
		return fmt.Errorf("header: %w: %w", err, ErrDamaged)
	}
	f, count, err := parseHeader(h)
	switch {
	case err != nil:
		return err
	case f.Source != source:
		return ErrOther
	case i > 0 && f != s.Format:
		return fmt.Errorf("records of shape %v among %v: %w", f.Shape, s.Format.Shape, ErrDamaged)
	}
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	if want := int64(headerBytes) + int64(count)*int64(f.RecordBytes()); info.Size() != want {
		return fmt.Errorf("%d bytes, want %d: %w", info.Size(), want, ErrDamaged)
	}
	s.Format, p.count = f, count
	return nil
}

// Len returns the number of records, Shards that of files.
func (s *Set) Len() int { return s.count }

// Shards returns the number of files.
func (s *Set) Shards() int { return len(s.shards) }

// Close closes the files.
func (s *Set) Close() {
	for _, p := range s.shards {
		_ = p.file.Close() // only read from
	}
}

// Read reads record i into r. It fails with ErrDamaged where the checksum is
// wrong, naming file and record.
func (s *Set) Read(i int, r *Record) error {
	k := 0
	for i >= s.shards[k].first+s.shards[k].count {
		k++
	}
	p := s.shards[k]
	buf := make([]byte, s.Format.RecordBytes())
	at := int64(headerBytes) + int64(i-p.first)*int64(len(buf))
	if _, err := p.file.ReadAt(buf, at); err != nil {
		return fmt.Errorf("shard: %s: record %d: %w", p.path, i-p.first, err)
	}
	body := buf[:len(buf)-crcBytes]
	if binary.LittleEndian.Uint32(buf[len(body):]) != crc32.Checksum(body, castagnoli) {
		return fmt.Errorf("shard: %s: record %d: wrong checksum: %w", p.path, i-p.first, ErrDamaged)
	}
	n := s.Format.Values()
	half := make([]uint16, n)
	for j := range half {
		half[j] = binary.LittleEndian.Uint16(body[2*j:])
	}
	if cap(r.Values) < n {
		r.Values = make([]float32, n)
	}
	r.Values = r.Values[:n]
	vec.FromF16(r.Values, half)
	r.Extra = append(r.Extra[:0], body[2*n:]...)
	return nil
}
