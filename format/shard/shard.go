// Package shard stores training data as fixed records in files that are
// written once and read at random: for latents that were encoded beforehand.
//
// A file shard-00000.lat is
//
//	4096 bytes  header: magic, version, SHA-256 of what made the records, sizes,
//	            count, CRC-32C of the header
//	records     values in float16, Extra bytes, CRC-32C of both
//
// and index.json beside them lists the files with their sizes and checksums, so
// that one that got lost is missed. A shard appears under its name only when it
// is whole, so that a writer that was killed goes on after the last one. Readers
// draw records in an order that is a permutation of one number, so that one
// number resumes the data.
package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
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
	// MaxShards bounds a directory: file names count to here.
	MaxShards = 100_000
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

// FileBytes is what a shard of so many records takes on the disk.
func (f Format) FileBytes(records int) int64 {
	return headerBytes + int64(records)*int64(f.RecordBytes())
}

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

	raw  []byte // what was read last, kept for the next
	half []uint16
}

// Path returns the name of the i-th shard in a directory.
func Path(dir string, i int) string { return filepath.Join(dir, fileName(i)) }

func fileName(i int) string { return fmt.Sprintf("shard-%05d.lat", i) }
