package video

import (
	"kuai/nn"
)

// FLOPs is the arithmetic of a request: two for each multiply-add of matrix
// products and convolutions, which is nearly all there is.
func (m *Model) FLOPs(req Request) (sample, decode float64, err error) {
	req, err = m.complete(req)
	if err != nil {
		return 0, 0, err
	}
	frames := 1 + (req.Frames-1)/TimeStride
	side := req.Size / SpaceStride
	across := side / m.transformer.Config.Patch
	tokens := float64(frames * across * across)
	passes := 0.0
	ts := timesteps(req.Steps, m.transformer.Config.TimestepShift)
	for i := range req.Steps {
		passes++
		if guided(req.Guidance, ts[i]) {
			passes++
		}
	}
	return passes * m.transformer.FLOPs(tokens), m.tokenizer.Decoder.FLOPs(float64(frames * side * side)), nil
}

// FLOPs is the arithmetic of one pass over the tokens of a clip; the words are
// few beside them.
func (m *Transformer) FLOPs(tokens float64) float64 {
	d := float64(m.Config.Width)
	total := float64(m.PatchIn.W.Len()+m.PatchOut.W.Len()) * tokens
	for _, b := range m.Blocks {
		for _, l := range []*nn.Linear{b.QKV, b.Out, b.CrossQ, b.CrossOut, b.Up, b.Down} {
			total += float64(l.W.Len()) * tokens
		}
		total += float64(b.Space.W.Len()+b.Time.W.Len()) * tokens
		if b.softmax {
			total += 2 * tokens * tokens * d
		} else {
			total += 2 * tokens * d * d / float64(m.Config.Heads)
		}
	}
	return 2 * total
}

// Positions of the tokenizer's levels for each latent position.
const (
	midPositions   = 2
	finePositions  = TimeStride * SpaceStride * SpaceStride / (unshuffle * unshuffle)
	pixelPositions = TimeStride * SpaceStride * SpaceStride
)

// blockWeights counts the weights of residual blocks.
func blockWeights(blocks []*resBlock) float64 {
	n := 0
	for _, b := range blocks {
		n += b.Conv1.W.Len() + b.Conv2.W.Len()
	}
	return float64(n)
}

// FLOPs is the arithmetic of encoding frames to a number of latent positions.
func (e *Encoder) FLOPs(positions float64) float64 {
	total := finePositions*(float64(e.In.W.Len())+blockWeights(e.Fine)) +
		midPositions*(float64(e.Down1.W.Len())+blockWeights(e.Mid)) +
		float64(e.Down2.W.Len()+e.Out.W.Len()) + blockWeights(e.Deep)
	return 2 * total * positions
}

// FLOPs is the arithmetic of decoding a number of latent positions.
func (d *Decoder) FLOPs(positions float64) float64 {
	total := float64(d.In.W.Len()+d.Up2.W.Len()) + blockWeights(d.Deep) +
		midPositions*(blockWeights(d.Mid)+float64(d.Up1.W.Len())) +
		finePositions*(blockWeights(d.Fine)+float64(d.Up0.W.Len())) +
		pixelPositions*float64(d.Pix.W.Len()+d.Out.W.Len())
	return 2 * total * positions
}
