package clip

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"kuai/format/safetensors"
	"kuai/par"
	"kuai/train"
	"kuai/video"
	"kuai/world"
)

// Options say where and how a recipe is carried out.
type Options struct {
	Dir    string // of the whole training; each stage has a directory in it
	Recipe Recipe
	World  *world.World
	Pool   *par.Pool
	Seed   uint64
	Every  time.Duration // between checkpoints
	View   io.Writer
}

// Directories of the stages.
const (
	TokenizerDir   = "tokenizer"
	LatentsDir     = "latents"
	TransformerDir = "transformer"
)

// averaging is the decay of the averaged weights, which are the ones used.
const averaging = 0.999

// TrainTokenizer trains the tokenizer, or goes on with it.
func TrainTokenizer(ctx context.Context, o Options) (train.Result, error) {
	r := o.Recipe
	task := &TokenizerTask{
		Model: video.NewTokenizer(rand.New(rand.NewPCG(o.Seed, 1)), r.Tokenizer),
		World: o.World, Seed: o.Seed, Size: r.Size,
		Clips: r.TokenizerClips, Frames: r.TokenizerFrames,
		Images: r.TokenizerImages, ImageSteps: r.TokenizerImageSteps,
		LatentNoise: r.LatentNoise,
	}
	return train.Run(ctx, train.Config{
		Dir: filepath.Join(o.Dir, TokenizerDir), Steps: r.TokenizerSteps, Rate: r.TokenizerRate,
		Warmup: 50, Decay: r.TokenizerSteps / 4, Clip: 1, EMA: averaging, Muon: true, BF16: true,
		Except: []string{"encoder.conv_out.weight", "decoder.conv_out.weight"},
		Pool:   o.Pool, Every: o.Every, View: o.View,
	}, task)
}

// LoadTokenizer returns the averaged tokenizer of the newest checkpoint.
func LoadTokenizer(o Options) (*video.Tokenizer, error) {
	dir := filepath.Join(o.Dir, TokenizerDir)
	all := train.Checkpoints(dir)
	if len(all) == 0 {
		return nil, fmt.Errorf("train: no checkpoint of the tokenizer in %s: train it first", dir)
	}
	f, err := safetensors.Read(filepath.Join(all[0], train.EMAFile))
	if err != nil {
		return nil, err
	}
	tok := video.NewTokenizer(rand.New(rand.NewPCG(0, 0)), o.Recipe.Tokenizer)
	return tok, tok.Load(f)
}

// writeJSON writes a configuration beside weights.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return safetensors.WriteFile(path, append(data, '\n'))
}
