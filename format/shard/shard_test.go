package shard

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kuai/internal/near"
)

var testFormat = Format{Source: [32]byte{1, 2}, Shape: [4]int{1, 2, 3, 2}, Extra: 5}

func record(k int) Record {
	r := Record{Extra: []byte{byte(k), 2, 3, 4, 5}}
	for i := range 12 {
		r.Values = append(r.Values, float32(k)+float32(i)/16)
	}
	return r
}

func write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	k := 0
	for i, n := range []int{3, 1, 4} {
		var rs []Record
		for range n {
			rs = append(rs, record(k))
			k++
		}
		if err := Write(dir, i, testFormat, rs); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	dir := write(t)
	if err := os.WriteFile(Path(dir, 3)+".tmp", []byte("a writer was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, testFormat.Source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Len() != 8 || s.Shards() != 3 {
		t.Fatalf("%d records in %d shards, want 8 in 3", s.Len(), s.Shards())
	}
	for k := range 8 {
		var r Record
		if err := s.Read(k, &r); err != nil {
			t.Fatal(err)
		}
		near.Check(t, "values", r.Values, record(k).Values, 1e-3)
		if r.Extra[0] != byte(k) {
			t.Errorf("record %d has extra %v", k, r.Extra)
		}
	}
}

func TestOtherSource(t *testing.T) {
	t.Parallel()
	if _, err := Open(write(t), [32]byte{9}); !errors.Is(err, ErrOther) {
		t.Errorf("got %v, want ErrOther", err)
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int64{"header": 20, "values": headerBytes + 3, "extra": headerBytes + 26} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := write(t)
			data, err := os.ReadFile(Path(dir, 1))
			if err != nil {
				t.Fatal(err)
			}
			data[at] ^= 4
			if err := os.WriteFile(Path(dir, 1), data, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, testFormat.Source)
			if err == nil {
				defer s.Close()
				err = s.Read(3, &Record{})
			}
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), Path(dir, 1)) {
				t.Errorf("got %v, want ErrDamaged with the file's name", err)
			}
			if name != "header" && !strings.Contains(err.Error(), "record 0:") {
				t.Errorf("got %v, want the record's number", err)
			}
		})
	}
	dir := write(t)
	if err := os.Truncate(Path(dir, 2), headerBytes+10); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, testFormat.Source); !errors.Is(err, ErrDamaged) {
		t.Errorf("cut file: got %v, want ErrDamaged", err)
	}
}

