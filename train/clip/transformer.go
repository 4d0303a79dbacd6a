package clip

import (
	"math/rand/v2"

	"kuai/grad"
	"kuai/nn"
	"kuai/train"
	"kuai/video"
	"kuai/world"
)

const (
	captionDrop = 0.1 // of the prompts are empty, for classifier-free guidance
	slotWeight  = 0.1 // of the slot heads' loss beside the velocity's
	// thingWeight is how much more the places count where the thing is: a tenth
	// of a clip, and nearly all that there is to learn.
	thingWeight = 4
)

// TransformerTask trains the text-to-video transformer on stored latents,
// with captions drawn anew each time a clip is seen.
type TransformerTask struct {
	Model   *video.Transformer
	Latents *Latents
	Seed    uint64
	// The first ImageSteps steps have the shape Images, those after them take
	// the shapes of Cycle by turns. Short pieces cost little: they teach what
	// things look like, whole clips teach how they move.
	ImageSteps int
	Images     Shape
	Cycle      []Shape
}

// Noisy is one batch for the transformer.
type Noisy struct {
	Latents  []float32 // [B, T, H, W, C], mixed with noise
	Velocity []float32 // to predict
	Weight   []float32 // [B, T, H, W], of the error
	Times    []float32 // [B]
	Prompts  []video.Prompt
	Labels   [][]int32 // per slot, [B]: the value said plus 1, or 0
	T        int
}

// Module returns what is trained.
func (k *TransformerTask) Module() any { return k.Model }

// shape returns the shape of a step.
func (k *TransformerTask) shape(step int) Shape {
	if step < k.ImageSteps {
		return k.Images
	}
	return k.Cycle[(step-k.ImageSteps)%len(k.Cycle)]
}

// position is where a step begins to read: no two read the same clips.
func (k *TransformerTask) position(step int) uint64 {
	most := k.Images.Clips
	for _, s := range k.Cycle {
		most = max(most, s.Clips)
	}
	return uint64(step) * uint64(most)
}

// Batch reads the latents of a step and mixes them with noise.
func (k *TransformerTask) Batch(step int) (Noisy, error) {
	shape := k.shape(step)
	batch, frames := shape.Clips, min(shape.Frames, k.Latents.T)
	r := rand.New(rand.NewPCG(k.Seed, uint64(step)))
	n := frames * k.Latents.frameLen()
	b := Noisy{
		Latents:  make([]float32, batch*n),
		Velocity: make([]float32, batch*n),
		Weight:   make([]float32, batch*n/k.Latents.C),
		Times:    make([]float32, batch),
		Prompts:  make([]video.Prompt, batch),
		T:        frames,
	}
	for range k.Model.Config.Slots {
		b.Labels = append(b.Labels, make([]int32, batch))
	}
	clean := make([]float32, k.Latents.T*k.Latents.frameLen())
	noise := make([]float32, n)
	first := k.position(step)
	for i := range batch {
		spec, err := k.Latents.Read(clean, first+uint64(i))
		if err != nil {
			return Noisy{}, err
		}
		if err := k.caption(&b, i, spec, r); err != nil {
			return Noisy{}, err
		}
		places := n / k.Latents.C
		k.weigh(b.Weight[i*places:(i+1)*places], spec)
		b.Times[i] = video.SampleTimestep(r, k.Model.Config.TimestepShift)
		video.Noise(r, noise)
		video.Mix(b.Latents[i*n:(i+1)*n], b.Velocity[i*n:(i+1)*n], clean[:n], noise, b.Times[i])
	}
	return b, nil
}

// backward is the arithmetic of a step in forward passes: the gradients of
// inputs and of weights cost one more each.
const backward = 3

// weigh sets the weight of each place of a clip's latents, [T, H, W]: more
// where the thing is in one of the frames that the latent frame stands for.
func (k *TransformerTask) weigh(dst []float32, s world.Spec) {
	h, w := k.Latents.H, k.Latents.W
	boxes := s.Boxes()
	for t := range len(dst) / (h * w) {
		box := boxes[t*video.TimeStride]
		for f := max(0, (t-1)*video.TimeStride+1); f < t*video.TimeStride; f++ {
			box = box.Union(boxes[f])
		}
		for y := range h {
			for x := range w {
				dst[(t*h+y)*w+x] = 1
				if covers(box, x, y, w, h) {
					dst[(t*h+y)*w+x] = thingWeight
				}
			}
		}
	}
}

// Work counts the frames of a batch and its arithmetic.
func (k *TransformerTask) Work(b Noisy) train.Work {
	patch := k.Model.Config.Patch
	clips, tokens := float64(len(b.Times)), b.T*(k.Latents.H/patch)*(k.Latents.W/patch)
	frames := 1 + (b.T-1)*video.TimeStride
	return train.Work{Items: clips * float64(frames), Unit: "frames", FLOPs: backward * clips * k.Model.FLOPs(float64(tokens))}
}

// caption draws the prompt of a clip and labels what it says.
func (k *TransformerTask) caption(b *Noisy, i int, spec world.Spec, r *rand.Rand) error {
	lang := world.Lang(r.IntN(2))
	text, said := spec.CaptionSlots(lang, r)
	if r.Float64() < captionDrop {
		text, said = "", world.Said{}
	}
	p, err := video.Tokenize(text, k.Model.Config.Text.Rows)
	if err != nil {
		return err
	}
	b.Prompts[i] = p
	for s := range b.Labels {
		if said[s] {
			b.Labels[s][i] = 1 + int32(spec.Slot(s))
		}
	}
	return nil
}

// Loss predicts the velocity and what the prompts say.
func (k *TransformerTask) Loss(t *grad.Tape, _ int, b Noisy) (*grad.Var, []train.Metric, error) {
	batch := len(b.Times)
	x := t.Const(b.Latents, batch, b.T, k.Latents.H, k.Latents.W, k.Latents.C)
	text := k.Model.Text.Forward(t, b.Prompts)
	v := k.Model.Forward(t, x, b.Times, text)
	flow := nn.MSE(t, nn.Reshape(t, v, len(b.Weight), k.Latents.C), b.Velocity, b.Weight)
	var plain *grad.Var
	t.NoGrad(func() { plain = nn.MSE(t, v, b.Velocity, nil) })
	var slots *grad.Var
	for s, logits := range text.Slots {
		ce := nn.CrossEntropy(t, logits, b.Labels[s])
		if slots == nil {
			slots = ce
		} else {
			slots = nn.Add(t, slots, ce)
		}
	}
	loss := nn.Add(t, flow, nn.Scale(t, slots, slotWeight))
	name := "video"
	switch {
	case b.T == 1:
		name = "image"
	case b.T < k.Latents.T:
		name = "short"
	}
	return loss, []train.Metric{
		{Name: name, Value: float64(plain.X[0])},
		{Name: "slots", Value: float64(slots.X[0])},
	}, nil
}
