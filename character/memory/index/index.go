// Package index finds documents by their terms: BM25 over immutable, mapped
// segments that are merged in tiers, searched with block-max WAND.
//
// A document is a key and a bag of 64-bit terms; keys rise. New documents wait
// in memory until Flush writes them as a segment. An index holds nothing that
// cannot be made again from what it indexes: where Open finds it damaged, the
// caller resets it and adds everything anew from Flushed on.
package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"sync"

	"kuai/format/atomicfile"
)

// ErrDamaged is wrapped by the errors of an index that must be made anew.
var ErrDamaged = errors.New("index: damaged")

const (
	manifestName  = "manifest"
	manifestMagic = "KUAIMAN\x01"
	fanIn         = 8       // segments of a tier that become one of the next
	mergedLimit   = 6 << 20 // postings above which a segment is left as it is: bounds a merge's time
	// TailPostings is when new documents should be flushed: about a megabyte.
	TailPostings = 1 << 16
	maxSegments  = 4096
	castLimit    = math.MaxUint16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Index is a set of documents. Several goroutines may search it while one
// adds, and another flushes.
type Index struct {
	dir     string
	version uint64 // of what the caller puts into documents

	mu       sync.RWMutex // guards what follows
	segs     []*Segment   // in order of keys
	tail     tail
	frozen   *tail // being written
	nextFile int

	flushing sync.Mutex // one flush at a time
}

// Open opens the index in dir, making it where absent. version tells how the
// caller makes documents: an index of another version counts as damaged.
func Open(dir string, version uint64) (*Index, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	x := &Index{dir: dir, version: version}
	names, err := readManifest(filepath.Join(dir, manifestName), version)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	last := uint64(0)
	for _, n := range names {
		s, err := OpenSegment(x.file(n))
		if err == nil && s.docs > 0 && s.Key(0) <= last {
			err = errors.Join(fmt.Errorf("%w: %s: its keys are not above those before it", ErrDamaged, s.path), s.Close())
		}
		if err != nil {
			return nil, errors.Join(err, x.Close())
		}
		s.number = n
		x.segs = append(x.segs, s)
		last = s.last()
		x.nextFile = max(x.nextFile, n+1)
	}
	x.sweep(names)
	return x, nil
}

// Reset removes all files of the index in dir.
func Reset(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

func (x *Index) file(n int) string { return filepath.Join(x.dir, fmt.Sprintf("%08d.idx", n)) }

// sweep removes files that no manifest names: left by a crash.
func (x *Index) sweep(names []int) {
	keep := map[string]bool{}
	for _, n := range names {
		keep[x.file(n)] = true
	}
	files, _ := filepath.Glob(filepath.Join(x.dir, "*.idx"))
	for _, f := range files {
		if !keep[f] {
			_ = os.Remove(f) // tried again at the next Open
		}
	}
}

// Add adds a document. Its key is above all before it, else it is already
// there and nothing happens. length is how many of its terms count as its
// length; class is a byte that queries can weigh.
func (x *Index) Add(key uint64, terms []uint64, length int, class uint8) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if key <= x.lastLocked() {
		return
	}
	x.tail.add(key, terms, min(length, castLimit), class)
}

// Last returns the key of the last document, 0 for none.
func (x *Index) Last() uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.lastLocked()
}

func (x *Index) lastLocked() uint64 {
	if n := len(x.tail.keys); n > 0 {
		return x.tail.keys[n-1]
	}
	if x.frozen != nil {
		return x.frozen.keys[len(x.frozen.keys)-1]
	}
	return x.flushedLocked()
}

// Flushed returns the key of the last document that is on the disk.
func (x *Index) Flushed() uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.flushedLocked()
}

func (x *Index) flushedLocked() uint64 {
	if n := len(x.segs); n > 0 {
		return x.segs[n-1].last()
	}
	return 0
}

// Docs returns how many documents there are.
func (x *Index) Docs() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n, _ := x.totals()
	return n
}

// Pending returns how many postings wait in memory.
func (x *Index) Pending() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.tail.postings
}

// totals returns the number of documents and the sum of their lengths.
func (x *Index) totals() (docs int, length uint64) {
	for _, s := range x.segs {
		docs += s.docs
		length += s.length
	}
	for _, t := range x.tails() {
		docs += len(t.keys)
		length += t.length
	}
	return docs, length
}

func (x *Index) tails() []*tail {
	if x.frozen != nil {
		return []*tail{x.frozen, &x.tail}
	}
	return []*tail{&x.tail}
}

