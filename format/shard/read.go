package shard

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"kuai/internal/check"
	"kuai/kernel/vec"
)

// Set is all shards of a directory, open for reading. It is safe for
// concurrent use.
type Set struct {
	Format Format

	shards []part
	count  int
	index  *index
}

type part struct {
	path  string
	file  *os.File
	first int // its first record in the set
	count int
}

// Open opens the shards 0, 1, 2, ... of a directory; none make an empty set. It
// fails with ErrDamaged for a file that is not what its header or the index
// says, or that is missing among others, and with ErrOther for records whose
// source is not the wanted one.
func Open(dir string, source [32]byte) (*Set, error) {
	x, err := readIndex(dir)
	if err != nil {
		return nil, err
	}
	s := &Set{index: x}
	for i := 0; ; i++ {
		p := part{path: Path(dir, i), first: s.count}
		file, err := os.Open(p.path)
		if errors.Is(err, fs.ErrNotExist) {
			err = s.missing(dir, i)
			if err != nil {
				s.Close()
				return nil, err
			}
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

// missing checks that there are no shards from the i-th on.
func (s *Set) missing(dir string, i int) error {
	last := len(s.index.Shards) - 1
	names, err := filepath.Glob(filepath.Join(dir, "shard-*.lat"))
	if err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	for _, name := range names {
		n := -1
		if _, err := fmt.Sscanf(filepath.Base(name), "shard-%05d.lat", &n); err == nil {
			last = max(last, n)
		}
	}
	if last < i {
		return nil
	}
	return fmt.Errorf("shard: %s: is missing, and there is a shard %d: put it back, or remove all and make them anew: %w", Path(dir, i), last, ErrDamaged)
}

// open checks the i-th file.
func (s *Set) open(p *part, i int, source [32]byte) error {
	h := make([]byte, headerBytes)
	if n, err := p.file.ReadAt(h, 0); n < len(h) {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("header: %d bytes, want %d: %w", n, len(h), ErrDamaged)
		}
		return err
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
	if want := f.FileBytes(count); info.Size() != want {
		return fmt.Errorf("%d bytes, want %d: %w", info.Size(), want, ErrDamaged)
	}
	s.Format, p.count = f, count
	return s.index.check(i, count, info.Size())
}

// Len returns the number of records.
func (s *Set) Len() int { return s.count }

// Shards returns the number of files.
func (s *Set) Shards() int { return len(s.shards) }

// Close closes the files.
func (s *Set) Close() {
	for _, p := range s.shards {
		_ = p.file.Close() // only read from
	}
}

// Read reads record i into r, whose memory it uses again. It fails with
// ErrDamaged where the checksum is wrong, naming file and record. A record that
// is not there is the caller's bug and panics.
func (s *Set) Read(i int, r *Record) error {
	check.True(i >= 0 && i < s.count, "shard: record %d of %d", i, s.count)
	k, found := slices.BinarySearchFunc(s.shards, i, func(p part, i int) int { return p.first - i })
	if !found {
		k-- // the shard that begins before it
	}
	for s.shards[k].count == 0 {
		k++ // empty ones begin at the same record
	}
	p := s.shards[k]
	n := s.Format.RecordBytes()
	r.raw = slices.Grow(r.raw[:0], n)[:n]
	if _, err := p.file.ReadAt(r.raw, headerBytes+int64(i-p.first)*int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("file ends in it: %w", ErrDamaged)
		}
		return fmt.Errorf("shard: %s: record %d: %w", p.path, i-p.first, err)
	}
	if err := s.Format.decode(r); err != nil {
		return fmt.Errorf("shard: %s: record %d: %w", p.path, i-p.first, err)
	}
	return nil
}

// decode checks and converts what was read.
func (f Format) decode(r *Record) error {
	body := r.raw[:len(r.raw)-crcBytes]
	if binary.LittleEndian.Uint32(r.raw[len(body):]) != crc32.Checksum(body, castagnoli) {
		return fmt.Errorf("wrong checksum: %w", ErrDamaged)
	}
	n := f.Values()
	r.half = slices.Grow(r.half[:0], n)[:n]
	for j := range r.half {
		r.half[j] = binary.LittleEndian.Uint16(body[2*j:])
	}
	r.Values = slices.Grow(r.Values[:0], n)[:n]
	vec.FromF16(r.Values, r.half)
	r.Extra = append(r.Extra[:0], body[2*n:]...)
	return nil
}

// Verify reads everything and compares all checksums, those of the index too.
// It returns an error for every damaged record and file, joined, each wrapping
// ErrDamaged; nil is a sound set.
func (s *Set) Verify(ctx context.Context) error {
	var errs []error
	var r Record
	for i := range s.count {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := s.Read(i, &r); err != nil {
			errs = append(errs, err)
		}
	}
	for i, p := range s.shards {
		if i >= len(s.index.Shards) || s.index.Shards[i].File == "" {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(p.file, 0, s.Format.FileBytes(p.count))); err != nil {
			errs = append(errs, fmt.Errorf("shard: %s: %w", p.path, err))
		} else if hex.EncodeToString(sum.Sum(nil)) != s.index.Shards[i].SHA256 {
			errs = append(errs, fmt.Errorf("shard: %s: not the file that %s lists: %w", p.path, indexName, ErrDamaged))
		}
	}
	return errors.Join(errs...)
}
