package video

import (
	"context"
	"math/rand/v2"
	"time"

	"kuai/grad"
	"kuai/media"
)

const (
	// DefaultSteps is used where a request leaves its steps 0.
	DefaultSteps = 24
	// DefaultGuidance is used where a request leaves its guidance 0.
	DefaultGuidance = 3

	maxSteps = 200
	// Guidance outside this range of timesteps costs time and harms the
	// picture: at the noisy end nothing is decided, at the clean end all is.
	guidanceLow, guidanceHigh = 0.2, 0.95
)

// Request is what a clip is made from. Zero fields take the model's defaults.
type Request struct {
	Prompt   string
	Seed     uint64
	Steps    int     // of the sampler, at most 200
	Frames   int     // 1 + 4n, at most the model's
	Size     int     // pixels on a side
	Guidance float32 // classifier-free guidance scale; 1 is none
}

// Progress tells how far a request has come.
type Progress struct {
	Stage string // "text", "sample" or "decode"
	Step  int    // done of Steps
	Steps int

	// Picture decodes the clip's first frame as this step foresees it: while
	// progress is told of it, and for the price of decoding a latent frame. It is
	// nil outside "sample" and at the last step.
	Picture func() *media.Clip
}

// Slot is one thing the prompt was understood to say.
type Slot struct {
	Kind       string  `json:"kind"`
	En         string  `json:"en"`
	Zh         string  `json:"zh"`
	Confidence float32 `json:"confidence"`
}

// Timing is where the time of a request went.
type Timing struct {
	Text, Sample, Decode time.Duration
}

// Result is a finished clip.
type Result struct {
	Clip       *media.Clip
	Seed       uint64
	Steps      int
	Understood []Slot
	Unknown    []string // words of the prompt that training never saw
	Timing     Timing
}

// Generate turns a prompt into a clip. progress, which may be nil, is called
// from this goroutine after each step. The same request gives the same bytes.
// Requests to one model run one after another.
//
// It fails with ErrEmptyPrompt, ErrLongPrompt or ErrUnknown for a prompt that
// cannot be drawn, a *LimitError for a field out of range, and the cause of
// ctx once that is done, looked at after every step.
func (m *Model) Generate(ctx context.Context, req Request, progress func(Progress)) (*Result, error) {
	req, err := m.complete(req)
	if err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	prompt, unknown, err := m.Understand(req.Prompt)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.pool.Hot()()

	res := &Result{Seed: req.Seed, Steps: req.Steps, Unknown: unknown}
	t := grad.NewForward(m.pool, m.arena, m.kind)
	defer t.Reset()

	begin := time.Now()
	text := m.encodePrompt(t, prompt)
	res.Understood = m.slots(text)
	res.Timing.Text = time.Since(begin)
	progress(Progress{Stage: "text", Step: 1, Steps: 1})

	begin = time.Now()
	latents, err := m.sample(ctx, t, req, text, progress)
	if err != nil {
		return nil, err
	}
	res.Timing.Sample = time.Since(begin)

	begin = time.Now()
	if res.Clip, err = m.decode(ctx, t, latents, progress); err != nil {
		return nil, err
	}
	res.Timing.Decode = time.Since(begin)
	return res, nil
}

// encodePrompt encodes the prompt and, for guidance, the empty prompt as the
// second of the batch. Its slot heads' values of the first are the ones that
// count.
func (m *Model) encodePrompt(t *grad.Tape, p Prompt) Encoded {
	none, err := Tokenize("", m.transformer.Config.Text.Rows)
	if err != nil {
		none = Prompt{} // the empty prompt is never too long
	}
	return m.transformer.Text.Forward(t, []Prompt{p, none})
}