// Flush writes the documents in memory as a segment and merges tiers that are
// full. Searches and additions go on meanwhile.
func (x *Index) Flush() error {
	x.flushing.Lock()
	defer x.flushing.Unlock()
	x.mu.Lock()
	if len(x.tail.keys) > 0 && x.frozen == nil {
		t := x.tail
		x.frozen, x.tail = &t, tail{}
	}
	frozen, number := x.frozen, x.nextFile
	x.nextFile++
	x.mu.Unlock()
	if frozen != nil {
		s, err := x.write(number, frozen.source())
		if err != nil {
			return err
		}
		x.mu.Lock()
		err = x.replace(len(x.segs), len(x.segs), s)
		if err == nil {
			x.frozen = nil
		}
		x.mu.Unlock()
		if err != nil {
			return err
		}
	}
	for {
		more, err := x.mergeOnce()
		if err != nil || !more {
			return err
		}
	}
}

// mergeOnce merges the newest tier that is full, if one is.
func (x *Index) mergeOnce() (more bool, err error) {
	x.mu.Lock()
	from, to := fullTier(x.segs)
	if from == to {
		x.mu.Unlock()
		return false, nil
	}
	old := append([]*Segment(nil), x.segs[from:to]...)
	number := x.nextFile
	x.nextFile++
	x.mu.Unlock()
	s, err := x.write(number, mergeSource(old)) // only Flush closes segments, and it is here
	if err != nil {
		return false, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.replace(from, to, s); err != nil {
		return false, err
	}
	var errs []error
	for _, s := range old {
		errs = append(errs, s.Close(), os.Remove(s.path))
	}
	return true, errors.Join(errs...)
}

// fullTier returns a stretch of fanIn neighbours of about the same size, the
// newest one; sizes fall towards the end of the list.
func fullTier(segs []*Segment) (from, to int) {
	to = len(segs)
	for to > 0 {
		t := tier(segs[to-1].postings)
		from = to
		for from > 0 && tier(segs[from-1].postings) <= t && segs[from-1].postings < mergedLimit {
			from--
		}
		if to-from >= fanIn {
			return from, to
		}
		if from == to { // too large to be merged
			return 0, 0
		}
		to = from
	}
	return 0, 0
}

// tier is the size class of a segment.
func tier(postings uint64) int {
	t := 0
	for n := uint64(TailPostings) * fanIn / 2; postings > n; n *= fanIn {
		t++
	}
	return t
}

// write writes a segment's file and opens it.
func (x *Index) write(number int, src source) (*Segment, error) {
	path := x.file(number)
	if err := writeSegment(path, src); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	s, err := OpenSegment(path)
	if err != nil {
		return nil, err
	}
	s.number = number
	return s, nil
}

// replace puts s in the place of segments from to to, on the disk first.
func (x *Index) replace(from, to int, s *Segment) error {
	segs := append([]*Segment(nil), x.segs[:from]...)
	segs = append(append(segs, s), x.segs[to:]...)
	names := make([]int, len(segs))
	for i, s := range segs {
		names[i] = s.number
	}
	if err := writeManifest(filepath.Join(x.dir, manifestName), x.version, names); err != nil {
		return errors.Join(fmt.Errorf("index: %w", err), s.Close())
	}
	x.segs = segs
	return nil
}

// Close lets go of the files. What was not flushed is lost.
func (x *Index) Close() error {
	x.flushing.Lock()
	defer x.flushing.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	var errs []error
	for _, s := range x.segs {
		errs = append(errs, s.Close())
	}
	x.segs, x.tail = nil, tail{}
	return errors.Join(errs...)
}

// writeManifest names the segments of an index:
//
//	magic 8 | version u64 | count u32 | numbers u32 | checksum u32
func writeManifest(path string, version uint64, names []int) error {
	b := append([]byte(nil), manifestMagic...)
	b = binary.LittleEndian.AppendUint64(b, version)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(names)))
	for _, n := range names {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return atomicfile.WriteBytes(path, b)
}

func readManifest(path string, version uint64) ([]int, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	b := make([]byte, 24+4*maxSegments)
	n, err := f.ReadAt(b, 0)
	if err == nil {
		return nil, fmt.Errorf("%w: %s: more than %d bytes", ErrDamaged, path, len(b))
	}
	return parseManifest(b[:n], version)
}

func parseManifest(b []byte, version uint64) ([]int, error) {
	if len(b) < 24 || string(b[:8]) != manifestMagic ||
		crc32.Checksum(b[:len(b)-4], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return nil, fmt.Errorf("%w: manifest: checksum differs", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint64(b[8:]); v != version {
		return nil, fmt.Errorf("%w: manifest: version %d, want %d", ErrDamaged, v, version)
	}
	count := binary.LittleEndian.Uint32(b[16:])
	if uint64(len(b)) != 24+4*uint64(count) {
		return nil, fmt.Errorf("%w: manifest: %d segments in %d bytes", ErrDamaged, count, len(b))
	}
	names := make([]int, count)
	for i := range names {
		names[i] = int(binary.LittleEndian.Uint32(b[20+4*i:]))
	}
	return names, nil
}
