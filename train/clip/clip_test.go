package clip

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/format/shard"
	"kuai/par"
	"kuai/video"
	"kuai/world"
)

// tiny is a recipe of seconds.
func tiny() Recipe {
	r := Stickers(32)
	r.Tokenizer.EncoderWidths, r.Tokenizer.DecoderWidths = [3]int{4, 8, 8}, [3]int{4, 8, 8}
	r.Tokenizer.EncoderBlocks, r.Tokenizer.DecoderBlocks = [3]int{0, 0, 1}, [3]int{0, 0, 1}
	r.Tokenizer.PixelChannels, r.Tokenizer.LatentChannels = 2, 4
	r.TokenizerSteps, r.TokenizerImageSteps, r.TokenizerClips, r.TokenizerFrames, r.TokenizerImages = 3, 1, 2, 5, 2
	r.LatentClips, r.DecoderSteps = 1, 2
	r.Transformer.LatentChannels, r.Transformer.Width, r.Transformer.Layers, r.Transformer.Heads, r.Transformer.FFNWidth = 4, 16, 4, 2, 8
	r.Transformer.Text = video.TextConfig{Rows: 64, Width: 16, Layers: 1, Heads: 2}
	r.TransformerSteps, r.TransformerImageSteps = 4, 1
	r.TransformerImages, r.TransformerCycle = Shape{2, 1}, []Shape{{2, 7}, {2, 3}}
	return r
}

// TestTrainVideo goes the whole way once: tokenizer, latents, transformer,
// export, and a clip from what came out.
func TestTrainVideo(t *testing.T) {
	t.Parallel()
	w, err := world.Open("")
	if errors.Is(err, world.ErrNoFont) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: t.TempDir(), Recipe: tiny(), World: w, Pool: par.New(2), Seed: 3}
	defer o.Pool.Close()
	if err := EncodeLatents(t.Context(), o); err == nil {
		t.Fatal("latents without a tokenizer gave no error")
	}
	if res, err := TrainTokenizer(t.Context(), o); err != nil || res.Steps != 3 {
		t.Fatal(res, err)
	}
	if _, err := TrainTransformer(t.Context(), o); err == nil {
		t.Fatal("a transformer without latents gave no error")
	}
	for range 2 { // the second finds all done
		if err := EncodeLatents(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := TrainTransformer(t.Context(), o); err != nil || res.Steps != 4 {
		t.Fatal(res, err)
	}
	if res, err := TrainDecoder(t.Context(), o); err != nil || res.Steps != 2 {
		t.Fatal(res, err)
	}
	model := filepath.Join(o.Dir, "model")
	if err := Export(o, model); err != nil {
		t.Fatal(err)
	}
	m, err := video.Open(os.DirFS(model), o.Pool)
	if err != nil {
		t.Fatal(err)
	}
	if m.TrainClips() != shardClips {
		t.Errorf("learned from %d clips, want %d", m.TrainClips(), shardClips)
	}
	req := video.Request{Prompt: "a fox jumps", Seed: 4, Steps: 2, Frames: 5}
	first, err := m.Generate(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := m.Generate(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Clip.Frames) != 5 || cmp.Diff(first.Clip, second.Clip) != "" {
		t.Errorf("%d frames; the same seed gives another clip", len(first.Clip.Frames))
	}
	req.Seed++
	if other, err := m.Generate(t.Context(), req, nil); err != nil || cmp.Diff(first.Clip, other.Clip) == "" {
		t.Errorf("another seed gives the same clip, %v", err)
	}

	// Latents of another tokenizer are refused.
	o.Recipe.TokenizerSteps = 5
	if _, err := TrainTokenizer(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, err := TrainTransformer(t.Context(), o); !errors.Is(err, shard.ErrOther) {
		t.Errorf("got %v, want ErrOther", err)
	}
}

// TestCaptionLabels checks that the slot heads' labels are those of what the
// caption says, and that an empty prompt says nothing.
func TestCaptionLabels(t *testing.T) {
	t.Parallel()
	for i := range world.NumSlots {
		en, zh := world.SlotValues(i)
		c := Complete(tiny().Transformer).Slots[i]
		if cmp.Diff(c.En, en) != "" || cmp.Diff(c.Zh, zh) != "" {
			t.Errorf("slot %s of the model is not the world's", c.Kind)
		}
	}
	for i := range uint64(50) {
		s := world.Sample(world.Train, 1, i)
		back, err := unpackSpec(packSpec(s))
		if err != nil || back != s {
			t.Fatalf("%+v comes back as %+v, %v", s, back, err)
		}
	}
	bad := packSpec(world.Spec{})
	bad[0] = 255
	if _, err := unpackSpec(bad); err == nil {
		t.Error("object 255 gave no error")
	}
}

// TestWeigh checks that the weights follow a thing that runs to the right.
func TestWeigh(t *testing.T) {
	t.Parallel()
	k := &TransformerTask{Latents: &Latents{T: 7, H: 8, W: 8, C: 1}}
	dst := make([]float32, 7*64)
	k.weigh(dst, world.Spec{Motion: world.RunRight})
	var centres []float64
	for f := range 7 {
		n, sum := 0, 0.0
		for i, v := range dst[f*64 : (f+1)*64] {
			if v > 1 {
				n, sum = n+1, sum+float64(i%8)+0.5
			}
		}
		if n < 6 || n > 32 {
			t.Errorf("latent frame %d: %d heavy places of 64", f, n)
		}
		centres = append(centres, sum/float64(n))
	}
	if centres[0] > 3.5 || centres[6] < 4.5 {
		t.Errorf("centres %v do not go from left to right", centres)
	}
}
