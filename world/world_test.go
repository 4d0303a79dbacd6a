package world

import (
	"bytes"
	"errors"
	"hash/crc32"
	"image/png"
	"io"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// open returns the world, or skips where there is no font.
func open(tb testing.TB) *World {
	tb.Helper()
	w, err := Open("")
	if errors.Is(err, ErrNoFont) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	if _, err := Open(filepath.Join(t.TempDir(), "none.ttf")); !errors.Is(err, ErrNoFont) {
		t.Errorf("a missing font gave %v, want ErrNoFont", err)
	}
}

func TestObjectsAreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range Objects {
		for _, key := range []string{string(o.Code), o.En, o.Zh} {
			if key == "" || seen[key] {
				t.Errorf("%s: %q comes twice or is empty", o.En, key)
			}
			seen[key] = true
		}
	}
	if len(Objects) < 115 || len(Motions) != 10 || len(Scenes) != 8 || len(Times) != 4 {
		t.Errorf("%d objects, %d motions, %d scenes, %d times", len(Objects), len(Motions), len(Scenes), len(Times))
	}
}

// TestSplit checks that held-out combinations never reach training, that
// training's seeds never reach validation, and that every value is trained on
// about as often as the others of its slot.
func TestSplit(t *testing.T) {
	t.Parallel()
	const n = 60_000
	var counts [NumSlots]map[int]int
	for i := range counts {
		counts[i] = map[int]int{}
	}
	for i := range uint64(n) {
		s := Sample(Train, 1, i)
		if s.IsHeldOut() || s.Seed%2 != 0 {
			t.Fatalf("training clip %d: %+v", i, s)
		}
		for slot := range counts {
			counts[slot][s.Slot(slot)]++
		}
		if i%10 > 0 {
			continue
		}
		if s := Sample(HeldOut, 1, i); !s.IsHeldOut() {
			t.Fatalf("held-out clip %d is not: %+v", i, s)
		}
		if s := Sample(Val, 1, i); s.IsHeldOut() || s.Seed%2 != 1 {
			t.Fatalf("validation clip %d: %+v", i, s)
		}
	}
	for slot, byValue := range counts[:SlotSize] {
		values, _ := SlotValues(slot)
		for v := range values {
			share := float64(byValue[v]) / n * float64(len(values))
			if share < 0.3 || share > 1.5 {
				t.Errorf("%s %s has %.2f of an even share", SlotNames[slot], values[v], share)
			}
		}
	}
}

func TestHeldOutShare(t *testing.T) {
	t.Parallel()
	held, all := 0, 0
	for o := range Objects {
		for m := range Motions {
			for s := range Scenes {
				all++
				if (Spec{Object: uint8(o), Motion: uint8(m), Scene: uint8(s)}).IsHeldOut() {
					held++
				}
			}
		}
	}
	if share := float64(held) / float64(all); share < 0.15 || share > 0.32 {
		t.Errorf("%.3f of all combinations are held out, want about 0.23", share)
	}
}

// TestHeldOutStays checks that no change moves combinations from the held-out
// ones to training: models that ship were trained on this split, and are
// measured on it.
func TestHeldOutStays(t *testing.T) {
	t.Parallel()
	h := crc32.NewIEEE()
	for o := range Objects {
		for m := range Motions {
			for sc := range Scenes {
				held := byte(0)
				if (Spec{Object: uint8(o), Motion: uint8(m), Scene: uint8(sc)}).IsHeldOut() {
					held = 1
				}
				h.Write([]byte{held})
			}
		}
	}
	if got, want := h.Sum32(), uint32(0xd475f83d); got != want {
		t.Errorf("the held-out combinations have checksum %#08x, want %#08x", got, want)
	}
}

// TestHeldOutPairs counts the pairs that no training clip has, and how often
// training still shows each value with the pairs that are left.
func TestHeldOutPairs(t *testing.T) {
	t.Parallel()
	free := map[[3]int]bool{} // kind, object, value
	left := map[int]int{}     // combinations of an object
	for o := range Objects {
		for m := range Motions {
			for sc := range Scenes {
				if !(Spec{Object: uint8(o), Motion: uint8(m), Scene: uint8(sc)}).IsHeldOut() {
					free[[3]int{0, o, m}], free[[3]int{1, o, sc}] = true, true
					left[o]++
				}
			}
		}
		if all := len(Motions) * len(Scenes); left[o] < all/4 {
			t.Errorf("%s: %d of %d combinations are left to training", Objects[o].En, left[o], all)
		}
	}
	for kind, n := range []int{len(Motions), len(Scenes)} {
		held := 0
		for o := range Objects {
			for v := range n {
				if !free[[3]int{kind, o, v}] {
					held++
				}
			}
		}
		if share := float64(held) / float64(n*len(Objects)); share < 0.07 || share > 0.14 {
			t.Errorf("%s: %.3f of the pairs are held out, want a tenth", [2]string{"object and motion", "object and scene"}[kind], share)
		}
	}
}

