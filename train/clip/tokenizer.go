// Package clip trains the video models on the sticker world: the tokenizer on
// fresh renders, the transformer on latents that were encoded beforehand.
package clip

import (
	"math"
	"math/rand/v2"

	"kuai/grad"
	"kuai/kernel/vec"
	"kuai/nn"
	"kuai/par"
	"kuai/train"
	"kuai/video"
	"kuai/world"
)

const (
	charbonnierEps = 0.02 // in units of pixels in [-1, 1]: below it errors count squared
	edgeWeight     = 0.5  // of the loss on differences between neighbouring pixels
)

// TokenizerTask trains a tokenizer on windows of freshly rendered clips.
type TokenizerTask struct {
	Model *video.Tokenizer
	World *world.World
	Pool  *par.Pool // renders; nil renders in the producer alone
	Seed  uint64
	Size  int
	// Clips a step, Frames (1 + 4n) of each. The first ImageSteps steps
	// see single frames, Images of them.
	Clips, Frames      int
	ImageSteps, Images int
	// LatentNoise is the largest deviation of the noise that the decoder
	// learns to ignore; each clip draws its own below it.
	LatentNoise float32
	// DecoderOnly leaves the encoder, and so all stored latents, as they are;
	// errors on the thing count several times.
	DecoderOnly bool
}

// Windows is one batch for the tokenizer.
type Windows struct {
	Pixels []float32 // [B, 4T, H, W, 3] in pixels, see video.PadFirst
	Noise  []float32 // [B, T, H/8, W/8, C]
	Thing  []float32 // as Pixels: what errors count; nil for 1 everywhere
	B, T   int
}

// Module returns what is trained.
func (k *TokenizerTask) Module() any {
	if k.DecoderOnly {
		return &k.Model.Decoder
	}
	return k.Model
}

// shape returns the clips and frames of a step.
func (k *TokenizerTask) shape(step int) (batch, frames int) {
	if step < k.ImageSteps {
		return k.Images, 1
	}
	return k.Clips, k.Frames
}

// Batch renders the batch of a step.
func (k *TokenizerTask) Batch(step int) (Windows, error) {
	batch, frames := k.shape(step)
	frameSize := k.Size * k.Size * 3
	t := 1 + (frames-1)/video.TimeStride
	w := Windows{Pixels: make([]float32, batch*t*video.TimeStride*frameSize), B: batch, T: t}
	r := rand.New(rand.NewPCG(k.Seed, uint64(step)))
	if k.DecoderOnly {
		w.Thing = make([]float32, len(w.Pixels))
	}
	first := make([]int, batch)
	for b := range first {
		first[b] = r.IntN(world.Frames - frames + 1)
	}
	k.Pool.Do(batch, func(b, _ int) {
		clip := make([]byte, world.Frames*frameSize)
		spec := world.Sample(world.Train, k.Seed, uint64(step)*uint64(max(k.Clips, k.Images))+uint64(b))
		k.World.Render(clip, spec, k.Size)
		clip = clip[first[b]*frameSize : (first[b]+frames)*frameSize]
		n := t * video.TimeStride * frameSize
		video.PadFirst(w.Pixels[b*n:(b+1)*n], clip, frameSize)
		if w.Thing != nil {
			boxes := spec.Boxes()
			k.weigh(w.Thing[b*n:(b+1)*n], boxes[first[b]:first[b]+frames])
		}
	})
	w.Noise = k.latentNoise(r, batch, t)
	return w, nil
}

// weigh sets what errors count in a window, padded as its pixels are.
func (k *TokenizerTask) weigh(dst []float32, boxes []world.Box) {
	frame := k.Size * k.Size * 3
	n := len(dst) / frame
	for f := range n {
		box := boxes[max(0, f-(n-len(boxes)))]
		for y := range k.Size {
			for x := range k.Size {
				weight := float32(1)
				if covers(box, x, y, k.Size, k.Size) {
					weight = thingWeight
				}
				vec.Fill(dst[f*frame+(y*k.Size+x)*3:][:3], weight)
			}
		}
	}
}

// covers says whether a box touches a place of a grid.
func covers(b world.Box, x, y, w, h int) bool {
	return float64(x+1) > b.X0*float64(w) && float64(x) < b.X1*float64(w) && float64(y+1) > b.Y0*float64(h) && float64(y) < b.Y1*float64(h)
}

// latentNoise draws each clip's noise with its own deviation.
func (k *TokenizerTask) latentNoise(r *rand.Rand, batch, t int) []float32 {
	side := k.Size / video.SpaceStride
	n := t * side * side * k.Model.Config.LatentChannels
	noise := make([]float32, batch*n)
	for b := range batch {
		sigma := r.Float32() * k.LatentNoise
		for i := range n {
			noise[b*n+i] = sigma * float32(r.NormFloat64())
		}
	}
	return noise
}

// Loss compares the decoded windows with the rendered ones.
func (k *TokenizerTask) Loss(t *grad.Tape, _ int, w Windows) (*grad.Var, []train.Metric, error) {
	side := k.Size / video.SpaceStride
	x := t.Const(w.Pixels, w.B, w.T*video.TimeStride, k.Size, k.Size, 3)
	var z *grad.Var
	if k.DecoderOnly {
		t.NoGrad(func() { z = k.Model.Encoder.Forward(t, x) })
	} else {
		z = k.Model.Encoder.Forward(t, x)
	}
	z = nn.Add(t, z, t.Const(w.Noise, w.B, w.T, side, side, k.Model.Config.LatentChannels))
	y := k.Model.Decoder.Forward(t, z, nil)

	pixel := k.pixelLoss(t, y, w)
	edge := nn.EdgeLoss(t, y, w.Pixels)
	loss := nn.Add(t, pixel, nn.Scale(t, edge, edgeWeight))
	return loss, []train.Metric{
		{Name: "pixel", Value: float64(pixel.X[0])},
		{Name: "psnr", Value: psnr(y.X, w.Pixels)},
	}, nil
}

// pixelLoss is the mean absolute error, weighed.
func (k *TokenizerTask) pixelLoss(t *grad.Tape, y *grad.Var, w Windows) *grad.Var {
	if w.Thing == nil {
		return nn.Charbonnier(t, y, w.Pixels, charbonnierEps)
	}
	target := make([]float32, len(w.Pixels))
	vec.Mul(target, w.Pixels, w.Thing)
	return nn.Charbonnier(t, nn.Mul(t, y, t.Const(w.Thing, y.Shape...)), target, charbonnierEps)
}

// Work counts the frames of a batch and its arithmetic.
func (k *TokenizerTask) Work(w Windows) train.Work {
	side := k.Size / video.SpaceStride
	positions := float64(w.B * w.T * side * side)
	encode, decode := k.Model.Encoder.FLOPs(positions), k.Model.Decoder.FLOPs(positions)
	flops := backward * (encode + decode)
	if k.DecoderOnly {
		flops = encode + backward*decode
	}
	return train.Work{Items: float64(w.B * (1 + (w.T-1)*video.TimeStride)), Unit: "frames", FLOPs: flops}
}

// psnr is the peak signal-to-noise ratio in dB of values in [-1, 1].
func psnr(a, b []float32) float64 {
	mse := float64(vec.SquaredError(a, b)) / float64(len(a))
	return 10 * math.Log10(4/max(mse, 1e-12))
}
