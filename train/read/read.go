package read

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"kuai/format/safetensors"
	"kuai/nn"
	"kuai/par"
	"kuai/reader"
	"kuai/train"
	"kuai/train/talk"
)

// Options say what is trained, on what, and where it is kept.
type Options struct {
	Dir     string
	Corpora []*talk.Corpus
	Steps   int
	Turns   int // of a step
	Lines   int // of the corpora in a step, whose hidden words are guessed
	Rate    float64
	Dropout float64 // share of values, see reader.Drop
	Pool    *par.Pool
	Seed    uint64
	Every   time.Duration
	Init    string // directory of a training, whose newest checkpoint a new one begins from, or of a reader
	View    io.Writer
}

// averaging is the decay of the averaged weights, which are the ones used.
const averaging = 0.998

func module(seed uint64) (*Module, error) {
	m, err := reader.New(reader.Default(), seed)
	if err != nil {
		return nil, err
	}
	return &Module{Reader: m, Guess: nn.NewLinear(rand.New(rand.NewPCG(seed, 0x6E55)), m.Config.Width, guesses, false)}, nil
}

// Train trains, or goes on.
func Train(ctx context.Context, o Options) (train.Result, error) {
	m, err := module(o.Seed)
	if err != nil {
		return train.Result{}, err
	}
	from := ""
	if o.Init != "" {
		if all := train.Checkpoints(o.Init); len(all) > 0 {
			from = filepath.Join(all[0], train.EMAFile)
		} else if m.Reader, err = begin(o.Init, o.Seed); err != nil {
			return train.Result{}, err
		}
	}
	return train.Run(ctx, train.Config{
		Dir: o.Dir, Steps: o.Steps, Rate: o.Rate, Warmup: min(200, o.Steps/10), Decay: o.Steps / 2,
		Weight: 0.05, Clip: 1, EMA: averaging, Muon: true, Except: []string{"guess.weight"}, BF16: true, Every: o.Every, Init: from, Pool: o.Pool, View: o.View,
	}, &Task{Net: m, Corpora: o.Corpora, Turns: o.Turns, Lines: o.Lines, Dropout: float32(o.Dropout), Seed: o.Seed, small: smallWords(o.Corpora)})
}

// begin opens the reader that a training begins from, where that is no
// training's directory, and gives it what readers have that are made now.
func begin(dir string, seed uint64) (*reader.Model, error) {
	m, err := reader.Open(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("read: %s is the directory neither of a training nor of a reader: %w", dir, err)
	}
	if m, err = m.Grown(reader.Default(), seed); err != nil {
		return nil, fmt.Errorf("read: %s: %w", dir, err)
	}
	return m, nil
}

// Export writes the averaged weights of the newest checkpoint as a reader's
// directory.
func Export(dir, to string) error {
	all := train.Checkpoints(dir)
	if len(all) == 0 {
		return fmt.Errorf("read: no checkpoint in %s", dir)
	}
	m, err := module(0)
	if err != nil {
		return err
	}
	f, err := safetensors.Read(filepath.Join(all[0], train.EMAFile))
	if err != nil {
		return err
	}
	if err := nn.Load(m, f); err != nil {
		return err
	}
	return save(to, m.Reader)
}

// Average writes the mean of the weights of readers, by their directories, as a
// reader's directory.
func Average(dirs []string, to string) error {
	models := make([]*reader.Model, len(dirs))
	for i, dir := range dirs {
		var err error
		if models[i], err = reader.Open(os.DirFS(dir)); err != nil {
			return fmt.Errorf("read: %s: %w", dir, err)
		}
	}
	m, err := reader.Average(models...)
	if err != nil {
		return err
	}
	return save(to, m)
}

func save(to string, m *reader.Model) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return reader.Save(to, m)
}
