package embedder

import (
	"math"
	"os"
	"testing"
	"testing/fstest"
)

// TestKept checks that a model is read as it was written, but for rounding.
func TestKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := New(1)
	if err := Save(dir, m); err != nil {
		t.Fatal(err)
	}
	again, err := Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	var s Splitter
	for _, text := range []string{"Where does my sister live?", "我姐姐住在哪里？", "Lena 搬到 Oslo 了"} {
		a, b := m.Encode(&s, text), again.Encode(&s, text)
		if c := Near(&a, &b); c < 0.99 {
			t.Errorf("%q: %v", text, c)
		}
		if c := Near(&a, &a); math.Abs(float64(c)-1) > 0.02 {
			t.Errorf("%q: length %v", text, c)
		}
	}
	if v := m.Encode(&s, " ?! "); v != (Vector{}) {
		t.Errorf("no words: %v", v)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Save(dir, New(1)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dir + "/" + modelFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"empty": nil, "short": data[:len(data)/2], "header": data[:100]} {
		if _, err := Open(fstest.MapFS{modelFile: {Data: b}}); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := Open(fstest.MapFS{}); err == nil {
		t.Error("absent: opened")
	}
}

// TestSameStems checks that forms of a word count as the same.
func TestSameStems(t *testing.T) {
	t.Parallel()
	m := New(2)
	var s Splitter
	a, b := m.Encode(&s, "She moved houses"), m.Encode(&s, "she MOVES house")
	if a != b {
		t.Error("forms of the same words differ")
	}
}

func FuzzFeatures(f *testing.F) {
	f.Add("My sister’s 姐姐 in Oslo")
	f.Add("\xff\xfe 我")
	f.Fuzz(func(t *testing.T, text string) {
		var s Splitter
		words, pieces := s.features(nil, nil, text)
		if len(words) > maxFeatures || len(pieces) > maxFeatures {
			t.Errorf("%d and %d features", len(words), len(pieces))
		}
		for _, r := range words {
			if r < 0 || r >= wordRows {
				t.Errorf("row %d", r)
			}
		}
		for _, r := range pieces {
			if r < 0 || r >= pieceRows {
				t.Errorf("row %d", r)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	m := New(1)
	var s Splitter
	for b.Loop() {
		m.Encode(&s, "My sister Lena moved to Oslo last week, she works as a vet in a small clinic near the harbour now.")
	}
}
