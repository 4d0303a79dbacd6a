package video

import (
	"math/rand/v2"

	"kuai/format/safetensors"
	"kuai/grad"
	"kuai/nn"
)

const (
	// TimeStride is how many frames share one latent frame. The first frame
	// has a latent frame of its own, so a clip of F = 1 + 4n frames has
	// T = 1 + n latent frames and an image is a video of one frame.
	TimeStride = 4
	// SpaceStride is how many pixels share one latent position on each axis.
	SpaceStride = 8

	unshuffle = 4 // pixels folded into channels before the first convolution
)

// TokenizerConfig is the shape of a tokenizer, stored as config.json beside
// its weights.
type TokenizerConfig struct {
	ModelType      string `json:"model_type"` // TokenizerType
	LatentChannels int    `json:"latent_channels"`
	// Widths and Blocks of the three levels, from the pixels inwards:
	// 1/4 of the size, 1/8 with half the frames, 1/8 with a quarter of them.
	EncoderWidths [3]int `json:"encoder_widths"`
	EncoderBlocks [3]int `json:"encoder_blocks"`
	DecoderWidths [3]int `json:"decoder_widths"`
	DecoderBlocks [3]int `json:"decoder_blocks"`
	PixelChannels int    `json:"pixel_channels"` // at full size, in the decoder's last convolutions
	// LatentMean and LatentStd normalise each channel for the transformer;
	// the trainer measures them when it encodes the data.
	LatentMean []float32 `json:"latent_mean,omitempty"`
	LatentStd  []float32 `json:"latent_std,omitempty"`
}

// TokenizerType is the model_type of a tokenizer's config.json.
const TokenizerType = "kuai_video_tokenizer"

// Validate says what is wrong with a configuration read from a file.
func (c TokenizerConfig) Validate() error {
	const maxWidth, maxBlocks = 2048, 64
	if c.ModelType != TokenizerType {
		return configError("model_type", c.ModelType, TokenizerType)
	}
	for name, v := range map[string]int{"latent_channels": c.LatentChannels, "pixel_channels": c.PixelChannels} {
		if v < 1 || v > maxWidth {
			return rangeError(name, v, 1, maxWidth)
		}
	}
	for i := range 3 {
		for name, v := range map[string]int{"encoder_widths": c.EncoderWidths[i], "decoder_widths": c.DecoderWidths[i]} {
			if v < 1 || v > maxWidth {
				return rangeError(name, v, 1, maxWidth)
			}
		}
		for name, v := range map[string]int{"encoder_blocks": c.EncoderBlocks[i], "decoder_blocks": c.DecoderBlocks[i]} {
			if v < 0 || v > maxBlocks {
				return rangeError(name, v, 0, maxBlocks)
			}
		}
	}
	for name, v := range map[string][]float32{"latent_mean": c.LatentMean, "latent_std": c.LatentStd} {
		if len(v) != 0 && len(v) != c.LatentChannels {
			return rangeError("length of "+name, len(v), c.LatentChannels, c.LatentChannels)
		}
	}
	return nil
}

// Tokenizer is a causal autoencoder of clips: 8x8 pixels and 4 frames become
// one position of LatentChannels numbers. It looks only backwards in time and
// normalises each position alone, so that a clip decoded a latent frame at a
// time equals the clip decoded whole.
//
// Sources: the causal layout of Wan2.1's VAE (arXiv:2503.20314), the cheap
// two-frame convolutions of TAEHV, latents bounded by RMS normalisation in
// place of a KL term.
type Tokenizer struct {
	Config  TokenizerConfig
	Encoder Encoder `name:"encoder"`
	Decoder Decoder `name:"decoder"`
}

// NewTokenizer returns a tokenizer with fresh weights.
func NewTokenizer(r *rand.Rand, c TokenizerConfig) *Tokenizer {
	return &Tokenizer{Config: c, Encoder: newEncoder(r, c), Decoder: newDecoder(r, c)}
}

// Encoder turns frames into latents.
type Encoder struct {
	In    *nn.CausalConv3D `name:"conv_in"`
	Fine  []*resBlock      `name:"fine"`
	Down1 *nn.Linear       `name:"down1"`
	Mid   []*resBlock      `name:"mid"`
	Down2 *nn.Linear       `name:"down2"`
	Deep  []*resBlock      `name:"deep"`
	Norm  *nn.RMSNorm      `name:"norm_out"`
	Out   *nn.Linear       `name:"conv_out"`

	latent *nn.RMSNorm // bounds the latents; has no weights
}

