package text

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kuai/internal/near"
	"kuai/text/attention"
)

// long are tokens of a text that fills some blocks of a room.
func long(vocab, n int) []int32 {
	r := rand.New(rand.NewPCG(7, 7))
	t := make([]int32, n)
	for i := range t {
		t[i] = int32(r.IntN(vocab))
	}
	return t
}

func openRoom(t *testing.T, m *Model, dir string, bits int) *Room {
	t.Helper()
	x, err := m.OpenRoom(dir, bits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

// TestRoom compares sessions with a room, in pieces of any size, with one that
// keeps everything exactly.
func TestRoom(t *testing.T) {
	for _, c := range []struct {
		bits, top int
		bar       float64
	}{{8, -1, 0.02}, {4, -1, 0.1}, {8, 4096, 0.02}, {4, 64, 0.5}} {
		m, _, _ := open(t, "kuai", Options{Top: c.top})
		v := m.config.Vocab
		tokens := long(v, 1300)
		want := forward(t, m.NewSession(), tokens, 512)
		var first []float32
		for _, piece := range []int{1300, 333, 7} {
			x := openRoom(t, m, t.TempDir(), c.bits)
			s := x.NewSession()
			got := forward(t, s, tokens, piece)
			near.Check(t, "logits", got, want, c.bar)
			if first == nil {
				first = got
			} else {
				near.Check(t, "in pieces", got, first, 2e-3)
			}
			if got, want := len(s.far), 4; got != want || x.r.Len() != want {
				t.Errorf("%d blocks, %d in the room, want %d", got, x.r.Len(), want)
			}
			held := 0
			for _, p := range s.pages {
				if p != nil {
					held++
				}
			}
			if most := (1300-4*256)/attention.PageLen + 1; held > most {
				t.Errorf("%d pages, want %d at most", held, most)
			}
			s.Close()
			again := x.NewSession() // what is read again is there
			forward(t, again, tokens, 700)
			if x.r.Len() != 4 {
				t.Errorf("%d blocks after the same text again", x.r.Len())
			}
			again.Close()
		}
	}
}

// TestRoomBranches checks that forks and rewinds see what stands before their
// point, as texts do that were never anything else.
func TestRoomBranches(t *testing.T) {
	m, _, _ := open(t, "kuai", Options{Chunk: 200})
	v := m.config.Vocab
	tokens := long(v, 1500)
	other := slices.Clone(tokens[:1500])
	slices.Reverse(other)
	x := openRoom(t, m, t.TempDir(), 4)
	whole := func(tokens []int32, last int) []float32 {
		room := openRoom(t, m, t.TempDir(), 4)
		s := room.NewSession()
		defer s.Close()
		forward(t, s, tokens[:len(tokens)-last], 400)
		return forward(t, s, tokens[len(tokens)-last:], last)
	}
	s := x.NewSession()
	forward(t, s, tokens[:900], 250)
	f := s.Fork()
	branch := slices.Concat(tokens[:900], other[:500])
	forward(t, f, other[:460], 100)
	forward(t, s, tokens[900:1460], 90)
	near.Check(t, "fork", forward(t, f, other[460:500], 40), whole(branch, 40), 5e-3)
	near.Check(t, "first", forward(t, s, tokens[1460:], 40), whole(tokens, 40), 5e-3)
	r := rand.New(rand.NewPCG(3, 3))
	for _, n := range []int{1499, 1400, 1201, 1024, 700, 300, 100, 0} {
		if err := s.Rewind(n); err != nil {
			t.Fatal(err)
		}
		g := s.Fork()
		text := slices.Concat(tokens[:n], other[:30+r.IntN(300)])
		forward(t, g, text[n:len(text)-20], 64)
		near.Check(t, "after a rewind", forward(t, g, text[len(text)-20:], 20), whole(text, 20), 5e-3)
		g.Close()
	}
	f.Close()
	s.Close()
	for _, p := range m.freePages {
		if p.Refs.Load() != 0 {
			t.Fatal("a page is given back that somebody holds")
		}
	}
}

// TestRoomSave saves and loads sessions of a room, in a model opened anew.
func TestRoomSave(t *testing.T) {
	dir := t.TempDir()
	m, _, _ := open(t, "kuai", Options{KV: "f16"})
	v := m.config.Vocab
	tokens := long(v, 1400)
	x := openRoom(t, m, dir, 4)
	s := x.NewSession()
	forward(t, s, tokens, 300)
	var file, early bytes.Buffer
	if err := s.Save(&file); err != nil {
		t.Fatal(err)
	}
	fresh := x.NewSession()
	if err := fresh.Save(&early); err != nil {
		t.Fatal(err)
	}
	want := greedy(t, s, tokens[:1], 40)
	after := map[int][]float32{}
	back := []int{1390, 800, 20}
	for _, n := range back {
		if err := s.Rewind(n); err != nil {
			t.Fatal(err)
		}
		after[n] = forward(t, s, tokens[:20], 20)
	}
	if _, err := m.LoadSession(bytes.NewReader(file.Bytes())); !errors.Is(err, ErrNeedsRoom) {
		t.Errorf("loaded without its room: %v", err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	again, _, _ := open(t, "kuai", Options{KV: "f16"}) // as another process
	x = openRoom(t, again, dir, 4)
	if _, err := x.LoadSession(bytes.NewReader(early.Bytes())); err != nil {
		t.Errorf("an empty session: %v", err)
	}
	l, err := x.LoadSession(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.Tokens(), tokens) {
		t.Fatal("other tokens")
	}
	if got := greedy(t, l, tokens[:1], 40); !slices.Equal(got, want) {
		t.Errorf("after loading %v, uninterrupted %v", got, want)
	}
	for _, n := range back {
		if err := l.Rewind(n); err != nil {
			t.Fatal(err)
		}
		near.Check(t, "after loading and a rewind", forward(t, l, tokens[:20], 20), after[n], 5e-3)
	}
	if _, err := openRoom(t, again, t.TempDir(), 4).LoadSession(bytes.NewReader(file.Bytes())); !errors.Is(err, ErrOtherRoom) {
		t.Errorf("loaded with another room: %v", err)
	}
	whole := file.Bytes()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		bad := slices.Clone(whole)
		if rng.IntN(2) == 0 {
			bad = bad[:rng.IntN(len(bad))]
		} else {
			bad[rng.IntN(min(len(bad), 4096))] ^= 1 << rng.IntN(8)
		}
		if _, err := x.LoadSession(bytes.NewReader(bad)); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOtherModel) && !errors.Is(err, ErrContext) && !errors.Is(err, ErrOtherRoom) {
			t.Fatalf("a damaged file: %v", err)
		}
	}
	_ = x.Close()
	if err := os.Truncate(filepath.Join(dir, "keys.room"), 4000); err != nil { // blocks are lost
		t.Fatal(err)
	}
	if _, err := openRoom(t, again, dir, 4).LoadSession(bytes.NewReader(whole)); !errors.Is(err, ErrDamaged) {
		t.Errorf("loaded with a room that lost blocks: %v", err)
	}
}

// TestRoomLost reads a room whose file was cut while it was in use.
func TestRoomLost(t *testing.T) {
	dir := t.TempDir()
	m, _, _ := open(t, "kuai", Options{})
	x := openRoom(t, m, dir, 4)
	s := x.NewSession()
	tokens := long(m.config.Vocab, 900)
	forward(t, s, tokens, 300)
	if err := os.Truncate(filepath.Join(dir, "keys.room"), 0); err != nil {
		t.Fatal(err)
	}
	logits := make([]float32, m.config.Vocab)
	if err := m.Step(t.Context(), []Slice{{Session: s, Tokens: tokens[:1], Logits: logits}}); err == nil {
		t.Error("a step over a file that was cut")
	}
	s.Close()
	if _, err := m.OpenRoom(dir, 4); err == nil {
		t.Error("the room was opened twice")
	}
	for _, name := range []string{"minimax", "llama"} {
		m, _, _ := open(t, name, Options{})
		if _, err := m.OpenRoom(t.TempDir(), 4); err == nil {
			t.Errorf("%s has a room", name)
		}
	}
}
