package text

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
)

func FuzzLoadSession(f *testing.F) {
	m, err := Open("testdata/minimax", Options{PrefixBytes: -1})
	if err != nil {
		f.Fatal(err)
	}
	s := m.NewSession()
	for _, n := range []int{1, 66} {
		if err := s.Prefill(f.Context(), make([]int32, n), nil, nil); err != nil {
			f.Fatal(err)
		}
		var file bytes.Buffer
		if err := s.Save(&file); err != nil {
			f.Fatal(err)
		}
		f.Add(file.Bytes())
		f.Add(file.Bytes()[:file.Len()/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := m.LoadSession(bytes.NewReader(data))
		if err != nil {
			return
		}
		if err := l.Prefill(t.Context(), []int32{1}, nil, nil); err != nil && l.Len() < m.config.Context {
			t.Error(err)
		}
		l.Close()
	})
}

// FuzzRoomSession loads saved sessions of a room whose bytes are anything; the
// checksum is made right, so that what is in them counts.
func FuzzRoomSession(f *testing.F) {
	m, err := Open("testdata/kuai", Options{Context: 1024, Chunk: 64, PrefixBytes: -1})
	if err != nil {
		f.Fatal(err)
	}
	x, err := m.OpenRoom(f.TempDir(), 4)
	if err != nil {
		f.Fatal(err)
	}
	s := x.NewSession()
	for _, n := range []int{0, 5, 700} {
		if n > s.Len() {
			if err := s.Prefill(f.Context(), make([]int32, n-s.Len()), nil, nil); err != nil {
				f.Fatal(err)
			}
		}
		var file bytes.Buffer
		if err := s.Save(&file); err != nil {
			f.Fatal(err)
		}
		f.Add(file.Bytes()[:file.Len()-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sum := sha256.Sum256(data)
		l, err := x.LoadSession(bytes.NewReader(append(bytes.Clone(data), sum[:]...)))
		if err != nil {
			return
		}
		if err := l.Rewind(l.Len() / 2); err != nil {
			t.Error(err)
		}
		if err := l.Prefill(t.Context(), []int32{1, 2, 3}, make([]float32, m.config.Vocab), nil); err != nil && l.Len() < m.config.Context {
			t.Error(err)
		}
		l.Close()
	})
}

// FuzzGGUF opens files whose keys and tensors are anything.
func FuzzGGUF(f *testing.F) {
	for _, name := range []string{"minimax-list.gguf", "llama-moe.gguf"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:1<<14])
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path, Options{Context: 128, Chunk: 8, PrefixBytes: -1})
		if err != nil {
			return
		}
		if err := m.NewSession().Prefill(t.Context(), []int32{0, 0, 0}, nil, nil); err != nil {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}