func newEncoder(r *rand.Rand, c TokenizerConfig) Encoder {
	w := c.EncoderWidths
	return Encoder{
		In:     nn.NewCausalConv3D(r, 3*unshuffle*unshuffle, w[0], 1, 3, 3),
		Fine:   newBlocks(r, c.EncoderBlocks[0], w[0], 1),
		Down1:  nn.NewLinear(r, 8*w[0], w[1], true),
		Mid:    newBlocks(r, c.EncoderBlocks[1], w[1], 2),
		Down2:  nn.NewLinear(r, 2*w[1], w[2], true),
		Deep:   newBlocks(r, c.EncoderBlocks[2], w[2], 2),
		Norm:   nn.NewRMSNorm(w[2]),
		Out:    nn.NewLinear(r, w[2], c.LatentChannels, true),
		latent: nn.NewRMSNorm(0),
	}
}

// Forward encodes x [B, 4T, H, W, 3], whose first four frames are copies of
// the clip's first frame (see [PadFirst]), into latents [B, T, H/8, W/8, C]
// with a root mean square of 1 at each position.
func (e *Encoder) Forward(t *grad.Tape, x *grad.Var) *grad.Var {
	x = nn.Unshuffle(t, x, 1, unshuffle)             // [B, 4T, H/4, W/4, 48]
	x = e.In.Forward(t, x)                           //
	x = forwardBlocks(t, e.Fine, x, nil)             //
	x = e.Down1.Forward(t, nn.Unshuffle(t, x, 2, 2)) // [B, 2T, H/8, W/8, ·]
	x = forwardBlocks(t, e.Mid, x, nil)              //
	x = e.Down2.Forward(t, nn.Unshuffle(t, x, 2, 1)) // [B, T, H/8, W/8, ·]
	x = forwardBlocks(t, e.Deep, x, nil)             //
	x = nn.SiLU(t, e.Norm.Forward(t, x))             //
	return e.latent.Forward(t, e.Out.Forward(t, x))  // [B, T, H/8, W/8, C]
}

// Decoder turns latents into frames.
type Decoder struct {
	In   *nn.CausalConv3D `name:"conv_in"`
	Deep []*resBlock      `name:"deep"`
	Up2  *nn.Linear       `name:"up2"`
	Mid  []*resBlock      `name:"mid"`
	Up1  *nn.Linear       `name:"up1"`
	Fine []*resBlock      `name:"fine"`
	Norm *nn.RMSNorm      `name:"norm_out"`
	Up0  *nn.Linear       `name:"up0"`
	Pix  *nn.CausalConv3D `name:"conv_pixel"`
	Out  *nn.CausalConv3D `name:"conv_out"`
}

func newDecoder(r *rand.Rand, c TokenizerConfig) Decoder {
	w := c.DecoderWidths
	return Decoder{
		In:   nn.NewCausalConv3D(r, c.LatentChannels, w[2], 2, 3, 3),
		Deep: newBlocks(r, c.DecoderBlocks[2], w[2], 2),
		Up2:  nn.NewLinear(r, w[2], 2*w[1], true),
		Mid:  newBlocks(r, c.DecoderBlocks[1], w[1], 2),
		Up1:  nn.NewLinear(r, w[1], 8*w[0], true),
		Fine: newBlocks(r, c.DecoderBlocks[0], w[0], 1),
		Norm: nn.NewRMSNorm(w[0]),
		Up0:  nn.NewLinear(r, w[0], unshuffle*unshuffle*c.PixelChannels, true),
		Pix:  nn.NewCausalConv3D(r, c.PixelChannels, c.PixelChannels, 1, 3, 3),
		Out:  nn.NewCausalConv3D(r, c.PixelChannels, 3, 1, 3, 3),
	}
}

