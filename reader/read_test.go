package reader

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"kuai/grad"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/mem"

	"github.com/google/go-cmp/cmp"

	"kuai/companion/fact"
	"kuai/format/safetensors"
)

// small is a reader with random weights.
func small(tb testing.TB) *Model {
	tb.Helper()
	c := Default()
	c.Width, c.Layers, c.Heads = 32, 1, 2
	m, err := New(c, 3)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// TestLabel checks that what labels mark is read back as it was meant.
func TestLabel(t *testing.T) {
	t.Parallel()
	c := Default()
	for _, tt := range []struct {
		turn  string
		facts string
		asked string
		want  string // kind, tags, places as units: value predicate whom
	}{
		{"My sister's dog eats rice.", "sister's dog | pet_eats | rice", "", "rice pet_eats sister's dog"},
		{"I live in Oslo and my sister lives in New York.", "user | lives_in | Oslo\nsister | lives_in | New York", "", "Oslo lives_in user; New York lives_in sister"},
		{"我姐姐住在上海。", "姐姐 | lives_in | 上海", "", "上海 lives_in 姐姐"},
		{"When did I go to Kyoto?", "", "user | trip | Kyoto | ?", "Kyoto trip user"},
		{"What did I do before the physics exam?", "", "user | exam | physics | ? - 1", "physics exam user"},
		{"Where is my aunt?", "", "aunt | lives_in | ?", " lives_in aunt"},
	} {
		units := Units(tt.turn)
		l, ok := c.Label(tt.turn, units, fact.ParseLines(tt.facts), fact.ParseQueries(tt.asked))
		if !ok {
			t.Errorf("%q: not found", tt.turn)
			continue
		}
		var got []string
		values := valuesOf(l, len(units))
		for i, p := range l.Places {
			whom, value := fact.User, ""
			if p.First > 0 {
				whom = textOf(tt.turn, units, span{int(p.First) - 1, int(p.Last) - 1})
			}
			if i < len(values) {
				value = textOf(tt.turn, units, values[i])
			}
			got = append(got, value+" "+c.Predicates[p.Predicate]+" "+whom)
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%q: %s", tt.turn, diff)
		}
	}
	if _, ok := c.Label("I live here.", Units("I live here."), []fact.Fact{{Subject: fact.User, Predicate: "lives_in", Object: "Oslo"}}, nil); ok {
		t.Error("a value that was not said was found")
	}
}

// valuesOf turns tags into scores and those into spans.
func valuesOf(l Labels, n int) []span {
	scores := make([]float32, n*int(tags))
	for i, tag := range l.Tags {
		scores[i*int(tags)+int(tag)] = 1
	}
	return valueSpans(scores, n)
}

// TestSaved checks that a saved model reads nearly the same, and that damage is
// an error.
func TestSaved(t *testing.T) {
	t.Parallel()
	m := small(t)
	dir := t.TempDir()
	if err := Save(dir, m); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, name := range []string{configFile, modelFile} {
		files[name] = &fstest.MapFile{Data: readFile(t, dir, name)}
	}
	back, err := Open(files)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.Config, back.Config); diff != "" {
		t.Error(diff)
	}
	for i, v := range m.Words.W.X[:4096] {
		if d := v - back.Words.W.X[i]; d > 0.001 || d < -0.001 {
			t.Fatalf("value %d: %v, was %v", i, back.Words.W.X[i], v)
		}
	}
	whole := files[modelFile].Data
	files[modelFile] = &fstest.MapFile{Data: whole[:len(whole)/2]}
	if _, err := Open(files); !errors.Is(err, safetensors.ErrDamaged) {
		t.Errorf("half a file: %v", err)
	}
	files[configFile] = &fstest.MapFile{Data: []byte(`{"width":1000000,"layers":1,"heads":1,"predicates":["name"]}`)}
	if _, err := Open(files); err == nil {
		t.Error("a width of a million: no error")
	}
}

// TestRead checks that many turns are read as each is alone.
func TestRead(t *testing.T) {
	t.Parallel()
	r := NewReader(small(t), nil)
	defer r.Close()
	turns := []string{"My sister lives in Oslo.", "", "你好", "?!", strings.Repeat("word ", 500)}
	for len(turns) < 2*turnsAtOnce {
		turns = append(turns, turns...)
	}
	for i, got := range r.Read(turns...) {
		if diff := cmp.Diff(r.Read(turns[i])[0], got); diff != "" {
			t.Fatalf("%q: %s", turns[i], diff)
		}
	}
}

func FuzzRead(f *testing.F) {
	r := NewReader(small(f), nil)
	f.Cleanup(r.Close)
	for _, s := range []string{"My sister's dog eats rice at 7:30.", "我住在上海。", "\xff'’s\x00", strings.Repeat("’s", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, turn string) {
		last := 0
		for _, u := range Units(turn) {
			if u.From < last || u.To <= u.From || u.To > len(turn) {
				t.Fatalf("unit %v after %d of %q", u, last, turn)
			}
			last = u.To
		}
		for _, x := range r.Read(turn)[0].Facts {
			if !strings.Contains(turn, x.Object) || x.From != (time.Time{}) {
				t.Fatalf("%+v in %q", x, turn)
			}
		}
	})
}