// sample draws latents [1, T, H, W, C] by Euler steps from noise.
func (m *Model) sample(ctx context.Context, t *grad.Tape, req Request, text Encoded, progress func(Progress)) (*grad.Var, error) {
	c := m.transformer.Config
	shape := []int{1, 1 + (req.Frames-1)/TimeStride, req.Size / SpaceStride, req.Size / SpaceStride, c.LatentChannels}
	x := t.New(shape...)
	Noise(rand.New(rand.NewPCG(req.Seed, 0)), x.X)

	ts := timesteps(req.Steps, c.TimestepShift)
	foreseen := t.New(1, 1, shape[2], shape[3], shape[4])
	picture := func() *media.Clip { return m.picture(t, foreseen) }
	for i := range req.Steps {
		mark := m.arena.Mark()
		m.euler(t, x, text, ts[i], ts[i+1], req.Guidance, foreseen.X)
		m.arena.Release(mark)
		if i+1 == req.Steps {
			picture = nil
		}
		progress(Progress{Stage: "sample", Step: i + 1, Steps: req.Steps, Picture: picture})
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// guided says whether a step needs a second pass, without the prompt.
func guided(guidance, timestep float32) bool {
	return guidance != 1 && timestep >= guidanceLow && timestep <= guidanceHigh
}

// euler moves x from timestep now to timestep next. foreseen gets the beginning
// of the clean latents that x is bound for, as far as now knows.
func (m *Model) euler(t *grad.Tape, x *grad.Var, text Encoded, now, next, guidance float32, foreseen []float32) {
	batch := 1
	if guided(guidance, now) {
		batch = 2
	}
	in := t.New(append([]int{batch}, x.Shape[1:]...)...)
	times := make([]float32, batch)
	for b := range batch {
		copy(in.X[b*len(x.X):], x.X)
		times[b] = now
	}
	v := m.transformer.Forward(t, in, times, text.first(t, batch)).X
	if batch == 2 {
		cond, none := v[:len(x.X)], v[len(x.X):]
		for i := range cond {
			cond[i] = none[i] + guidance*(cond[i]-none[i])
		}
	}
	for i := range foreseen {
		foreseen[i] = x.X[i] - now*v[i]
	}
	dt := next - now
	for i := range x.X {
		x.X[i] += dt * v[i]
	}
}

// picture decodes the first latent frame alone.
func (m *Model) picture(t *grad.Tape, first *grad.Var) *media.Clip {
	defer m.arena.Release(m.arena.Mark())
	one := t.New(first.Shape...)
	copy(one.X, first.X)
	m.tokenizer.Config.denormalise(one.X)
	pixels := m.tokenizer.Decoder.Forward(t, one, &DecoderCache{}) // [1, 4, H, W, 3]
	clip := &media.Clip{Width: first.Dim(3) * SpaceStride, Height: first.Dim(2) * SpaceStride, FPS: m.transformer.Config.FPS}
	appendFrames(clip, pixels.X, true)
	return clip
}

// first returns the first n prompts of a batch.
func (e Encoded) first(t *grad.Tape, n int) Encoded {
	l, d := e.Tokens.Dim(1), e.Tokens.Dim(2)
	return Encoded{
		Tokens: t.Const(e.Tokens.X[:n*l*d], n, l, d),
		Pooled: t.Const(e.Pooled.X[:n*d], n, d),
		Lens:   e.Lens[:n],
	}
}

// decode turns normalised latents into a clip, one latent frame at a time.
func (m *Model) decode(ctx context.Context, t *grad.Tape, z *grad.Var, progress func(Progress)) (*media.Clip, error) {
	frames, h, w, c := z.Dim(1), z.Dim(2), z.Dim(3), z.Dim(4)
	clip := &media.Clip{Width: w * SpaceStride, Height: h * SpaceStride, FPS: m.transformer.Config.FPS}
	var cache DecoderCache
	for i := range frames {
		one := t.New(1, 1, h, w, c)
		copy(one.X, z.X[i*len(one.X):])
		m.tokenizer.Config.denormalise(one.X)
		pixels := m.tokenizer.Decoder.Forward(t, one, &cache) // [1, 4, H, W, 3]
		appendFrames(clip, pixels.X, i == 0)
		progress(Progress{Stage: "decode", Step: i + 1, Steps: frames})
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
	}
	return clip, nil
}

// appendFrames adds the frames of one latent frame to a clip: all four, or the
// last of the four that stand for the clip's first frame.
func appendFrames(clip *media.Clip, pixels []float32, first bool) {
	size := clip.Width * clip.Height * 3
	from := 0
	if first {
		from = TimeStride - 1
	}
	for f := from; f < TimeStride; f++ {
		frame := make([]byte, size)
		unitToBytes(frame, pixels[f*size:(f+1)*size])
		clip.Frames = append(clip.Frames, frame)
	}
}

// Clip is Generate for evaluations: the clip alone, with the defaults.
func (m *Model) Clip(ctx context.Context, prompt string, seed uint64) (*media.Clip, error) {
	res, err := m.Generate(ctx, Request{Prompt: prompt, Seed: seed}, nil)
	if err != nil {
		return nil, err
	}
	return res.Clip, nil
}
