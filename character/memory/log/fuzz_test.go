package log

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzOpen opens whatever bytes as the first segment, with and without an
// index, and reads and extends what it finds.
func FuzzOpen(f *testing.F) {
	var seg []byte
	seg = append(seg, header(1, 7)...)
	for _, r := range chain(1, 4) {
		seg = r.appendTo(seg, 7)
	}
	f.Add(seg, []byte(nil))
	f.Add(seg[:len(seg)-5], []byte(indexMagic))
	f.Add(seg[:40], seg)
	f.Add([]byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, seg, idx []byte) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{"log-000001.seg": seg, "log-000001.idx": idx, "log-000002.seg": seg} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(dir, Options{NoSync: true})
		if err != nil {
			return
		}
		n := 0
		for _, err := range l.From(0) {
			if err != nil {
				break
			}
			n++
		}
		_ = l.Path(l.Last())
		if err := l.Append(Record{ID: l.Last() + 1, Text: "after"}); err != nil && l.Last() != ^uint64(0) {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzIndex reads whatever bytes as the index of a segment.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(indexMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, size, err := parseIndex(b)
		if err != nil {
			return
		}
		if lo, hi := x.around(x.last, size); lo > hi {
			t.Errorf("bytes %d to %d", lo, hi)
		}
	})
}