func readFile(tb testing.TB, dir, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// TestGrown checks that a reader with more layers, and senses, gives the scores
// of the one that it is made from, and that nothing else can be changed.
func TestGrown(t *testing.T) {
	t.Parallel()
	small := Config{Width: 16, Layers: 2, Heads: 2, Predicates: []string{"name", "lives_in"}}
	large := small
	large.Layers, large.Senses = 3, 512
	m, err := New(small, 1)
	if err != nil {
		t.Fatal(err)
	}
	grown, err := m.Grown(large, 2)
	if err != nil {
		t.Fatal(err)
	}
	turn := "My labrador lives in Oslo 我家小狗叫豆豆"
	arena := mem.NewArena(1 << 28)
	defer arena.Close()
	tape := grad.NewForward(nil, arena, gemm.F32)
	var scores [2][]float32
	for i, m := range []*Model{m, grown} {
		b := m.Config.Batch([]string{turn}, [][]Unit{Units(turn)})
		_, tag := m.turns(tape, b, m.Forward(tape, b))
		scores[i] = slices.Clone(tag.X)
	}
	near.Check(t, "tags", scores[1], scores[0], 1e-6)
	for _, c := range []Config{{Width: 32, Layers: 3, Heads: 2, Predicates: small.Predicates}, {Width: 16, Layers: 1, Heads: 2, Predicates: small.Predicates}, {Width: 16, Layers: 3, Heads: 2, Predicates: []string{"name"}}} {
		if _, err := m.Grown(c, 1); err == nil {
			t.Errorf("grown to %+v", c)
		}
	}
}

// TestBlank checks that a hidden word can still be known for what it is, and
// that a blank one is not.
func TestBlank(t *testing.T) {
	t.Parallel()
	c := Config{Width: 16, Layers: 1, Heads: 2, Senses: 512, Predicates: []string{"name"}}
	turn := "my labrador retriever"
	known := func(blank bool) int {
		u := Units(turn)
		for i := 1; i < len(u); i++ {
			u[i].Word, u[i].Blank = Hidden, blank
		}
		return len(c.Batch([]string{turn}, [][]Unit{u}).senses)
	}
	if a, b := known(false), known(true); a < 5 || b != 0 {
		t.Errorf("%d things are known of hidden words, %d of blank ones", a, b)
	}
}

// TestLikely takes predicates that are alike for one when it says how sure it is.
func TestLikely(t *testing.T) {
	t.Parallel()
	c := Config{Predicates: []string{"name", "pet_name", "lives_in", "from"}}
	for _, x := range []struct {
		chances []float64
		names   []string
		first   float64
	}{
		{[]float64{0.5, 0.4, 0.06, 0.04}, []string{"name", "pet_name", "lives_in"}, 0.9},
		{[]float64{0.01, 0.01, 0.55, 0.43}, []string{"lives_in", "from"}, 0.55},
		{[]float64{0.97, 0.01, 0.01, 0.01}, []string{"name"}, 0.98},
	} {
		scores := make([]float32, len(x.chances))
		for i, p := range x.chances {
			scores[i] = float32(math.Log(p))
		}
		names, first := c.likely(scores)
		if !slices.Equal(names, x.names) || math.Abs(float64(first)-x.first) > 1e-3 {
			t.Errorf("%v: %v, %v; want %v, %v", x.chances, names, first, x.names, x.first)
		}
	}
}

// TestValues checks what is one value, and what of it is not.
func TestValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		turn   string
		values []span
		want   []string
	}{
		{"he collects old fans", []span{{2, 2}, {3, 3}}, []string{"old fans"}},
		{"tea, milk", []span{{0, 0}, {2, 2}}, []string{"tea", "milk"}},
		{"她叫彭红喔", []span{{2, 4}}, []string{"彭红"}},
		{"他在老酒吧。", []span{{2, 4}}, []string{"老酒吧"}},
		{"她住奥马哈", []span{{2, 4}}, []string{"奥马哈"}},
		{"彭红喔是", []span{{0, 2}}, []string{"彭红喔"}},
		{"my mother-in-law's cat", []span{{2, 6}}, []string{"mother-in-law's"}},
	} {
		units := Units(c.turn)
		var got []string
		for _, v := range bare(units, joined(c.turn, units, c.values)) {
			got = append(got, textOf(c.turn, units, v))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.turn, got, c.want)
		}
	}
}

// TestPointed checks that whom something is about ends at marks and at "my", and
// may be longer in Chinese.
func TestPointed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		turn        string
		first, last int // units that are the likeliest
		want        span
	}{
		{"我继父的拉布拉多叫麻薯", 1, 7, span{1, 7}},
		{"my aunt with bees, my aunt", 1, 6, span{-1, -1}},
		{"my aunt is one of those who sing", 1, 7, span{-1, -1}},
		{"my next-door neighbour sings", 1, 4, span{1, 4}},
	} {
		units := Units(c.turn)
		first, last := make([]float32, len(units)+1), make([]float32, len(units)+1)
		first[0], last[0] = 1.5, 1.5 // the user
		first[c.first+1], last[c.last+1] = 2, 2
		if got := pointed(first, last, units); got != c.want {
			t.Errorf("%q: %v, want %v", c.turn, got, c.want)
		}
	}
}

// TestWithArticle keeps an article with values that begin with one.
func TestWithArticle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ predicate, turn, value, want string }{
		{"saves_for", "I save for an old boat.", "old boat", "an old boat"},
		{"saves_for", "I save for the old boat.", "old boat", "old boat"},
		{"listens_to", "I listen to The Last Kites.", "Last Kites", "The Last Kites"},
		{"works_as", "I work as a nurse.", "nurse", "nurse"},
		{"drives", "Van. I drive one.", "Van", "Van"},
	} {
		units := Units(tt.turn)
		var v span
		from := strings.Index(tt.turn, tt.value)
		for i, u := range units {
			if u.From == from {
				v.first = i
			}
			if u.To == from+len(tt.value) {
				v.last = i
			}
		}
		if got := textOf(tt.turn, units, withArticle(units, v, tt.predicate)); got != tt.want {
			t.Errorf("%s of %q: %q, want %q", tt.predicate, tt.turn, got, tt.want)
		}
	}
}
