package clip

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"kuai/format/atomicfile"
	"kuai/format/safetensors"
	"kuai/nn"
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
	// Init, unless empty, is a model's directory whose weights new trainings
	// begin from.
	Init string
	View io.Writer
}

// Directories of the stages.
const (
	TokenizerDir   = "tokenizer"
	LatentsDir     = "latents"
	TransformerDir = "transformer"
	DecoderDir     = "decoder"
)

// averaging is the decay of the averaged weights, which are the ones used.
const averaging = 0.999

// initial returns the weight file that a stage begins from.
func (o Options) initial(stage string) string {
	if o.Init == "" {
		return ""
	}
	return filepath.Join(o.Init, stage, "model.safetensors")
}

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
		Pool:   o.Pool, Every: o.Every, View: o.View, Init: o.initial(TokenizerDir),
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

// TrainDecoder trains the decoder of a trained tokenizer on, or goes on with
// it: latents that are stored, and a transformer that has learned to make them,
// stay as they are.
func TrainDecoder(ctx context.Context, o Options) (train.Result, error) {
	r := o.Recipe
	tok, err := LoadTokenizer(o)
	if err != nil {
		return train.Result{}, err
	}
	task := &TokenizerTask{
		Model: tok, World: o.World, Seed: o.Seed + 1, Size: r.Size, DecoderOnly: true,
		Clips: r.TokenizerClips, Frames: r.TokenizerFrames, Images: r.TokenizerImages, LatentNoise: r.LatentNoise,
	}
	return train.Run(ctx, train.Config{
		Dir: filepath.Join(o.Dir, DecoderDir), Steps: r.DecoderSteps, Rate: r.DecoderRate,
		Warmup: 30, Decay: r.DecoderSteps / 2, Clip: 1, EMA: averaging, Muon: true, BF16: true,
		Except: []string{"conv_out.weight"}, Pool: o.Pool, Every: o.Every, View: o.View,
	}, task)
}

// loadDecoder puts the averaged decoder of the newest checkpoint into a
// tokenizer, if there is one.
func loadDecoder(o Options, tok *video.Tokenizer) error {
	all := train.Checkpoints(filepath.Join(o.Dir, DecoderDir))
	if len(all) == 0 {
		return nil
	}
	f, err := safetensors.Read(filepath.Join(all[0], train.EMAFile))
	if err != nil {
		return err
	}
	return nn.Load(&tok.Decoder, f)
}

// TrainTransformer trains the transformer on the stored latents, or goes on
// with it.
func TrainTransformer(ctx context.Context, o Options) (train.Result, error) {
	r := o.Recipe
	tok, err := LoadTokenizer(o)
	if err != nil {
		return train.Result{}, err
	}
	latents, err := OpenLatents(filepath.Join(o.Dir, LatentsDir), tok, o.Seed)
	if err != nil {
		return train.Result{}, err
	}
	defer latents.Close()
	task := &TransformerTask{
		Model:   video.NewTransformer(rand.New(rand.NewPCG(o.Seed, 2)), Complete(r.Transformer)),
		Latents: latents, Seed: o.Seed,
		Images: r.TransformerImages, ImageSteps: r.TransformerImageSteps, Cycle: r.TransformerCycle,
	}
	return train.Run(ctx, train.Config{
		Dir: filepath.Join(o.Dir, TransformerDir), Steps: r.TransformerSteps, Rate: r.TransformerRate,
		Warmup: 100, Decay: r.TransformerSteps / 4, Clip: 1, EMA: averaging, Muon: true, BF16: true,
		Except: []string{"patch_out.weight", "text.embed.weight", "text.position.weight"},
		Pool:   o.Pool, Every: o.Every, View: o.View, Init: o.initial(TransformerDir),
	}, task)
}

// Complete fills in what the world decides of a transformer's configuration:
// the slots, the length of clips and the known words.
func Complete(c video.TransformerConfig) video.TransformerConfig {
	c.Slots = nil
	for i, name := range world.SlotNames {
		en, zh := world.SlotValues(i)
		c.Slots = append(c.Slots, video.SlotConfig{Kind: name, En: en, Zh: zh})
	}
	c.Frames, c.FPS = world.Frames, world.FPS
	c.Words = vocabulary()
	return c
}

// vocabulary lists the words of the captions, by drawing very many of them.
func vocabulary() []string {
	const captions = 50_000
	seen := map[string]bool{}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range uint64(captions) {
		s := world.Sample(world.Train, 1, i)
		p, err := video.Tokenize(s.Caption(world.Lang(i%2), r), 2)
		if err != nil {
			continue // no caption is too long
		}
		for _, w := range p.Words {
			seen[w] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Export writes the model of a training for use: averaged weights in bfloat16
// with their configurations, in the layout that video.Open reads.
func Export(o Options, to string) error {
	tok, err := LoadTokenizer(o)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(o.Dir, LatentsDir, statisticsFile))
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	c := o.Recipe.Tokenizer
	var stats statistics
	if err := json.Unmarshal(data, &stats); err != nil {
		return fmt.Errorf("train: %s: %w", statisticsFile, err)
	}
	c.LatentMean, c.LatentStd = stats.Mean, stats.Std
	if err := loadDecoder(o, tok); err != nil {
		return err
	}
	if err := exportPart(filepath.Join(to, "tokenizer"), c, tok); err != nil {
		return err
	}
	all := train.Checkpoints(filepath.Join(o.Dir, TransformerDir))
	if len(all) == 0 {
		return fmt.Errorf("train: no checkpoint of the transformer in %s: train it first", o.Dir)
	}
	f, err := safetensors.Read(filepath.Join(all[0], train.EMAFile))
	if err != nil {
		return err
	}
	tc := Complete(o.Recipe.Transformer)
	latents, err := OpenLatents(filepath.Join(o.Dir, LatentsDir), tok, o.Seed)
	if err != nil {
		return err
	}
	defer latents.Close()
	tc.TrainClips = latents.Len()
	tr := video.NewTransformer(rand.New(rand.NewPCG(0, 0)), tc)
	if err := nn.Load(tr, f); err != nil {
		return err
	}
	return exportPart(filepath.Join(to, "transformer"), tc, tr)
}

func exportPart(dir string, config, module any) error {
	if err := writeJSON(filepath.Join(dir, "config.json"), config); err != nil {
		return err
	}
	return nn.Save(filepath.Join(dir, "model.safetensors"), module, safetensors.BF16, map[string]string{"format": "kuai"})
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
	return atomicfile.WriteBytes(path, append(data, '\n'))
}