func TestSampleRepeats(t *testing.T) {
	t.Parallel()
	first := Sample(Train, 3, 5)
	if first != Sample(Train, 3, 5) || Sample(Train, 3, 5) == Sample(Train, 4, 5) {
		t.Error("Sample is not a function of seed and index")
	}
}

var (
	spaces  = regexp.MustCompile(`^ | $|  | ,|^,|,$|,,`)
	wrongAn = regexp.MustCompile(`\b[Aa] [aeio]|\ban [^aeiou]`)
)

func TestCaptions(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var said Said
	distinct := map[string]bool{}
	const captions = 100_000
	for i := range uint64(captions) {
		s := Sample(Train, 9, i)
		en, has := s.CaptionSlots(English, r)
		o := Objects[s.Object]
		if spaces.MatchString(en) || wrongAn.MatchString(en) || !saysOne(en, o.En, synonyms[o.En].En) {
			t.Fatalf("caption %q", en)
		}
		zh, inZh := s.CaptionSlots(Chinese, r)
		if strings.ContainsAny(zh, " ,") || strings.HasPrefix(zh, "，") || !saysOne(zh, o.Zh, synonyms[o.En].Zh) {
			t.Fatalf("caption %q", zh)
		}
		if want := append(participles[s.Motion], Motions[s.Motion].En...); has[SlotMotion] != saysOne(en, "\x00", want) {
			t.Fatalf("%q: said %v of %v", en, has[SlotMotion], want)
		}
		for slot, words := range map[int][]string{SlotMotion: Motions[s.Motion].Zh, SlotScene: Scenes[s.Scene].Zh, SlotTime: Times[s.Time].Zh} {
			if inZh[slot] && !saysOne(zh, "\x00", words) {
				t.Fatalf("%q: the %s is missing", zh, SlotNames[slot])
			}
		}
		for k := range said {
			said[k] = said[k] || has[k]
		}
		if has[SlotSpeed] && (!has[SlotMotion] || s.Speed == Middle) || has[SlotSize] && s.Size == Middle {
			t.Fatalf("%q of %+v claims to say %v", en, s, has)
		}
		distinct[en] = true
	}
	for k, ok := range said {
		if !ok {
			t.Errorf("no caption ever says the %s", SlotNames[k])
		}
	}
	if len(distinct) < captions*7/10 {
		t.Errorf("%d distinct captions of %d", len(distinct), captions)
	}
}

// saysOne tells whether a caption has a name or one of the others.
func saysOne(caption, name string, others []string) bool {
	return strings.Contains(caption, name) ||
		slices.ContainsFunc(others, func(o string) bool { return strings.Contains(caption, o) })
}

// TestFullCaptions checks that an evaluation's prompts tell everything, in the
// words of the tables and nothing else.
func TestFullCaptions(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for i := range uint64(20_000) {
		s := Sample(HeldOut, 9, i)
		for _, lang := range []Lang{English, Chinese} {
			text := s.FullCaption(lang, r)
			facts := [][]string{{Objects[s.Object].En}, Motions[s.Motion].En, Scenes[s.Scene].En, Times[s.Time].En, Sizes[s.Size].En, Speeds[s.Speed].En}
			if lang == Chinese {
				facts = [][]string{{Objects[s.Object].Zh}, Motions[s.Motion].Zh, Scenes[s.Scene].Zh, Times[s.Time].Zh, Sizes[s.Size].Zh, Speeds[s.Speed].Zh}
			}
			for _, f := range facts {
				if len(f) > 0 && !saysOne(text, f[0], f) {
					t.Fatalf("%q says none of %q", text, f)
				}
			}
		}
	}
}

// TestSynonyms checks that every synonym is of an object and of no other.
func TestSynonyms(t *testing.T) {
	t.Parallel()
	seen, used := map[string]string{}, 0
	for _, o := range Objects {
		seen[o.En], seen[o.Zh] = o.En, o.En
	}
	for _, o := range Objects {
		v, ok := synonyms[o.En]
		if !ok {
			continue
		}
		used++
		for _, name := range append(v.En, v.Zh...) {
			if other, ok := seen[name]; ok {
				t.Errorf("%q names %s and %s", name, other, o.En)
			}
			seen[name] = o.En
		}
	}
	if used != len(synonyms) {
		t.Errorf("%d of %d synonyms belong to an object", used, len(synonyms))
	}
}

