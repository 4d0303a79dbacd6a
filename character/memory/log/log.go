// Package log keeps the truth of a memory: an append-only log of records, each
// of which knows its parent, so that a log is a tree of turns. Everything else
// that a memory has can be made from it.
//
// A log is a directory of segments of about 8 MiB:
//
//	log-000001.seg   magic 8 | number u64 | salt u64 | checksum u32 | 0 u32, then records
//	record           length u32 | checksum u32 | kind u8 | id uvarint | id less that of
//	                 the parent uvarint | unix ms varint | length of name u8 | name | text
//	log-000001.idx   index of a sealed segment, see index; made anew when absent or damaged
//	lock             held by the one process that has the log open
//
// Numbers are little-endian; checksums are CRC-32C. The length's highest bit is set;
// in records of before, where it is not, id, parent and time have eight bytes
// each. A record names its speaker
// in full, so that no record needs another to be understood. Append returns
// when its records are on the disk. After a crash the torn end of the last
// write, which was never acknowledged, is cut off; records that are damaged
// later are reported and skipped, and the others stay readable.
package log

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"syscall"

	"github.com/gofrs/flock"

	"kuai/format/atomicfile"
)

// Errors to branch on.
var (
	ErrLocked   = errors.New("another process has it open")
	ErrNotFound = errors.New("no such record")
	ErrFull     = atomicfile.ErrFull
	errClosed   = errors.New("log: used after Close")
)

// SegmentBytes is the default of Options.SegmentBytes: small enough to scan in
// milliseconds when a log is opened, large enough that a lifetime of talk is a
// handful of files.
const SegmentBytes = 8 << 20

// maxSegments bounds the directory that is read.
const maxSegments = 100_000

// Options of a log.
type Options struct {
	SegmentBytes int  // size at which a segment is sealed; 0 is SegmentBytes
	NoSync       bool // do not wait for the disk: for building what can be built again
}

// Log is an open log. It may be used by several goroutines.
type Log struct {
	dir    string
	opt    Options
	lock   *flock.Flock
	salt   uint64
	mu     sync.Mutex
	segs   []*segment // in order; the last one is written to
	runs   []Run      // of the whole log
	last   uint64
	write  *os.File
	damage []Damage
	failed error // a write that could not be taken back: only reading goes on
}

// Open opens the log in dir, which is made where absent. It wraps ErrLocked
// where another process has it open.
func Open(dir string, opt Options) (*Log, error) {
	if opt.SegmentBytes <= 0 {
		opt.SegmentBytes = SegmentBytes
	}
	opt.SegmentBytes = min(opt.SegmentBytes, maxSegment/2)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	l := &Log{dir: dir, opt: opt, lock: flock.New(filepath.Join(dir, "lock"))}
	ok, err := l.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("log: %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("log: %s: %w", dir, ErrLocked)
	}
	if err := l.load(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Log) load() error {
	names, err := filepath.Glob(filepath.Join(l.dir, "log-[0-9][0-9][0-9][0-9][0-9][0-9].seg"))
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if len(names) > maxSegments {
		return fmt.Errorf("log: %s: %d segments, at most %d", l.dir, len(names), maxSegments)
	}
	sort.Strings(names)
	if l.salt, err = findSalt(names); err != nil {
		return err
	}
	for i, name := range names {
		s := &segment{path: name}
		if _, err := fmt.Sscanf(filepath.Base(name), "log-%06d.seg", &s.number); err != nil {
			return fmt.Errorf("log: %s: %w", name, err)
		}
		if err := l.open(s, i == len(names)-1); err != nil {
			return err
		}
		l.segs = append(l.segs, s)
	}
	if len(l.segs) == 0 {
		return l.next()
	}
	return l.reopen()
}

// findSalt returns the salt of the first intact header or index, or a new one
// for a new log.
func findSalt(names []string) (uint64, error) {
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return 0, fmt.Errorf("log: %w", err)
		}
		b := make([]byte, headerBytes)
		n, _ := f.ReadAt(b, 0) // a short header is a damaged one
		if err := f.Close(); err != nil {
			return 0, fmt.Errorf("log: %w", err)
		}
		if salt, ok := parseHeader(b[:n]); ok {
			return salt, nil
		}
		if x, _, err := readIndex(indexPath(name)); err == nil {
			return x.salt, nil
		}
	}
	var b [8]byte
	_, err := rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

