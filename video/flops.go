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
	return passes * m.transformer.flops(tokens), m.tokenizer.Decoder.flops(float64(frames * side * side)), nil
}

// flops of one pass over a number of tokens; the words are few beside them.
func (m *Transformer) flops(tokens float64) float64 {
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

// flops of decoding a number of latent positions.
func (d *Decoder) flops(positions float64) float64 {
	const mid, fine, pixel = 2, 4 * 4, 4 * SpaceStride * SpaceStride // positions of the levels
	weights := func(blocks []*resBlock) float64 {
		n := 0
		for _, b := range blocks {
			n += b.Conv1.W.Len() + b.Conv2.W.Len()
		}
		return float64(n)
	}
	total := float64(d.In.W.Len()+d.Up2.W.Len()) + weights(d.Deep) +
		mid*(weights(d.Mid)+float64(d.Up1.W.Len())) +
		fine*(weights(d.Fine)+float64(d.Up0.W.Len())) +
		pixel*float64(d.Pix.W.Len()+d.Out.W.Len())
	return 2 * total * positions
}
