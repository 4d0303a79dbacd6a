package embed

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kuai/embedder"
	"kuai/format/safetensors"
	"kuai/nn"
	"kuai/par"
	"kuai/train"
	"kuai/train/talk"
)

// Options say what is trained, on what, and where it is kept.
type Options struct {
	Dir     string
	Corpora []*talk.Corpus
	Steps   int
	Pairs   int // of each source in a step
	Rate    float64
	Pool    *par.Pool
	Seed    uint64
	Init    fs.FS // a model that a new training begins from, or nil
	Alike   bool  // only ways to say the same, see Task
	Every   time.Duration
	View    io.Writer
}

// Train trains, or goes on.
func Train(ctx context.Context, o Options) (train.Result, error) {
	net := embedder.New(o.Seed)
	if o.Init != nil {
		var err error
		if net, err = embedder.Open(o.Init); err != nil {
			return train.Result{}, err
		}
	}
	return train.Run(ctx, train.Config{
		Dir: o.Dir, Steps: o.Steps, Rate: o.Rate, Warmup: min(50, o.Steps/10), Decay: o.Steps * 2 / 3,
		Clip: 1, Every: o.Every, Pool: o.Pool, View: o.View,
	}, &Task{Net: net, Corpora: o.Corpora, Pairs: o.Pairs, Seed: o.Seed, Alike: o.Alike})
}

// Export writes the weights of the newest checkpoint as an embedder's
// directory.
func Export(dir, to string) error {
	all := train.Checkpoints(dir)
	if len(all) == 0 {
		return fmt.Errorf("embed: no checkpoint in %s", dir)
	}
	f, err := safetensors.Read(filepath.Join(all[0], train.ModelFile))
	if err != nil {
		return err
	}
	m := embedder.New(0)
	if err := nn.Load(m, f); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("embed: %w", err)
	}
	return embedder.Save(to, m)
}
