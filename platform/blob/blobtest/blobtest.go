// Package blobtest has the contract that every store of bytes keeps.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"kuai/fault"
	"kuai/platform/blob"
)

// Run checks a store; open makes an empty one.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	t.Helper()
	t.Run("put", func(t *testing.T) { t.Parallel(); put(t, open(t)) })
	t.Run("get", func(t *testing.T) { t.Parallel(); get(t, open(t)) })
	t.Run("list", func(t *testing.T) { t.Parallel(); list(t, open(t)) })
	t.Run("failures", func(t *testing.T) { t.Parallel(); failures(t, open(t)) })
}

func store(t *testing.T, s blob.Store, data string) blob.Info {
	t.Helper()
	i, err := s.Put(t.Context(), strings.NewReader(data), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func put(t *testing.T, s blob.Store) {
	t.Helper()
	for _, data := range []string{"", "x", strings.Repeat("abc", 100_000)} {
		i := store(t, s, data)
		sum := sha256.Sum256([]byte(data))
		if i.Hash != hex.EncodeToString(sum[:]) || i.Bytes != int64(len(data)) {
			t.Errorf("%d bytes are stored as %+v", len(data), i)
		}
		if again := store(t, s, data); again.Hash != i.Hash {
			t.Errorf("stored again as %+v", again)
		}
		got, err := s.Stat(t.Context(), i.Hash)
		if err != nil || got.Bytes != i.Bytes || got.Modified.IsZero() {
			t.Errorf("stat: %+v, %v", got, err)
		}
		for range 2 {
			if err := s.Delete(t.Context(), i.Hash); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.Stat(t.Context(), i.Hash); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("after deletion: %v", err)
		}
	}
}

func get(t *testing.T, s blob.Store) {
	t.Helper()
	i := store(t, s, "0123456789")
	for _, tt := range []struct {
		from, n int64
		want    string
		err     error
	}{
		{0, -1, "0123456789", nil},
		{0, 10, "0123456789", nil},
		{3, 4, "3456", nil},
		{9, -1, "9", nil},
		{10, -1, "", nil},
		{10, 0, "", nil},
		{11, -1, "", blob.ErrRange},
		{-1, -1, "", blob.ErrRange},
		{5, 6, "", blob.ErrRange},
	} {
		r, err := s.Get(t.Context(), i.Hash, tt.from, tt.n)
		if !errors.Is(err, tt.err) {
			t.Errorf("%d from %d: %v, want %v", tt.n, tt.from, err, tt.err)
		}
		if err != nil {
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != tt.want {
			t.Errorf("%d from %d: %q, %v, want %q", tt.n, tt.from, got, err, tt.want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func list(t *testing.T, s blob.Store) {
	t.Helper()
	var want []string
	for _, data := range []string{"a", "b", "c", "d", "e"} {
		want = append(want, store(t, s, data).Hash)
	}
	slices.Sort(want)
	for n := range want {
		after := ""
		if n > 0 {
			after = want[n-1]
		}
		var got []string
		for i, err := range s.List(t.Context(), after) {
			if err != nil {
				t.Fatal(err)
			}
			if i.Bytes != 1 || i.Modified.IsZero() {
				t.Errorf("%+v", i)
			}
			got = append(got, i.Hash)
		}
		if !slices.Equal(got, want[n:]) {
			t.Errorf("after %q: %q, want %q", after, got, want[n:])
		}
	}
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Error(err)
		}
		break
	}
}

func failures(t *testing.T, s blob.Store) {
	t.Helper()
	lost := errors.New("lost")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(t.Context(), strings.NewReader("12345"), 4); fault.From(err).Code != fault.TooLarge {
		t.Errorf("too large: %v", err)
	}
	if _, err := s.Put(t.Context(), io.MultiReader(bytes.NewReader(make([]byte, 1<<19)), iotest.ErrReader(lost)), 1<<20); !errors.Is(err, lost) {
		t.Errorf("a sender who breaks off: %v", err)
	}
	if _, err := s.Put(gone, strings.NewReader("x"), 4); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who leaves: %v", err)
	}
	for i, err := range s.List(t.Context(), "") {
		t.Errorf("%+v, %v is there after failures alone", i, err)
	}
	none := strings.Repeat("0", 64)
	if _, err := s.Get(t.Context(), none, 0, -1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("get of none: %v", err)
	}
	for _, hash := range []string{"", "../../etc/passwd", strings.Repeat("A", 64), strings.Repeat("/", 64), none + "0"} {
		_, get := s.Get(t.Context(), hash, 0, -1)
		_, stat := s.Stat(t.Context(), hash)
		_, url := s.SignedURL(t.Context(), hash, blob.Link{})
		for what, err := range map[string]error{"get": get, "stat": stat, "delete": s.Delete(t.Context(), hash), "url": url} {
			if !errors.Is(err, blob.ErrHash) {
				t.Errorf("%s of %q: %v", what, hash, err)
			}
		}
	}
}