// TestPhrasesAreDistinct checks that no phrase of a slot, in a language, says
// two values.
func TestPhrasesAreDistinct(t *testing.T) {
	t.Parallel()
	for i, table := range [][]Value{Motions, Scenes, Times, Sizes, Speeds} {
		seen := map[string]bool{}
		for k, v := range table {
			for _, p := range append(v.En, v.Zh...) {
				if seen[p] {
					t.Errorf("%s %d: %q says another value too", SlotNames[i+1], k, p)
				}
				seen[p] = true
			}
		}
	}
}

// TestTheSentence checks that the README's sentence is one of the grammar's.
func TestTheSentence(t *testing.T) {
	t.Parallel()
	s := Spec{Motion: Jump, Scene: Meadow, Time: Night}
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		if s.FullCaption(English, r) == "a fox jumps over the grass at night" {
			return
		}
	}
	t.Error("the grammar never says it")
}

// TestRender checks that a clip repeats, also beside others, and that runners
// move the way the caption says.
func TestRender(t *testing.T) {
	t.Parallel()
	w, known := fixture(t)
	const size = 64
	draw := func(s Spec) []byte {
		b := make([]byte, Frames*size*size*3)
		w.Render(b, s, size)
		return b
	}
	specs := fixtureSpecs(known)
	first := make([][]byte, len(specs))
	for i, s := range specs {
		first[i] = draw(s)
	}
	var all sync.WaitGroup
	for i, s := range specs {
		all.Go(func() {
			if !bytes.Equal(first[i], draw(s)) {
				t.Errorf("%+v: two renders differ", s)
			}
		})
	}
	all.Wait()
	for motion, sign := range map[uint8]float64{RunLeft: -1, RunRight: 1} {
		clip := draw(Spec{Object: known[0], Motion: motion, Scene: Plain, Time: Day})
		first, last := darkCentre(clip, 0, size), darkCentre(clip, Frames-1, size)
		if (last-first)*sign < size/4 {
			t.Errorf("motion %d goes from column %.0f to %.0f", motion, first, last)
		}
	}
}

// darkCentre is the mean column of what differs from the frame's corner.
func darkCentre(clip []byte, frame, size int) float64 {
	f := clip[frame*size*size*3:]
	var sum, n float64
	for y := range size {
		for x := range size {
			d := int(f[(y*size+x)*3+2]) - int(f[(y*size)*3+2])
			if d > 25 || d < -25 {
				sum, n = sum+float64(x), n+1
			}
		}
	}
	return sum / max(n, 1)
}

// TestFont draws every object, from the real font.
func TestFont(t *testing.T) {
	t.Parallel()
	w := open(t)
	const size = 32
	clip := make([]byte, Frames*size*size*3)
	seen := map[uint32]string{}
	for i, o := range Objects {
		w.Render(clip, Spec{Object: uint8(i), Motion: Spin, Scene: Plain}, size)
		sum := crc32.ChecksumIEEE(clip)
		if other := seen[sum]; other != "" {
			t.Errorf("%s looks like %s", o.En, other)
		}
		seen[sum] = o.En
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	w := open(t)
	var out bytes.Buffer
	captions, err := w.Preview(&out, PreviewOptions{Size: 32, Clips: 3, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	if got := img.Bounds().Size(); got.X != 9*34-2 || got.Y != 3*48 || len(captions) != 3 {
		t.Errorf("sheet of %v with %d captions", got, len(captions))
	}
	wall, captions, err := w.Wall(PreviewOptions{Size: 32, Clips: 5, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if wall.Width != 3*34-2 || wall.Height != 2*34-2 || len(wall.Frames) != Frames || len(captions) != 5 {
		t.Errorf("wall of %dx%d with %d frames and %d captions", wall.Width, wall.Height, len(wall.Frames), len(captions))
	}
}

func TestPreviewLimits(t *testing.T) {
	t.Parallel()
	w, _ := fixture(t)
	for _, o := range []PreviewOptions{{Size: 32, Clips: 1000}, {Size: 32}, {Size: 8, Clips: 1}, {Size: 1000, Clips: 1}} {
		if _, _, err := w.Wall(o); err == nil {
			t.Errorf("%+v: a wall, want an error", o)
		}
		if _, err := w.Preview(io.Discard, o); err == nil {
			t.Errorf("%+v: a sheet, want an error", o)
		}
	}
	if _, _, err := w.Wall(PreviewOptions{Size: 512, Clips: 25}); err == nil {
		t.Error("a wall of 2568 pixels, want an error")
	}
}

func BenchmarkRender(b *testing.B) {
	w := open(b)
	for _, size := range []int{64, 128} {
		b.Run(map[int]string{64: "size=64", 128: "size=128"}[size], func(b *testing.B) {
			buf := make([]byte, Frames*size*size*3)
			i := uint64(0)
			for b.Loop() {
				w.Render(buf, Sample(Train, 1, i), size)
				i++
			}
		})
	}
}
