package eval

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"kuai/grad"
	"kuai/internal/report"
	"kuai/kernel/gemm"
	"kuai/media"
	"kuai/mem"
	"kuai/par"
	"kuai/world"
)

// Generator makes clips of prompts; the same prompt and seed give the same
// clip.
type Generator interface {
	Clip(ctx context.Context, prompt string, seed uint64) (*media.Clip, error)
}

// Reconstructor encodes clips and decodes them again.
type Reconstructor interface {
	Reconstruct(clip *media.Clip) (*media.Clip, error)
}

// Bars of the video suite.
const (
	barObject, barMotion, barScene, barAll = 0.80, 0.85, 0.90, 0.60

	barJudge, barPSNR, barSSIM, barLoss = 0.97, 30, 0.95, 0.02
)

// judgeArena is the address space of the judge's work.
const judgeArena = 2 << 30

// VideoConfig says how the video suite runs.
type VideoConfig struct {
	Judge   *Judge
	World   *world.World
	Pool    *par.Pool // computes the judge's verdicts; nil is one worker
	Size    int       // of the model's clips
	Prompts int       // of held-out combinations; 200
	// TrainSeed and TrainClips name the clips that the model learned from, for
	// the nearest one of them.
	TrainSeed  uint64
	TrainClips int
	Model      string
	View       io.Writer // progress; nil shows nothing
}

// suite is an evaluation in progress.
type suite struct {
	VideoConfig
	tape *grad.Tape // the judge's
	rep  *report.Report
}

// Video measures a text-to-video model on prompts of combinations that
// training never showed, half English, half Chinese, with fixed seeds.
func Video(ctx context.Context, cfg VideoConfig, g Generator, rec Reconstructor) (*report.Report, error) {
	arena := mem.NewArena(judgeArena)
	defer arena.Close()
	s := &suite{
		VideoConfig: cfg, tape: grad.NewForward(cfg.Pool, arena, gemm.F32),
		rep: &report.Report{Machine: report.Machine(), Model: cfg.Model},
	}
	n := cfg.Prompts
	specs := make([]world.Spec, n)
	for i := range specs {
		specs[i] = world.Sample(world.HeldOut, 77, uint64(i))
	}
	rendered, err := s.renders(specs)
	if err != nil {
		return nil, err
	}
	made, err := s.generated(ctx, g, specs, "held-out")
	if err != nil {
		return nil, err
	}
	s.score(made, rendered)
	if err := s.gaps(ctx, g, made); err != nil {
		return nil, err
	}
	if err := s.distance(made, rendered); err != nil {
		return nil, err
	}
	if err := s.diversity(ctx, g, specs); err != nil {
		return nil, err
	}
	if err := s.nearest(specs); err != nil {
		return nil, err
	}
	return s.rep, s.tokenizer(ctx, rec, specs, rendered)
}

// judged is what the judge says of clips that should show specs.
type judged struct {
	specs    []world.Spec
	verdicts []Verdict
}

func (j judged) share(right func(s world.Spec, v Verdict) bool) float64 {
	n := 0
	for i, s := range j.specs {
		if right(s, j.verdicts[i]) {
			n++
		}
	}
	return float64(n) / float64(max(len(j.specs), 1))
}

// part is the verdicts whose index f keeps.
func (j judged) part(f func(i int) bool) judged {
	var out judged
	for i := range j.specs {
		if f(i) {
			out.specs, out.verdicts = append(out.specs, j.specs[i]), append(out.verdicts, j.verdicts[i])
		}
	}
	return out
}

func objectRight(s world.Spec, v Verdict) bool { return v.Object == int(s.Object) }
func motionRight(s world.Spec, v Verdict) bool { return v.Motion == int(s.Motion) }
func sceneRight(s world.Spec, v Verdict) bool  { return v.Scene == int(s.Scene) }
func timeRight(s world.Spec, v Verdict) bool   { return v.Time == int(s.Time) }
func allRight(s world.Spec, v Verdict) bool {
	return objectRight(s, v) && motionRight(s, v) && sceneRight(s, v)
}

