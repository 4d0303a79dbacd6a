package shard

import (
	"errors"
	"os"
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
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
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
