package index

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"

	"kuai/mem"
)

// A segment is a file of these parts, numbers little-endian:
//
//	magic 8
//	postings   term by term; see below
//	keys       docs × u32, or u64 where one is too far from the first: less the first one; rising
//	lengths    docs × u16
//	classes    docs × u8
//	terms      × u64, rising
//	metas      terms × 11: offset u32 | document frequency u32 | shortest length u16 | largest frequency u8
//	footer     docs u64 | terms u64 | postings u64 | sum of lengths u64 | offset of keys u64 | first key u64 |
//	           bytes of a key u64 | magic 8 | checksum u32 of all before
//
// A term of one document, as half of them are, has no postings: its offset is the
// document, its frequency the largest. The postings of a term with more than blockDocs documents begin with a row
// a block: last document u32 | end of the block, from the first, u32 |
// shortest length u16 | largest frequency u8 | 0. A posting is the varint
// (distance to the document before it)<<2 | code; the frequency is the code,
// or for code 0 the byte that follows.
const (
	segmentMagic = "KUAISEG\x02"
	footerBytes  = 8*8 + 4
	metaBytes    = 11
	blockRow     = 12
	blockDocs    = 128
)

// Segment is an immutable part of an index, mapped.
type Segment struct {
	path     string
	number   int
	file     *mem.File
	data     []byte
	docs     int
	terms    int
	postings uint64
	length   uint64 // sum of the documents' lengths
	first    uint64 // key
	keyBytes int
	keysAt   int
	lensAt   int
	classAt  int
	termsAt  int
	metasAt  int
}

// OpenSegment maps a segment's file and checks all of it.
func OpenSegment(path string) (*Segment, error) {
	f, err := mem.MapFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	s, err := parseSegment(f.Bytes())
	if err != nil {
		_ = f.Close() // the damage is the news
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	s.path, s.file = path, f
	return s, nil
}

// parseSegment checks a segment's bytes. What it lets through can still hold
// nonsense where somebody made it on purpose: reading postings checks bounds.
func parseSegment(b []byte) (*Segment, error) {
	if len(b) < len(segmentMagic)+footerBytes || string(b[:8]) != segmentMagic {
		return nil, fmt.Errorf("not a segment of this version")
	}
	foot := b[len(b)-footerBytes:]
	u := func(i int) uint64 { return binary.LittleEndian.Uint64(foot[i:]) }
	if string(foot[56:64]) != segmentMagic {
		return nil, fmt.Errorf("cut short")
	}
	if crc32.Checksum(b[:len(b)-4], castagnoli) != binary.LittleEndian.Uint32(foot[64:]) {
		return nil, fmt.Errorf("checksum differs")
	}
	docs, terms, keysAt, keyBytes := u(0), u(8), u(32), u(48)
	size := uint64(len(b) - footerBytes)
	if docs > size || terms > size || keysAt < 8 || keysAt > size || keyBytes != 4 && keyBytes != 8 || keysAt+docs*(keyBytes+3)+terms*(8+metaBytes) != size {
		return nil, fmt.Errorf("parts do not fit its size")
	}
	s := &Segment{data: b, docs: int(docs), terms: int(terms), postings: u(16), length: u(24), first: u(40), keyBytes: int(keyBytes), keysAt: int(keysAt)}
	s.lensAt = s.keysAt + s.keyBytes*s.docs
	s.classAt = s.lensAt + 2*s.docs
	s.termsAt = s.classAt + s.docs
	s.metasAt = s.termsAt + 8*s.terms
	for i := 1; i < s.docs; i++ {
		if s.Key(i) <= s.Key(i-1) {
			return nil, fmt.Errorf("keys out of order")
		}
	}
	return s, nil
}

// Close unmaps the file.
func (s *Segment) Close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file, s.data = nil, nil
	return f.Close()
}

// Key returns the key of a document.
func (s *Segment) Key(doc int) uint64 {
	if s.keyBytes == 4 {
		return s.first + uint64(binary.LittleEndian.Uint32(s.data[s.keysAt+4*doc:]))
	}
	return s.first + binary.LittleEndian.Uint64(s.data[s.keysAt+8*doc:])
}

func (s *Segment) last() uint64 {
	if s.docs == 0 {
		return 0
	}
	return s.Key(s.docs - 1)
}

func (s *Segment) docLen(doc uint32) int {
	return int(binary.LittleEndian.Uint16(s.data[s.lensAt+2*int(doc):]))
}

func (s *Segment) class(doc uint32) uint8 { return s.data[s.classAt+int(doc)] }

func (s *Segment) term(i int) uint64 {
	return binary.LittleEndian.Uint64(s.data[s.termsAt+8*i:])
}

// meta is what the dictionary says of a term.
type meta struct {
	off    uint32 // of a single document its number
	df     uint32
	minLen uint16
	maxTF  uint8
}

func (s *Segment) meta(i int) meta {
	b := s.data[s.metasAt+metaBytes*i:]
	return meta{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint16(b[8:]), b[10]}
}

