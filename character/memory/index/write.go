package index

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"kuai/format/atomicfile"
)

// tail is the documents that are not in a segment yet.
type tail struct {
	keys     []uint64
	lens     []uint16
	classes  []uint8
	length   uint64
	postings int
	terms    map[uint64]*list
}

// list is the postings of one term.
type list struct {
	docs []uint32
	tfs  []uint8
}

// add adds a document; equal terms count as its frequency.
func (t *tail) add(key uint64, terms []uint64, length int, class uint8) {
	if t.terms == nil {
		t.terms = map[uint64]*list{}
	}
	doc := uint32(len(t.keys))
	t.keys = append(t.keys, key)
	t.lens = append(t.lens, uint16(length))
	t.classes = append(t.classes, class)
	t.length += uint64(length)
	for _, term := range terms {
		l := t.terms[term]
		if l == nil {
			l = &list{}
			t.terms[term] = l
		}
		if n := len(l.docs); n > 0 && l.docs[n-1] == doc {
			if l.tfs[n-1] < 255 {
				l.tfs[n-1]++
			}
			continue
		}
		l.docs = append(l.docs, doc)
		l.tfs = append(l.tfs, 1)
		t.postings++
	}
}

// source is what a segment is written from.
type source struct {
	keys    []uint64
	lens    []uint16
	classes []uint8
	// each calls yield with each term, rising, and its postings, which are
	// valid until yield returns.
	each func(yield func(term uint64, l *list) error) error
}

func (t *tail) source() source {
	return source{t.keys, t.lens, t.classes, func(yield func(uint64, *list) error) error {
		terms := make([]uint64, 0, len(t.terms))
		for term := range t.terms {
			terms = append(terms, term)
		}
		slices.Sort(terms)
		for _, term := range terms {
			if err := yield(term, t.terms[term]); err != nil {
				return err
			}
		}
		return nil
	}}
}

// mergeSource reads segments, in order of their keys, as one.
func mergeSource(segs []*Segment) source {
	var src source
	bases := make([]uint32, len(segs))
	for i, s := range segs {
		bases[i] = uint32(len(src.keys))
		for d := range s.docs {
			src.keys = append(src.keys, s.Key(d))
			src.lens = append(src.lens, uint16(s.docLen(uint32(d))))
			src.classes = append(src.classes, s.class(uint32(d)))
		}
	}
	src.each = func(yield func(uint64, *list) error) error {
		at := make([]int, len(segs))
		var l list
		var c cursor
		for {
			term, found := uint64(0), false
			for i, s := range segs {
				if at[i] < s.terms && (!found || s.term(at[i]) < term) {
					term, found = s.term(at[i]), true
				}
			}
			if !found {
				return nil
			}
			l.docs, l.tfs = l.docs[:0], l.tfs[:0]
			for i, s := range segs {
				if at[i] == s.terms || s.term(at[i]) != term {
					continue
				}
				for c.open(s, s.meta(at[i])); c.doc() != noDoc; c.next() {
					l.docs = append(l.docs, bases[i]+c.doc())
					l.tfs = append(l.tfs, c.tfs[c.at])
				}
				at[i]++
			}
			if err := yield(term, &l); err != nil {
				return err
			}
		}
	}
	return src
}

// writeSegment writes a segment's file, whole or not at all.
func writeSegment(path string, src source) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		sw := &segmentWriter{w: bufio.NewWriterSize(w, 1<<16), src: src}
		return sw.write()
	})
}

type segmentWriter struct {
	w        *bufio.Writer
	src      source
	crc      uint32
	off      uint64
	terms    []byte
	metas    []byte
	postings uint64
	buf      []byte
}

func (sw *segmentWriter) put(b []byte) error {
	sw.crc = crc32.Update(sw.crc, castagnoli, b)
	sw.off += uint64(len(b))
	_, err := sw.w.Write(b)
	return err
}

