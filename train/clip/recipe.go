package clip

import "kuai/video"

// Recipe is everything that decides a training of the video model but the
// data: the shapes of both networks and how long each stage lasts.
type Recipe struct {
	Size        int // pixels on a side
	Tokenizer   video.TokenizerConfig
	Transformer video.TransformerConfig

	TokenizerSteps, TokenizerImageSteps     int
	TokenizerClips, TokenizerFrames         int
	TokenizerImages                         int
	TokenizerRate                           float64
	LatentNoise                             float32
	DecoderSteps                            int
	DecoderRate                             float64
	LatentClips                             int // encoded for the transformer
	TransformerSteps, TransformerImageSteps int
	TransformerImages                       Shape   // of the image stage
	TransformerCycle                        []Shape // of the steps after it, by turns
	TransformerRate                         float64
}

// Shape is the clips of a step and the latent frames that it sees of each,
// from the first: one is an image.
type Shape struct{ Clips, Frames int }

// Stickers returns the recipe of the built-in model for clips of size x size
// pixels: about 4 million weights in the tokenizer and 12 million in the
// transformer.
func Stickers(size int) Recipe {
	return Recipe{
		Size: size,
		Tokenizer: video.TokenizerConfig{
			ModelType:      video.TokenizerType,
			LatentChannels: 16,
			EncoderWidths:  [3]int{48, 128, 192},
			EncoderBlocks:  [3]int{1, 1, 2},
			DecoderWidths:  [3]int{64, 160, 256},
			DecoderBlocks:  [3]int{2, 1, 2},
			PixelChannels:  16,
		},
		TokenizerSteps:      6000,
		TokenizerImageSteps: 1500,
		TokenizerClips:      8,
		TokenizerFrames:     9,
		TokenizerImages:     16,
		TokenizerRate:       2e-3,
		LatentNoise:         0.1,
		DecoderSteps:        1500,
		DecoderRate:         1e-3,
		LatentClips:         40_000,
		Transformer: video.TransformerConfig{
			ModelType:      video.TransformerType,
			LatentChannels: 16,
			Patch:          1,
			Width:          256,
			Layers:         8,
			Heads:          8,
			FFNWidth:       640,
			Text:           video.TextConfig{Rows: 8192, Width: 256, Layers: 3, Heads: 8},
			Size:           size,
			TimestepShift:  2,
		},
		TransformerSteps:      20_000,
		TransformerImageSteps: 4000,
		TransformerImages:     Shape{Clips: 96, Frames: 1},
		TransformerCycle:      []Shape{{16, 7}, {32, 3}, {16, 7}, {96, 1}},
		TransformerRate:       2e-3,
	}
}