// find looks a term up.
func (s *Segment) find(term uint64) (meta, bool) {
	i := sort.Search(s.terms, func(i int) bool { return s.term(i) >= term })
	if i == s.terms || s.term(i) != term {
		return meta{}, false
	}
	return s.meta(i), true
}

// cursor goes through the postings of one term. A damaged list ends early.
type cursor struct {
	seg    *Segment
	rows   []byte // a row a block; nil for a list of one block
	data   []byte // the blocks
	blocks int
	block  int
	one    meta // of the whole list
	n, at  int  // postings in the block, the present one
	docs   [blockDocs]uint32
	tfs    [blockDocs]uint8
}

const noDoc = ^uint32(0)

// open stands the cursor at the first posting.
func (c *cursor) open(s *Segment, m meta) {
	c.seg, c.one, c.block, c.rows, c.n, c.at = s, m, 0, nil, 0, 0
	c.data, c.blocks = nil, 0
	if m.df == 1 {
		if int(m.off) < s.docs {
			c.blocks, c.n, c.docs[0], c.tfs[0] = 1, 1, m.off, m.maxTF
		}
		return
	}
	if m.off < 8 || int(m.off) > s.keysAt {
		return
	}
	c.data = s.data[m.off:s.keysAt]
	c.blocks = 1
	if m.df > blockDocs {
		c.blocks = int((uint64(m.df) + blockDocs - 1) / blockDocs)
		if c.blocks > len(c.data)/blockRow {
			c.blocks = 0
			return
		}
		c.rows = c.data[:c.blocks*blockRow]
		c.data = c.data[c.blocks*blockRow:]
	}
	c.load()
}

// row returns the last document, the end, and the bounds of a block.
func (c *cursor) row(i int) (last uint32, end int, minLen uint16, maxTF uint8) {
	if c.rows == nil {
		return noDoc - 1, len(c.data), c.one.minLen, c.one.maxTF
	}
	b := c.rows[blockRow*i:]
	return binary.LittleEndian.Uint32(b), int(binary.LittleEndian.Uint32(b[4:])), binary.LittleEndian.Uint16(b[8:]), b[10]
}

// load decodes the present block.
func (c *cursor) load() {
	c.n, c.at = 0, 0
	if c.block >= c.blocks {
		return
	}
	from, base := 0, uint32(0)
	if c.block > 0 {
		last, end, _, _ := c.row(c.block - 1)
		from, base = end, last+1
	}
	_, to, _, _ := c.row(c.block)
	if from > to || to > len(c.data) {
		c.blocks = 0
		return
	}
	want := min(int(c.one.df)-c.block*blockDocs, blockDocs)
	c.n = decode(c.data[from:to], base, uint32(c.seg.docs), c.docs[:want], c.tfs[:want])
}

// decode reads postings and returns how many there were; fewer than asked
// for where they make no sense.
func decode(b []byte, base, docs uint32, out []uint32, tfs []uint8) int {
	at := 0
	for i := range out {
		v, shift := uint64(0), 0
		for {
			if at >= len(b) || shift > 35 {
				return i
			}
			c := b[at]
			at++
			v |= uint64(c&0x7f) << shift
			if c < 0x80 {
				break
			}
			shift += 7
		}
		tf := uint8(v & 3)
		if tf == 0 {
			if at >= len(b) {
				return i
			}
			tf = b[at]
			at++
		}
		d := uint64(base) + v>>2
		if d >= uint64(docs) {
			return i
		}
		out[i], tfs[i] = uint32(d), tf
		base = uint32(d) + 1
	}
	return len(out)
}

// doc returns the present document, noDoc at the end.
func (c *cursor) doc() uint32 {
	if c.at < c.n {
		return c.docs[c.at]
	}
	return noDoc
}

// next goes on by one.
func (c *cursor) next() {
	if c.at++; c.at >= c.n {
		c.block++
		c.load()
	}
}

// seek goes on to the first document that is not before doc.
func (c *cursor) seek(doc uint32) {
	if c.doc() >= doc {
		return
	}
	if c.rows != nil {
		if b := c.blockOf(doc); b != c.block {
			c.block = b
			c.load()
		}
	}
	lo, hi := c.at, c.n
	for lo < hi {
		if m := (lo + hi) / 2; c.docs[m] < doc {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if c.at = lo; lo == c.n && c.n > 0 {
		c.block++
		c.load()
	}
}

// blockOf returns the first block, from the present one on, whose last
// document is not before doc.
func (c *cursor) blockOf(doc uint32) int {
	lo, hi := c.block, c.blocks
	for step := 1; lo+step < hi; step *= 2 { // most seeks are short
		if last, _, _, _ := c.row(lo + step - 1); last >= doc {
			hi = lo + step
			break
		}
		lo += step
	}
	return lo + sort.Search(hi-lo, func(i int) bool { last, _, _, _ := c.row(lo + i); return last >= doc })
}
