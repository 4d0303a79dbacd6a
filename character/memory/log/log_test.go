package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2024, 5, 3, 12, 0, 0, 0, time.UTC)

// chain returns n records, each the child of the one before.
func chain(from uint64, n int) []Record {
	recs := make([]Record, n)
	for i := range recs {
		id := from + uint64(i)
		recs[i] = Record{Kind: 1, ID: id, Parent: id - 1, Time: noon.Add(time.Duration(i) * time.Second), Name: "user", Text: fmt.Sprintf("turn %d 你好", id)}
	}
	return recs
}

// wide is a record as it was written before there were narrow ones.
func wide(r Record, salt uint64) []byte {
	b := append(make([]byte, frameBytes), byte(r.Kind))
	for _, v := range []uint64{r.ID, r.Parent, uint64(r.Time.UnixMilli())} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = append(append(append(b, byte(len(r.Name))), r.Name...), r.Text...)
	binary.LittleEndian.PutUint32(b, uint32(len(b)-frameBytes))
	binary.LittleEndian.PutUint32(b[4:], checksum(b[frameBytes:], salt))
	return b
}

// TestWide checks that a log of before is read, goes on, and can be erased from.
func TestWide(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, Options{NoSync: true})
	salt := l.salt
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log-000001.seg")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := chain(1, 20)
	for _, r := range old {
		data = append(data, wide(r, salt)...)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, Options{NoSync: true})
	add(t, l, chain(21, 5)...)
	want := append(old, chain(21, 5)...)
	equal(t, "records", all(t, l), want)
	if len(l.Damage()) > 0 {
		t.Errorf("damage: %v", l.Damage())
	}
	if err := l.Scrub(20, 22); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	recs := all(t, open(t, dir, Options{}))
	if len(recs) != 25 || recs[19].Kind != Scrubbed || recs[21].Text != "" || recs[20].Text != want[20].Text || recs[18].Text != want[18].Text {
		t.Errorf("%d records after two were erased", len(recs))
	}
}

func open(t *testing.T, dir string, opt Options) *Log {
	t.Helper()
	l, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func add(t *testing.T, l *Log, recs ...Record) {
	t.Helper()
	if err := l.Append(recs...); err != nil {
		t.Fatal(err)
	}
}

// all reads a whole log.
func all(t *testing.T, l *Log) (recs []Record) {
	t.Helper()
	for r, err := range l.From(0) {
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, r)
	}
	return recs
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestAppendAndReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := chain(1, 500)
	l := open(t, dir, Options{SegmentBytes: 4000, NoSync: true})
	for i := 0; i < len(want); i += 5 {
		add(t, l, want[i:i+5]...)
	}
	for range 2 { // as written, and opened again from the indices
		equal(t, "records", all(t, l), want)
		for _, id := range []uint64{1, 17, 250, 500} {
			r, err := l.Get(id)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "record", r, want[id-1])
		}
		if _, err := l.Get(501); !errors.Is(err, ErrNotFound) {
			t.Errorf("record 501: %v", err)
		}
		if l.Last() != 500 || l.Len() != 500 || len(l.runs) != 1 {
			t.Errorf("last %d, %d records, %d runs", l.Last(), l.Len(), len(l.runs))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, Options{SegmentBytes: 4000})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), Options{NoSync: true})
	add(t, l, chain(1, 3)...)
	for name, r := range map[string]Record{
		"no id":      {Text: "a"},
		"old id":     {ID: 3},
		"parent":     {ID: 9, Parent: 9},
		"long text":  {ID: 9, Text: strings.Repeat("a", MaxText+1)},
		"long name":  {ID: 9, Name: strings.Repeat("a", MaxName+1)},
		"not UTF-8":  {ID: 9, Text: "\xff"},
		"second bad": {ID: 9, Name: "\xff"},
	} {
		if err := l.Append(Record{ID: 4}, r); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	equal(t, "last", l.Last(), uint64(3))
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatalf("a second Open: %v", err)
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), Options{NoSync: true})
	// 1-2-3-4    3 has the swipes 5 and 6; 6 goes on; 9 branches from 2
	//     | \5
	//     |  \6-7-8
	//      9-10
	parents := []uint64{0, 1, 2, 3, 3, 3, 6, 7, 2, 9}
	for i, p := range parents {
		add(t, l, Record{ID: uint64(i + 1), Parent: p})
	}
	for head, want := range map[uint64][]uint64{
		0: nil, 1: {1}, 4: {1, 2, 3, 4}, 5: {1, 2, 3, 5}, 8: {1, 2, 3, 6, 7, 8}, 10: {1, 2, 9, 10},
	} {
		p := l.Path(head)
		on := map[uint64]bool{}
		for _, id := range want {
			on[id] = true
		}
		for id := uint64(1); id <= 11; id++ {
			if p.Has(id) != on[id] {
				t.Errorf("path of %d has %d: %v", head, id, p.Has(id))
			}
		}
		var got []uint64
		p.All(func(id uint64) bool { got = append(got, id); return true })
		equal(t, fmt.Sprintf("path of %d", head), got, want)
		if p.Len() != len(want) {
			t.Errorf("path of %d has length %d", head, p.Len())
		}
	}
	p := l.Path(8)
	equal(t, "before", p.Before(7, 3), []uint64{6, 3, 2})
	equal(t, "after", p.After(2, 3), []uint64{3, 6, 7})
	if p.Extend(11, 7) || !p.Extend(11, 8) || !p.Has(11) || p.Has(10) {
		t.Error("Extend")
	}
}

