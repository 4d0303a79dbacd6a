package video_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/media"
	"kuai/models"
	"kuai/par"
	"kuai/video"
)

// TestPicture looks at a clip while it is made: looking changes nothing, and
// what is foreseen comes closer to what the clip begins with.
func TestPicture(t *testing.T) {
	t.Parallel()
	m, err := video.Open(models.Video(), par.New(0))
	if err != nil {
		t.Fatal(err)
	}
	req := video.Request{Prompt: "a fox jumps", Seed: 3, Frames: 1, Steps: 4}
	plain, err := m.Generate(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	var seen []*media.Clip
	looked, err := m.Generate(t.Context(), req, func(p video.Progress) {
		if p.Picture != nil {
			seen = append(seen, p.Picture())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain.Clip, looked.Clip); diff != "" {
		t.Errorf("looking changed the clip")
	}
	if len(seen) != req.Steps-1 {
		t.Fatalf("%d pictures, want one for each step but the last", len(seen))
	}
	first, last := far(seen[0], plain.Clip), far(seen[len(seen)-1], plain.Clip)
	t.Logf("mean distance of the first picture %.1f, of the last %.1f", first, last)
	if last > 8 || first < 2*last {
		t.Errorf("the first picture is %.1f from the clip, the last %.1f: want them to come close", first, last)
	}
}

// far is the mean distance of two clips' first frames, in values of a byte.
func far(a, b *media.Clip) float64 {
	sum := 0.0
	for i, v := range a.Frames[0] {
		d := float64(v) - float64(b.Frames[0][i])
		sum += max(d, -d)
	}
	return sum / float64(len(a.Frames[0]))
}