func indexPath(segment string) string { return segment[:len(segment)-len(".seg")] + ".idx" }

// open reads a segment, from its index where that is sound. The torn end of
// the last one is cut off.
func (l *Log) open(s *segment, isLast bool) error {
	info, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	x, size, err := readIndex(indexPath(s.path))
	if !isLast && err == nil && size == info.Size() && x.salt == l.salt && (x.first() == 0 || x.first() > l.last) {
		s.index, s.size = x, size
		l.join(s)
		return nil
	}
	data, err := readSegment(s.path)
	if err != nil {
		return err
	}
	if _, ok := parseHeader(data); !ok {
		torn := isLast && len(data) < headerBytes // a crash while the segment was begun: it held nothing yet
		l.damage = append(l.damage, Damage{File: s.path, Bytes: min(headerBytes, int64(len(data))), After: l.last, Torn: torn})
	}
	holes := s.build(data, l.salt, l.last)
	if n := len(holes); isLast && n > 0 && holes[n-1].Offset == s.size {
		holes[n-1].Torn = true
		if err := os.Truncate(s.path, max(s.size, 0)); err != nil {
			return fmt.Errorf("log: %w", err)
		}
	}
	l.damage = append(l.damage, holes...)
	if !isLast {
		if len(holes) == 0 {
			s.size = int64(len(data))
			if err := writeIndex(indexPath(s.path), &s.index, s.size); err != nil {
				return fmt.Errorf("log: %w", err)
			}
		}
	}
	l.join(s)
	return nil
}

// join adds a segment's tree to the log's.
func (l *Log) join(s *segment) {
	for _, r := range s.runs {
		if n := len(l.runs); n > 0 && l.runs[n-1].Last == r.Parent && r.First == r.Parent+1 {
			l.runs[n-1].Last = r.Last
			continue
		}
		l.runs = append(l.runs, r)
	}
	l.last = max(l.last, s.last)
}

// reopen opens the last segment for writing. A header that a crash tore is
// written anew.
func (l *Log) reopen() error {
	s := l.segs[len(l.segs)-1]
	f, err := os.OpenFile(s.path, os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	b := make([]byte, headerBytes)
	n, _ := f.ReadAt(b, 0)
	if _, ok := parseHeader(b[:n]); !ok {
		if _, err := f.WriteAt(header(s.number, l.salt), 0); err != nil {
			return errors.Join(fmt.Errorf("log: %w", err), f.Close())
		}
	}
	l.write = f
	return nil
}

// next begins a new segment.
func (l *Log) next() error {
	number := 1
	if n := len(l.segs); n > 0 {
		number = l.segs[n-1].number + 1
	}
	path := filepath.Join(l.dir, fmt.Sprintf("log-%06d.seg", number))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	_, err = f.Write(header(number, l.salt))
	if err == nil {
		err = l.sync(f)
	}
	if err == nil {
		err = l.syncDir()
	}
	if err != nil {
		return errors.Join(full(err), f.Close(), os.Remove(path))
	}
	if l.write != nil {
		if err := l.write.Close(); err != nil {
			return errors.Join(fmt.Errorf("log: %w", err), f.Close())
		}
	}
	l.write = f
	l.segs = append(l.segs, &segment{path: path, number: number, size: headerBytes, index: index{salt: l.salt}})
	return nil
}

func (l *Log) sync(f *os.File) error {
	if l.opt.NoSync {
		return nil
	}
	return f.Sync()
}

// syncDir makes a new name durable.
func (l *Log) syncDir() error {
	if l.opt.NoSync {
		return nil
	}
	d, err := os.Open(l.dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // nothing was written
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// full marks the errors of a full disk with ErrFull.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("log: %w (%w)", ErrFull, err)
	}
	return fmt.Errorf("log: %w", err)
}

// Append writes records and returns when they are on the disk, all of them or
// none. Their ids rise and are above Last.
func (l *Log) Append(recs ...Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	var buf []byte
	last := l.last
	sizes := make([]int, len(recs))
	for i := range recs {
		if err := recs[i].check(); err != nil {
			return err
		}
		if recs[i].ID <= last {
			return fmt.Errorf("log: record %d: comes after record %d", recs[i].ID, last)
		}
		last = recs[i].ID
		before := len(buf)
		buf = recs[i].appendTo(buf, l.salt)
		sizes[i] = len(buf) - before
	}
	if len(buf) > maxSegment/2 {
		return fmt.Errorf("log: %d bytes in one write, at most %d", len(buf), maxSegment/2)
	}
	if err := l.roll(); err != nil {
		return err
	}
	s := l.segs[len(l.segs)-1]
	_, err := l.write.WriteAt(buf, s.size)
	if err == nil {
		err = l.sync(l.write)
	}
	if err != nil {
		if back := l.write.Truncate(s.size); back != nil {
			l.failed = back
		}
		return full(err)
	}
	for i := range recs {
		s.note(s.size, head{id: recs[i].ID, parent: recs[i].Parent, size: sizes[i]})
		s.size += int64(sizes[i])
		l.runs = extend(l.runs, recs[i].ID, recs[i].Parent)
	}
	l.last = last
	return nil
}

func (l *Log) usable() error {
	if l.write == nil {
		return errClosed
	}
	if l.failed != nil {
		return fmt.Errorf("log: an earlier write failed and could not be taken back: %w", l.failed)
	}
	return nil
}

// roll seals the last segment when it is full.
func (l *Log) roll() error {
	s := l.segs[len(l.segs)-1]
	if s.size < int64(l.opt.SegmentBytes) {
		return nil
	}
	if err := writeIndex(indexPath(s.path), &s.index, s.size); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return l.next()
}

// Last returns the id of the last record, 0 for none.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Len returns how many records there are.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, s := range l.segs {
		n += s.records
	}
	return n
}