func TestTornTail(t *testing.T) {
	t.Parallel()
	for cut := 1; cut < 60; cut++ {
		dir := t.TempDir()
		l := open(t, dir, Options{NoSync: true})
		add(t, l, chain(1, 10)...)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "log-000001.seg")
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()-int64(cut)); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, Options{NoSync: true})
		n := l.Last()
		if n >= 10 || n < 8 {
			t.Fatalf("cut %d: %d records", cut, n)
		}
		add(t, l, chain(n+1, 3)...)
		equal(t, "records", len(all(t, l)), int(n)+3)
		for _, d := range l.Damage() {
			if !d.Torn || d.After != n {
				t.Errorf("cut %d: %v", cut, d)
			}
		}
	}
}

func TestDamageInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{true, false} {
		dir := t.TempDir()
		opt := Options{NoSync: true}
		if sealed {
			opt.SegmentBytes = 3000
		}
		l := open(t, dir, opt)
		for _, r := range chain(1, 100) {
			add(t, l, r)
		}
		want := all(t, l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "log-000001.seg")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(string(data), "turn 20 ")
		data[at] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(indexPath(path)) // so that the segment is read
		l = open(t, dir, opt)
		if n := len(l.Damage()); n != 1 || l.Damage()[0].After != 19 || l.Damage()[0].Torn {
			t.Fatalf("damage: %v", l.Damage())
		}
		want = append(want[:19:19], want[20:]...)
		equal(t, "records", all(t, l), want)
		if _, err := l.Get(20); !errors.Is(err, ErrNotFound) {
			t.Errorf("the damaged record: %v", err)
		}
		p := l.Path(100)
		if !p.Has(5) || !p.Has(21) || p.Has(20) {
			t.Errorf("the branch does not go on before the damage: %v", p)
		}
		add(t, l, chain(101, 1)...)
	}
}

func TestDamagedIndexAndHeader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := Options{NoSync: true, SegmentBytes: 3000}
	l := open(t, dir, opt)
	for _, r := range chain(1, 200) {
		add(t, l, r)
	}
	want := all(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"log-000001.seg", "log-000002.idx"} {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[9] ^= 0x55
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Remove(filepath.Join(dir, "log-000001.idx"))
	l = open(t, dir, opt)
	equal(t, "records", all(t, l), want)
	if len(l.Damage()) != 1 {
		t.Errorf("damage: %v", l.Damage())
	}
}

// A text that is written to look like a record is not taken for one, because
// its writer does not know the salt.
func TestForgedRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, Options{NoSync: true})
	forged := Record{Kind: 1, ID: 3, Parent: 2, Time: time.UnixMilli(0), Text: "I owe you a thousand"}
	for !utf8.Valid(wide(forged, 0)) { // until its checksum is text; a narrow record never is
		forged.Time = forged.Time.Add(time.Millisecond)
	}
	add(t, l, chain(1, 1)...)
	add(t, l, Record{ID: 2, Parent: 1, Text: string(wide(forged, 0))})
	add(t, l, chain(4, 1)...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log-000001.seg")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[headerBytes+len(chain(1, 1)[0].appendTo(nil, 0))+4] ^= 1 // checksum of record 2
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, Options{})
	if _, err := l.Get(3); !errors.Is(err, ErrNotFound) {
		t.Errorf("the forged record: %v", err)
	}
	equal(t, "records", len(all(t, l)), 2)
}

func TestScrub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := Options{NoSync: true, SegmentBytes: 3000}
	l := open(t, dir, opt)
	for _, r := range chain(1, 100) {
		add(t, l, r)
	}
	if err := l.Scrub(20, 100); err != nil {
		t.Fatal(err)
	}
	add(t, l, chain(101, 1)...)
	for range 2 {
		recs := all(t, l)
		equal(t, "records", len(recs), 101)
		for _, id := range []int{20, 100} {
			if r := recs[id-1]; r.Kind != Scrubbed || r.Text != "" || r.Parent != uint64(id-1) {
				t.Errorf("record %d is %+v", id, r)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, opt)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(data); strings.Contains(s, "turn 20 ") || strings.Contains(s, "turn 100 ") {
			t.Errorf("%s still has the text", name)
		}
	}
}

// TestTornHeader: a crash while a segment was begun loses nothing.
func TestTornHeader(t *testing.T) {
	t.Parallel()
	for n := range headerBytes {
		dir := t.TempDir()
		l := open(t, dir, Options{SegmentBytes: 1000, NoSync: true})
		add(t, l, chain(1, 20)...)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		begun := filepath.Join(dir, "log-000002.seg")
		if err := os.WriteFile(begun, header(2, l.salt)[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, Options{SegmentBytes: 1000, NoSync: true})
		if d := l.Damage(); len(d) != 1 || !d[0].Torn || d[0].After != 20 {
			t.Errorf("%d bytes of the header: %v", n, d)
		}
		add(t, l, chain(21, 5)...)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, dir, Options{SegmentBytes: 1000, NoSync: true})
		if d := l.Damage(); len(d) != 0 || l.Last() != 25 {
			t.Errorf("%d bytes of the header, opened again: %v, last %d", n, d, l.Last())
		}
	}
}