func (sw *segmentWriter) write() error {
	if err := sw.put([]byte(segmentMagic)); err != nil {
		return err
	}
	if err := sw.src.each(sw.term); err != nil {
		return err
	}
	keysAt, length := sw.off, uint64(0)
	b := make([]byte, 0, 11*len(sw.src.keys))
	first, keyBytes := uint64(0), 4
	if n := len(sw.src.keys); n > 0 {
		if first = sw.src.keys[0]; sw.src.keys[n-1]-first > math.MaxUint32 {
			keyBytes = 8
		}
	}
	for _, k := range sw.src.keys {
		if keyBytes == 4 {
			b = binary.LittleEndian.AppendUint32(b, uint32(k-first))
		} else {
			b = binary.LittleEndian.AppendUint64(b, k-first)
		}
	}
	for _, n := range sw.src.lens {
		b = binary.LittleEndian.AppendUint16(b, n)
		length += uint64(n)
	}
	b = append(b, sw.src.classes...)
	for _, part := range [][]byte{b, sw.terms, sw.metas} {
		if err := sw.put(part); err != nil {
			return err
		}
	}
	foot := make([]byte, 0, footerBytes)
	for _, v := range []uint64{uint64(len(sw.src.keys)), uint64(len(sw.terms) / 8), sw.postings, length, keysAt, first, uint64(keyBytes)} {
		foot = binary.LittleEndian.AppendUint64(foot, v)
	}
	if err := sw.put(append(foot, segmentMagic...)); err != nil {
		return err
	}
	if err := sw.put(binary.LittleEndian.AppendUint32(nil, sw.crc)); err != nil {
		return err
	}
	return sw.w.Flush()
}

// term writes the postings of one term.
func (sw *segmentWriter) term(term uint64, l *list) error {
	n := len(l.docs)
	if n == 0 {
		return nil
	}
	sw.terms = binary.LittleEndian.AppendUint64(sw.terms, term)
	minLen, maxTF := sw.bounds(l, 0, n)
	at := sw.off
	if n == 1 {
		at = uint64(l.docs[0])
	}
	if at > math.MaxUint32 {
		return errors.New("index: a segment of over 4 GiB")
	}
	sw.metas = binary.LittleEndian.AppendUint32(sw.metas, uint32(at))
	sw.metas = binary.LittleEndian.AppendUint32(sw.metas, uint32(n))
	sw.metas = binary.LittleEndian.AppendUint16(sw.metas, minLen)
	sw.metas = append(sw.metas, maxTF)
	sw.postings += uint64(n)
	if n == 1 {
		return nil
	}
	sw.buf = sw.buf[:0]
	base := uint32(0)
	var rows []byte
	for from := 0; from < n; from += blockDocs {
		to := min(from+blockDocs, n)
		for i := from; i < to; i++ {
			code := uint64(l.tfs[i])
			if code > 3 {
				code = 0
			}
			sw.buf = binary.AppendUvarint(sw.buf, uint64(l.docs[i]-base)<<2|code)
			if code == 0 {
				sw.buf = append(sw.buf, l.tfs[i])
			}
			base = l.docs[i] + 1
		}
		if n > blockDocs {
			minLen, maxTF = sw.bounds(l, from, to)
			rows = binary.LittleEndian.AppendUint32(rows, base-1)
			rows = binary.LittleEndian.AppendUint32(rows, uint32(len(sw.buf)))
			rows = binary.LittleEndian.AppendUint16(rows, minLen)
			rows = append(rows, maxTF, 0)
		}
	}
	if err := sw.put(rows); err != nil {
		return err
	}
	return sw.put(sw.buf)
}

// bounds returns the shortest length and the largest frequency of postings.
func (sw *segmentWriter) bounds(l *list, from, to int) (minLen uint16, maxTF uint8) {
	minLen = castLimit
	for i := from; i < to; i++ {
		minLen = min(minLen, sw.src.lens[l.docs[i]])
		maxTF = max(maxTF, l.tfs[i])
	}
	return minLen, maxTF
}

// byWorth orders hits: the best first, of equals the newest.
func byWorth(a, b Hit) int {
	if c := cmp.Compare(b.Score, a.Score); c != 0 {
		return c
	}
	return cmp.Compare(b.Key, a.Key)
}
