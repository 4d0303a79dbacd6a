package index

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// doc is a document of a test.
type doc struct {
	key   uint64
	terms []uint64
	class uint8
}

// corpus returns documents whose terms are as unevenly frequent as words are.
func corpus(seed uint64, n int) []doc {
	r := rand.New(rand.NewPCG(seed, 1))
	zipf := rand.NewZipf(r, 1.1, 3, 5000)
	docs := make([]doc, n)
	key := uint64(0)
	for i := range docs {
		key += 1 + r.Uint64N(3)
		docs[i] = doc{key: key, class: uint8(r.IntN(4))}
		for range 1 + r.IntN(40) {
			term := zipf.Uint64() * 0x9e3779b97f4a7c15
			for range 1 + r.IntN(3)*r.IntN(3) {
				docs[i].terms = append(docs[i].terms, term)
			}
		}
	}
	return docs
}

// plain is the twin of Search: every document scored in the plainest way.
func plain(docs []doc, q Query, k int) []Hit {
	length, df := 0, map[uint64]int{}
	for _, d := range docs {
		length += len(d.terms)
		for _, t := range slices.Compact(slices.Sorted(slices.Values(d.terms))) {
			df[t]++
		}
	}
	m := &bm25{k1: q.K1, b: q.B, avg: float32(length) / float32(len(docs)), classes: q.Classes}
	if q.K1 == 0 && q.B == 0 {
		m.k1, m.b = 1.2, 0.75
	}
	var hits []Hit
	for _, d := range docs {
		s := float32(0)
		for _, t := range q.Terms {
			tf := 0
			for _, u := range d.terms {
				if u == t.Term {
					tf++
				}
			}
			if tf > 0 {
				s += t.Weight * IDF(df[t.Term], len(docs)) * m.weigh(uint8(min(tf, 255)), len(d.terms))
			}
		}
		if s *= m.class(d.class); s > 0 && (q.Accept == nil || q.Accept(d.key)) {
			hits = append(hits, Hit{d.key, s, d.class})
		}
	}
	slices.SortFunc(hits, byWorth)
	return hits[:min(k, len(hits))]
}

func queries(seed uint64, n int) []Query {
	r := rand.New(rand.NewPCG(seed, 2))
	zipf := rand.NewZipf(r, 1.1, 3, 6000)
	classes := &[256]float32{1, 0.5, 2, 0}
	qs := make([]Query, n)
	for i := range qs {
		seen := map[uint64]bool{}
		for range 1 + r.IntN(12) {
			if t := zipf.Uint64(); !seen[t] {
				seen[t] = true
				qs[i].Terms = append(qs[i].Terms, Weighted{t * 0x9e3779b97f4a7c15, 0.5 + r.Float32()})
			}
		}
		if i%3 == 1 {
			qs[i].Classes = classes
		}
		if i%3 == 2 {
			qs[i].Accept = func(key uint64) bool { return key%5 != 0 }
			qs[i].K1, qs[i].B = 0.9, 0.4
		}
	}
	return qs
}

// Whatever the segments, a search finds what the plain twin finds.
func TestSearchIsExact(t *testing.T) {
	t.Parallel()
	docs := corpus(1, 2500)
	for _, flushEvery := range []int{0, 2500, 999, 40, -1} {
		if flushEvery < 0 { // keys of eight bytes
			for i := range docs {
				docs[i].key *= 1 << 25
			}
			flushEvery = 999
		}
		dir := t.TempDir()
		x, err := Open(dir, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range docs {
			x.Add(d.key, d.terms, len(d.terms), d.class)
			if flushEvery > 0 && (i+1)%flushEvery == 0 {
				if err := x.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		check := func(what string, want []doc) {
			for i, q := range queries(7, 30) {
				k := []int{1, 10, 200}[i%3]
				if d := cmp.Diff(plain(want, q, k), x.Search(q, k)); d != "" {
					t.Fatalf("flushed every %d, %s, query %d (-want +got):\n%s", flushEvery, what, i, d)
				}
			}
		}
		check("as written", docs)
		flushed := x.Flushed()
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		if x, err = Open(dir, 1); err != nil {
			t.Fatal(err)
		}
		if n := len(x.segs); n >= 3*fanIn {
			t.Errorf("%d segments", n)
		}
		kept := docs[:slices.IndexFunc(append(docs, doc{key: 1 << 60}), func(d doc) bool { return d.key > flushed })]
		if len(kept) > 0 {
			check("opened again", kept)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedIndexIsToldFromAnother(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(dir string) error{
		"segment":  func(dir string) error { return flip(filepath.Join(dir, "00000000.idx"), 100) },
		"manifest": func(dir string) error { return flip(filepath.Join(dir, manifestName), 12) },
		"absent":   func(dir string) error { return os.Remove(filepath.Join(dir, "00000000.idx")) },
		"short":    func(dir string) error { return os.Truncate(filepath.Join(dir, "00000000.idx"), 300) },
	} {
		dir := t.TempDir()
		x, err := Open(dir, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range corpus(3, 50) {
			x.Add(d.key, d.terms, len(d.terms), 0)
		}
		if err := errors.Join(x.Flush(), x.Close(), harm(dir)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, 1); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x, err := Open(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	x.Add(1, []uint64{5}, 1, 0)
	if err := errors.Join(x.Flush(), x.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, 2); !errors.Is(err, ErrDamaged) {
		t.Errorf("another version: %v", err)
	}
}

func flip(path string, at int) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[at] ^= 4
	return os.WriteFile(path, data, 0o600)
}

// FuzzSegment searches whatever bytes as a segment, its checksum put right.
func FuzzSegment(f *testing.F) {
	path := filepath.Join(f.TempDir(), "s")
	var tl tail
	for _, d := range corpus(5, 300) {
		tl.add(d.key, d.terms, len(d.terms), d.class)
	}
	if err := writeSegment(path, tl.source()); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(_ *testing.T, b []byte) {
		if len(b) > 4 {
			b = slices.Clone(b)
			binary.LittleEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
		}
		s, err := parseSegment(b)
		if err != nil {
			return
		}
		x := &Index{segs: []*Segment{s}}
		q := Query{}
		for i := range min(s.terms, 20) {
			q.Terms = append(q.Terms, Weighted{s.term(i), 1})
		}
		x.Search(q, 5)
		_ = mergeSource(x.segs).each(func(uint64, *list) error { return nil })
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(manifestMagic))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseManifest(b, 1) })
}