// TestVerify flips a bit in two records and swaps a shard for another sound one.
func TestVerify(t *testing.T) {
	t.Parallel()
	dir := write(t)
	s, err := Open(dir, testFormat.Source)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Errorf("a sound set: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it cancelled", err)
	}
	s.Close()
	data, err := os.ReadFile(Path(dir, 2))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []int{1, 3} {
		data[headerBytes+k*testFormat.RecordBytes()+7] ^= 1
	}
	other := t.TempDir()
	if err := Write(other, 1, testFormat, []Record{record(99)}); err != nil {
		t.Fatal(err)
	}
	swapped, err := os.ReadFile(Path(other, 1))
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range map[int][]byte{1: swapped, 2: data} {
		if err := os.WriteFile(Path(dir, i), d, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = Open(dir, testFormat.Source); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Verify(t.Context())
	for _, want := range []string{"00002.lat: record 1:", "00002.lat: record 3:", "00001.lat: not the file that index.json lists", "00002.lat: not the file"} {
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ... %s ...", err, want)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 4 {
		t.Errorf("%d errors, want 4: %v", n, err)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(dir string) error
		want   string // "" is no error
	}{
		{"none", func(dir string) error { return os.Remove(filepath.Join(dir, indexName)) }, ""},
		{"killed before the index", func(dir string) error {
			old, err := os.ReadFile(filepath.Join(dir, indexName))
			if err != nil {
				return err
			}
			return errors.Join(Write(dir, 3, testFormat, []Record{record(8)}), os.WriteFile(filepath.Join(dir, indexName), old, 0o600))
		}, ""},
		{"replaced", func(dir string) error { return Write(dir, 0, testFormat, []Record{record(5)}) }, ""},
		{"last one lost", func(dir string) error { return os.Remove(Path(dir, 2)) }, "00002.lat: is missing"},
		{"middle one lost", func(dir string) error {
			return errors.Join(os.Remove(Path(dir, 1)), os.Remove(filepath.Join(dir, indexName)))
		}, "00001.lat: is missing, and there is a shard 2"},
		{"other count", func(dir string) error {
			old, err := os.ReadFile(filepath.Join(dir, indexName))
			if err != nil {
				return err
			}
			return errors.Join(Write(dir, 0, testFormat, []Record{record(5)}), os.WriteFile(filepath.Join(dir, indexName), old, 0o600))
		}, "index.json says 3"},
		{"damaged", func(dir string) error { return os.WriteFile(filepath.Join(dir, indexName), []byte("{"), 0o600) }, "remove it"},
		{"other name", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, indexName), []byte(`{"version":1,"shards":[{"file":"../x"}]}`), 0o600)
		}, "../x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := write(t)
			if err := tt.change(dir); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, testFormat.Source)
			if err == nil {
				err = s.Verify(t.Context())
				s.Close()
			}
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRefusedToWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	short, wide, infinite, nan := record(1), record(1), record(1), record(1)
	short.Values = short.Values[:3]
	wide.Extra = nil
	infinite.Values[3] = 70000
	nan.Values[0] = float32(math.NaN())
	for want, rs := range map[string][]Record{
		"record 1: 3 values": {record(0), short}, "0 bytes": {wide}, "value 3 is 70000": {infinite}, "value 0 is NaN": {nan},
	} {
		if err := Write(dir, 0, testFormat, rs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if err := Write(dir, MaxShards, testFormat, nil); err == nil {
		t.Error("shard of too large a number accepted")
	}
	if err := Write(dir, 0, Format{Shape: [4]int{1 << 13, 1 << 13, 2, 1}}, nil); err == nil {
		t.Error("too large records accepted")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	s, err := Open(dir, testFormat.Source)
	if err != nil || s.Len() != 0 {
		t.Errorf("an empty directory: %v", err)
	}
}

// TestReadAllocates checks that reading needs no memory after the first time.
func TestReadAllocates(t *testing.T) {
	s, err := Open(write(t), testFormat.Source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var r Record
	i := 0
	n := testing.AllocsPerRun(100, func() {
		if err := s.Read(i%s.Len(), &r); err != nil {
			t.Error(err)
		}
		i++
	})
	if n > 0 {
		t.Errorf("%.1f allocations a record", n)
	}
}

func TestEmptyShards(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := 0
	for i, n := range []int{0, 2, 0, 0, 1, 0} {
		var rs []Record
		for range n {
			rs = append(rs, record(k))
			k++
		}
		if err := Write(dir, i, testFormat, rs); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir, testFormat.Source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for k := range 3 {
		var r Record
		if err := s.Read(k, &r); err != nil || r.Extra[0] != byte(k) {
			t.Errorf("record %d: %v, %v", k, r.Extra, err)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 5, 64, 1000} {
		o := Order{Seed: 7, N: n}
		same := 0
		for epoch := range 3 {
			seen := make([]bool, n)
			for k := range n {
				at := o.At(uint64(epoch*n + k))
				if seen[at] {
					t.Fatalf("n %d: record %d comes twice in epoch %d", n, at, epoch)
				}
				seen[at] = true
				if epoch > 0 && at == o.At(uint64(k)) {
					same++
				}
			}
		}
		if n == 1000 && same > 20 {
			t.Errorf("%d of 2000 records come at the same place in other epochs", same)
		}
	}
}

// FuzzFile opens and verifies whatever is in a file and an index.
func FuzzFile(f *testing.F) {
	dir := f.TempDir()
	if err := Write(dir, 0, testFormat, []Record{record(1), record(2)}); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(Path(dir, 0))
	if err != nil {
		f.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, list)
	f.Add(data[:len(data)-1], list)
	f.Add(data, []byte(`{"version":1,"shards":[{}]}`))
	f.Fuzz(func(t *testing.T, data, list []byte) {
		dir := t.TempDir()
		if err := errors.Join(os.WriteFile(Path(dir, 0), data, 0o600), os.WriteFile(filepath.Join(dir, indexName), list, 0o600)); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, testFormat.Source)
		if err == nil {
			err = s.Verify(t.Context())
			s.Close()
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOther) {
			t.Fatalf("got %v, want ErrDamaged or ErrOther", err)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(testFormat.header(3))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, h []byte) {
		format, count, err := parseHeader(h)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("got %v, want ErrDamaged", err)
			}
			return
		}
		if format.Values() < 1 || format.RecordBytes() < 1 || count < 0 {
			t.Fatalf("accepted %+v, %d records", format, count)
		}
	})
}
