package video

import (
	"math/rand/v2"
	"slices"
	"testing"

	"kuai/grad"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/nn"
)

// tinyTokenizer has every kind of layer and no zero weights.
func tinyTokenizer() *Tokenizer {
	r := rand.New(rand.NewPCG(1, 1))
	tok := NewTokenizer(r, TokenizerConfig{
		ModelType:      TokenizerType,
		LatentChannels: 4,
		EncoderWidths:  [3]int{8, 12, 16},
		EncoderBlocks:  [3]int{1, 1, 1},
		DecoderWidths:  [3]int{8, 12, 16},
		DecoderBlocks:  [3]int{1, 1, 2},
		PixelChannels:  4,
	})
	for _, p := range nn.Params(tok) {
		for i := range p.P.X {
			if p.P.X[i] == 0 {
				p.P.X[i] = 0.1 * float32(r.NormFloat64())
			}
		}
	}
	return tok
}

func newTape(t *testing.T) *grad.Tape {
	t.Helper()
	a := mem.NewArena(1 << 30)
	t.Cleanup(a.Close)
	return grad.New(nil, a, gemm.F32)
}

// TestDecodeStreamed checks that latents decoded in pieces give the frames of
// the whole.
func TestDecodeStreamed(t *testing.T) {
	t.Parallel()
	tok, tape := tinyTokenizer(), newTape(t)
	const frames, side, c = 4, 2, 4
	z := tape.New(1, frames, side, side, c)
	Noise(rand.New(rand.NewPCG(2, 2)), z.X)
	whole := tok.Decoder.Forward(tape, z, nil).X

	for _, piece := range []int{1, 2} {
		var cache DecoderCache
		var got []float32
		for i := 0; i < frames; i += piece {
			part := tape.Const(z.X[i*side*side*c:(i+piece)*side*side*c], 1, piece, side, side, c)
			got = append(got, tok.Decoder.Forward(tape, part, &cache).X...)
		}
		near.Check(t, "frames", got, whole, 1e-5)
	}
}

// TestFirstFrameAlone checks that an image is a video of one frame: what comes
// later changes neither its latent nor its pixels.
func TestFirstFrameAlone(t *testing.T) {
	t.Parallel()
	tok, tape := tinyTokenizer(), newTape(t)
	const side = 16
	r := rand.New(rand.NewPCG(3, 3))
	clip := make([]byte, 5*side*side*3)
	for i := range clip {
		clip[i] = byte(r.UintN(256))
	}
	encode := func(frames []byte) *grad.Var {
		n := len(frames)/(side*side*3) + TimeStride - 1
		x := tape.New(1, n, side, side, 3)
		PadFirst(x.X, frames, side*side*3)
		return tok.Encoder.Forward(tape, x)
	}
	one, two := encode(clip[:side*side*3]), encode(clip)
	near.Check(t, "latent", two.X[:one.Len()], one.X, 1e-5)
	pixels := tok.Decoder.Forward(tape, one, nil)
	near.Check(t, "pixels", tok.Decoder.Forward(tape, two, nil).X[:pixels.Len()], pixels.X, 1e-5)
}

func TestPadFirst(t *testing.T) {
	t.Parallel()
	got := make([]float32, 8)
	PadFirst(got, []byte{0, 255, 51, 102, 204}, 1)
	want := []float32{-1, -1, -1, -1, 1, -0.6, -0.2, 0.6}
	near.Check(t, "padded", got, want, 1e-6)
	back := make([]byte, 8)
	unitToBytes(back, got)
	if want := []byte{0, 0, 0, 0, 255, 51, 102, 204}; !slices.Equal(back, want) {
		t.Errorf("bytes %v, want %v", back, want)
	}
}
