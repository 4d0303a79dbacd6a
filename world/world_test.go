package world

import (
	"bytes"
	"errors"
	"image/png"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// open returns the world, or skips where there is no font.
func open(t testing.TB) *World {
	t.Helper()
	w, err := Open("")
	if errors.Is(err, ErrNoFont) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
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

func TestSampleRepeats(t *testing.T) {
	t.Parallel()
	if Sample(Train, 3, 5) != Sample(Train, 3, 5) || Sample(Train, 3, 5) == Sample(Train, 4, 5) {
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
	for i := range uint64(40_000) {
		s := Sample(Train, 9, i)
		en, has := s.CaptionSlots(English, r)
		if spaces.MatchString(en) || wrongAn.MatchString(en) || !strings.Contains(en, Objects[s.Object].En) {
			t.Fatalf("caption %q", en)
		}
		zh := s.FullCaption(Chinese, r)
		if strings.ContainsAny(zh, " ,") || strings.HasPrefix(zh, "，") || !strings.Contains(zh, Objects[s.Object].Zh) {
			t.Fatalf("caption %q", zh)
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
	if len(distinct) < 30_000 {
		t.Errorf("%d distinct captions of 40000", len(distinct))
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

// TestRender checks that a clip repeats, that Specs differ, and that runners
// move the way the caption says.
func TestRender(t *testing.T) {
	t.Parallel()
	w := open(t)
	const size = 64
	draw := func(s Spec) []byte {
		b := make([]byte, Frames*size*size*3)
		w.Render(b, s, size)
		return b
	}
	for i := range uint64(8) {
		s := Sample(Train, 2, i)
		a := draw(s)
		if !bytes.Equal(a, draw(s)) {
			t.Errorf("%+v: two renders differ", s)
		}
		s.Seed += 2
		if s.Scene != Plain && bytes.Equal(a, draw(s)) { // a wall has few colours
			t.Errorf("%+v: another seed changes nothing", s)
		}
	}
	for motion, sign := range map[uint8]float64{RunLeft: -1, RunRight: 1} {
		clip := draw(Spec{Object: 8, Motion: motion, Scene: Plain, Time: Day})
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
	if got := img.Bounds().Size(); got.X != 9*32 || got.Y != 3*48 || len(captions) != 3 {
		t.Errorf("sheet of %v with %d captions", got, len(captions))
	}
	if _, err := w.Preview(&out, PreviewOptions{Size: 32, Clips: 1000}); err == nil {
		t.Error("a thousand rows gave no error")
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