// render draws the clip of a spec at the model's size.
func (s *suite) render(spec world.Spec) *media.Clip {
	buf := make([]byte, world.Frames*s.Size*s.Size*3)
	s.World.Render(buf, spec, s.Size)
	c := &media.Clip{Width: s.Size, Height: s.Size, FPS: world.FPS}
	for i := range world.Frames {
		n := s.Size * s.Size * 3
		c.Frames = append(c.Frames, buf[i*n:(i+1)*n])
	}
	return c
}

func (s *suite) renders(specs []world.Spec) (judged, error) {
	out := judged{specs: specs}
	for _, spec := range specs {
		v, err := s.Judge.Look(s.tape, s.render(spec))
		if err != nil {
			return out, err
		}
		out.verdicts = append(out.verdicts, v)
	}
	return out, nil
}

// prompt is the full caption of the i-th spec, by turns in both languages.
func prompt(spec world.Spec, i int) string {
	return spec.FullCaption(world.Lang(i%2), rand.New(rand.NewPCG(uint64(i), 5)))
}

func (s *suite) generated(ctx context.Context, g Generator, specs []world.Spec, what string) (judged, error) {
	out := judged{specs: specs}
	for i, spec := range specs {
		clip, err := g.Clip(ctx, prompt(spec, i), uint64(i)+1)
		if err != nil {
			return out, err
		}
		v, err := s.Judge.Look(s.tape, clip)
		if err != nil {
			return out, err
		}
		out.verdicts = append(out.verdicts, v)
		if s.View != nil && (i+1)%20 == 0 {
			_, _ = fmt.Fprintf(s.View, "%s prompts: %d/%d, all right so far %.2f\n", what, i+1, len(specs), judged{specs[:i+1], out.verdicts}.share(allRight))
		}
	}
	return out, nil
}

// score reports how often the generated clips show what the prompts say, and
// how often the judge is right about rendered ones.
func (s *suite) score(made, rendered judged) {
	r := s.rep
	r.AtLeast("object", made.share(objectRight), barObject, "of prompts")
	r.AtLeast("motion", made.share(motionRight), barMotion, "of prompts")
	r.AtLeast("scene", made.share(sceneRight), barScene, "of prompts")
	r.Add("time_of_day", made.share(timeRight), "of prompts")
	r.AtLeast("all_three", made.share(allRight), barAll, "of prompts")
	r.AtLeast("judge_object", rendered.share(objectRight), barJudge, "of held-out renders")
	r.AtLeast("judge_motion", rendered.share(motionRight), barJudge, "of held-out renders")
	r.AtLeast("judge_scene", rendered.share(sceneRight), barJudge, "of held-out renders")
	r.Add("judge_time_of_day", rendered.share(timeRight), "of held-out renders")
}

// gaps compares languages, and held-out combinations with seen ones.
func (s *suite) gaps(ctx context.Context, g Generator, made judged) error {
	english := made.part(func(i int) bool { return i%2 == 0 }).share(allRight)
	chinese := made.part(func(i int) bool { return i%2 == 1 }).share(allRight)
	s.rep.Add("all_three_english", english, "of prompts")
	s.rep.Add("all_three_chinese", chinese, "of prompts")
	specs := make([]world.Spec, max(s.Prompts/4, 1))
	for i := range specs {
		specs[i] = world.Sample(world.Val, 77, uint64(i))
	}
	seen, err := s.generated(ctx, g, specs, "seen")
	if err != nil {
		return err
	}
	s.rep.Add("all_three_seen_combinations", seen.share(allRight), "of prompts")
	return nil
}

// distance reports the Fréchet distance to real clips, and that of two halves
// of real ones beside it.
func (s *suite) distance(made, rendered judged) error {
	other := make([]world.Spec, len(rendered.specs))
	for i := range other {
		other[i] = world.Sample(world.HeldOut, 78, uint64(i))
	}
	second, err := s.renders(other)
	if err != nil {
		return err
	}
	for _, d := range []struct {
		name string
		a, b judged
	}{{"fd_own", made, rendered}, {"fd_own_of_other_renders", second, rendered}} {
		v, err := Frechet(d.a.features(), d.b.features())
		if err != nil {
			s.rep.Missing(d.name, "judge's features", err.Error())
			continue
		}
		s.rep.Add(d.name, v, "judge's features")
	}
	return nil
}