// Forward decodes latents z [B, T, H/8, W/8, C] to frames [B, 4T, H, W, 3].
// The first four frames all stand for the clip's first: keep the last of them.
// With a cache, z continues the latents of the calls before.
func (d *Decoder) Forward(t *grad.Tape, z *grad.Var, cache *DecoderCache) *grad.Var {
	next := cache.begin()
	x := stream(t, d.In, z, next)                          // [B, T, H/8, W/8, ·]
	x = forwardBlocks(t, d.Deep, x, next)                  //
	x = nn.Shuffle(t, d.Up2.Forward(t, x), 2, 1)           // [B, 2T, H/8, W/8, ·]
	x = forwardBlocks(t, d.Mid, x, next)                   //
	x = nn.Shuffle(t, d.Up1.Forward(t, x), 2, 2)           // [B, 4T, H/4, W/4, ·]
	x = forwardBlocks(t, d.Fine, x, next)                  //
	x = d.Up0.Forward(t, nn.SiLU(t, d.Norm.Forward(t, x))) //
	x = nn.SiLU(t, nn.Shuffle(t, x, 1, unshuffle))         // [B, 4T, H, W, ·]
	x = nn.SiLU(t, nn.Add(t, x, d.Pix.Forward(t, x)))      //
	return d.Out.Forward(t, x)                             // [B, 4T, H, W, 3]
}

// DecoderCache holds what each two-frame convolution remembers of the frames
// before, so that latents can be decoded as they come. The zero value begins
// a clip.
type DecoderCache struct {
	conv []*nn.ConvCache
	at   int
}

// begin starts a pass through the layers; it returns nil for a nil cache.
func (c *DecoderCache) begin() *DecoderCache {
	if c != nil {
		c.at = 0
	}
	return c
}

// next returns the cache of the layer at hand.
func (c *DecoderCache) next() *nn.ConvCache {
	if c.at == len(c.conv) {
		c.conv = append(c.conv, &nn.ConvCache{})
	}
	c.at++
	return c.conv[c.at-1]
}

// stream runs a convolution, with the cache's past where there is a cache.
func stream(t *grad.Tape, conv *nn.CausalConv3D, x *grad.Var, cache *DecoderCache) *grad.Var {
	if cache == nil {
		return conv.Forward(t, x)
	}
	return conv.Stream(t, x, cache.next())
}

// resBlock is a pre-normalised residual pair of convolutions; the first looks
// back kt-1 frames.
type resBlock struct {
	Norm1 *nn.RMSNorm      `name:"norm1"`
	Conv1 *nn.CausalConv3D `name:"conv1"`
	Norm2 *nn.RMSNorm      `name:"norm2"`
	Conv2 *nn.CausalConv3D `name:"conv2"`
}

func newBlocks(r *rand.Rand, n, width, kt int) []*resBlock {
	blocks := make([]*resBlock, n)
	for i := range blocks {
		b := &resBlock{
			Norm1: nn.NewRMSNorm(width),
			Conv1: nn.NewCausalConv3D(r, width, width, kt, 3, 3),
			Norm2: nn.NewRMSNorm(width),
			Conv2: nn.NewCausalConv3D(r, width, width, 1, 3, 3),
		}
		clear(b.Conv2.W.X) // each block begins as the identity
		blocks[i] = b
	}
	return blocks
}

func forwardBlocks(t *grad.Tape, blocks []*resBlock, x *grad.Var, cache *DecoderCache) *grad.Var {
	for _, b := range blocks {
		h := stream(t, b.Conv1, nn.SiLU(t, b.Norm1.Forward(t, x)), cache)
		h = stream(t, b.Conv2, nn.SiLU(t, b.Norm2.Forward(t, h)), cache)
		x = nn.Add(t, x, h)
	}
	return x
}

// PadFirst returns the frames of a clip, RGB bytes [F, H, W, 3] with F = 1+4n,
// as the tokenizer's input: values in [-1, 1], the first frame four times,
// 4(n+1) frames in all. dst has room for them.
func PadFirst(dst []float32, frames []byte, frameSize int) {
	for i := range TimeStride - 1 {
		bytesToUnit(dst[i*frameSize:(i+1)*frameSize], frames[:frameSize])
	}
	bytesToUnit(dst[(TimeStride-1)*frameSize:], frames)
}

// unitTable maps a byte to [-1, 1].
var unitTable = func() (t [256]float32) {
	for i := range t {
		t[i] = float32(i)/127.5 - 1
	}
	return t
}()

func bytesToUnit(dst []float32, src []byte) {
	for i, b := range src {
		dst[i] = unitTable[b]
	}
}

// unitToBytes rounds values in [-1, 1] to bytes, clamping what lies outside.
func unitToBytes(dst []byte, src []float32) {
	for i, v := range src {
		dst[i] = byte(min(max(v*127.5+128, 0), 255))
	}
}

// Load copies the weights of a file into the tokenizer.
func (tok *Tokenizer) Load(f *safetensors.File) error { return nn.Load(tok, f) }
