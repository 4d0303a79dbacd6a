package eval

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"testing"

	"kuai/format/safetensors"
	"kuai/media"
	"kuai/models"
	"kuai/par"
	"kuai/world"
)

// painter answers the prompts of held-out combinations with their renders, or
// with noise.
type painter struct {
	s     *suite
	known map[string]world.Spec
	noise bool
}

func (p *painter) Clip(_ context.Context, prompt string, seed uint64) (*media.Clip, error) {
	c := p.s.render(p.known[prompt])
	if p.noise {
		r := rand.New(rand.NewPCG(seed, 0))
		for _, f := range c.Frames {
			for i := range f {
				f[i] = byte(r.UintN(256))
			}
		}
	}
	return c, nil
}

func (p *painter) Reconstruct(c *media.Clip) (*media.Clip, error) { return c, nil }

// TestVideo checks that a generator that draws what it is told scores what the
// judge scores on renders, and one that draws noise next to nothing.
func TestVideo(t *testing.T) {
	t.Parallel()
	w, err := world.Open("")
	if errors.Is(err, world.ErrNoFont) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := fs.ReadFile(models.Judge(), "judge.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	j, err := OpenJudge(file)
	if err != nil {
		t.Fatal(err)
	}
	const n = 8
	pool := par.New(2)
	defer pool.Close()
	cfg := VideoConfig{Judge: j, World: w, Pool: pool, Size: 64, Prompts: n, TrainSeed: 2, TrainClips: 500}
	p := &painter{s: &suite{VideoConfig: cfg}, known: map[string]world.Spec{}}
	for i := range n {
		for _, split := range []world.Split{world.HeldOut, world.Val} {
			s := world.Sample(split, 77, uint64(i))
			p.known[prompt(s, i)] = s
		}
	}
	score := func() map[string]float64 {
		rep, err := Video(t.Context(), cfg, p, p)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for _, b := range rep.Bars {
			if b.Value != nil {
				out[b.Name] = *b.Value
			}
		}
		return out
	}
	good := score()
	for _, name := range []string{"object", "motion", "scene", "time_of_day"} {
		if good[name] != good["judge_"+name] || good[name] < 0.5 {
			t.Errorf("perfect clips: %s is %v, on renders %v", name, good[name], good["judge_"+name])
		}
	}
	if good["tokenizer_psnr"] < 90 || good["tokenizer_object_loss"] != 0 {
		t.Errorf("a perfect tokenizer has %v dB and loses %v", good["tokenizer_psnr"], good["tokenizer_object_loss"])
	}
	if good["nearest_training_clip_all_three"] != 0 {
		t.Errorf("a training clip shows a held-out combination: %v", good["nearest_training_clip_all_three"])
	}
	p.noise = true
	if bad := score(); bad["all_three"] > 0 || bad["object"] > 0.5 {
		t.Errorf("noise: object %v, all three %v", bad["object"], bad["all_three"])
	}
}