func (j judged) features() [][]float32 {
	out := make([][]float32, len(j.verdicts))
	for i, v := range j.verdicts {
		out[i] = v.Features
	}
	return out
}

// diversity compares how far clips of one prompt lie apart with how far
// renders of one spec with other seeds do.
func (s *suite) diversity(ctx context.Context, g Generator, specs []world.Spec) error {
	const prompts, seeds = 10, 4
	var made, rendered float64
	n := min(prompts, len(specs))
	for i, spec := range specs[:n] {
		var a, b [][]float32
		for k := range uint64(seeds) {
			clip, err := g.Clip(ctx, prompt(spec, i), 1000+k)
			if err != nil {
				return err
			}
			v, err := s.Judge.Look(s.tape, clip)
			if err != nil {
				return err
			}
			a = append(a, v.Features)
			other := spec
			other.Seed, other.Mirror = spec.Seed+2*k, k%2 == 0
			if v, err = s.Judge.Look(s.tape, s.render(other)); err != nil {
				return err
			}
			b = append(b, v.Features)
		}
		made += spread(a) / float64(n)
		rendered += spread(b) / float64(n)
	}
	s.rep.Add("diversity", made/max(rendered, 1e-9), "of renders' across seeds")
	return nil
}

// spread is the mean distance of all pairs.
func spread(x [][]float32) float64 {
	var sum float64
	n := 0
	for i := range x {
		for j := range i {
			var d float64
			for k, v := range x[i] {
				d += float64(v-x[j][k]) * float64(v-x[j][k])
			}
			sum += math.Sqrt(d)
			n++
		}
	}
	return sum / float64(max(n, 1))
}

// nearest scores the training clip whose facts match each prompt best: what a
// model that only replays its data could reach.
func (s *suite) nearest(specs []world.Spec) error {
	out := judged{specs: specs}
	best := make([]int, len(specs))
	found := make([]world.Spec, len(specs))
	for k := range s.TrainClips {
		c := world.Sample(world.Train, s.TrainSeed, uint64(k))
		for i, spec := range specs {
			m := 0
			for slot := range world.SlotSize { // object, motion, scene, time: the first counts most
				m *= 2
				if c.Slot(slot) == spec.Slot(slot) {
					m++
				}
			}
			if m > best[i] {
				best[i], found[i] = m, c
			}
		}
	}
	for _, c := range found {
		v, err := s.Judge.Look(s.tape, s.render(c))
		if err != nil {
			return err
		}
		out.verdicts = append(out.verdicts, v)
	}
	s.rep.Add("nearest_training_clip_object", out.share(objectRight), "of prompts")
	s.rep.Add("nearest_training_clip_motion", out.share(motionRight), "of prompts")
	s.rep.Add("nearest_training_clip_scene", out.share(sceneRight), "of prompts")
	s.rep.Add("nearest_training_clip_all_three", out.share(allRight), "of prompts")
	return nil
}

// tokenizer reports what encoding and decoding alone lose.
func (s *suite) tokenizer(ctx context.Context, rec Reconstructor, specs []world.Spec, rendered judged) error {
	n := min(len(specs), 100)
	out := judged{specs: specs[:n]}
	var psnr, similarity float64
	for _, spec := range specs[:n] {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		clip := s.render(spec)
		back, err := rec.Reconstruct(clip)
		if err != nil {
			return err
		}
		v, err := s.Judge.Look(s.tape, back)
		if err != nil {
			return err
		}
		out.verdicts = append(out.verdicts, v)
		p, err := PSNR(clip, back)
		if err != nil {
			return err
		}
		q, err := SSIM(clip, back)
		if err != nil {
			return err
		}
		psnr, similarity = psnr+p/float64(n), similarity+q/float64(n)
	}
	before := rendered.part(func(i int) bool { return i < n }).share(objectRight)
	s.rep.AtLeast("tokenizer_psnr", psnr, barPSNR, "dB")
	s.rep.AtLeast("tokenizer_ssim", similarity, barSSIM, "luma")
	s.rep.AtMost("tokenizer_object_loss", before-out.share(objectRight), barLoss, "of held-out renders")
	return nil
}