// Damage returns what could not be read when the log was opened.
func (l *Log) Damage() []Damage { return l.damage }

// find returns the segment that would hold the id.
func (l *Log) find(id uint64) *segment {
	i := sort.Search(len(l.segs), func(i int) bool { f := l.segs[i].first(); return f == 0 || f > id })
	if i == 0 {
		return nil
	}
	return l.segs[i-1]
}

// Get returns the record with the id, or wraps ErrNotFound.
func (l *Log) Get(id uint64) (Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.write == nil {
		return Record{}, errClosed
	}
	if s := l.find(id); s != nil {
		return s.get(id)
	}
	return Record{}, fmt.Errorf("log: record %d: %w", id, ErrNotFound)
}

// From yields the records from an id on, in order. An error ends it.
func (l *Log) From(id uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			batch, err := l.batch(id)
			if err != nil {
				yield(Record{}, err)
				return
			}
			if len(batch) == 0 {
				return
			}
			for _, r := range batch {
				if !yield(r, nil) {
					return
				}
			}
			id = batch[len(batch)-1].ID + 1
		}
	}
}

// batch reads a stretch of records from an id on.
func (l *Log) batch(id uint64) (recs []Record, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.write == nil {
		return nil, errClosed
	}
	i := sort.Search(len(l.segs), func(i int) bool { return l.segs[i].last >= id })
	if i == len(l.segs) {
		return nil, nil
	}
	s := l.segs[i]
	lo, _ := s.around(max(id, s.first()), s.size)
	const step = 1 << 18
	for len(recs) == 0 && lo < s.size {
		hi := s.size
		if j := sort.Search(len(s.marks), func(j int) bool { return s.marks[j].off >= lo+step }); j < len(s.marks) {
			hi = s.marks[j].off
		}
		err = s.walk(lo, hi, func(r Record) bool {
			if r.ID >= id {
				recs = append(recs, r)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
		lo = hi
	}
	return recs, nil
}

// Close ends the use of the log and lets other processes open it.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, s := range l.segs {
		errs = append(errs, s.close())
	}
	if l.write != nil {
		errs = append(errs, l.write.Close())
		l.write = nil
	}
	errs = append(errs, l.lock.Unlock())
	return errors.Join(errs...)
}
