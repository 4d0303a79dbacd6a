package talk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unicode"

	"kuai/format/atomicfile"
	"kuai/format/safetensors"
	"kuai/nn"
	"kuai/par"
	"kuai/text/checkpoint"
	"kuai/token"
	"kuai/train"
)

// Options say what is trained, on what, and where it is kept.
type Options struct {
	Dir        string // of the training
	Size       string // of Sizes
	Vocabulary int    // tokens
	Sources    []Source
	Steps      int
	Tokens     int // of a step
	Rate       float64
	Pool       *par.Pool
	Seed       uint64
	Every      time.Duration // between checkpoints
	Init       string        // a model's directory that a new training begins from
	View       io.Writer
	Only       string  // the one source to learn from, "" for all by their shares
	Recall     float64 // share of the longer rows that are texts to recall from, see Recall
	Int8       bool    // the export's matrices, a scale for each 32 values

	// Change, unless nil, changes the shape: for ablations, and models of tests.
	Change func(c *Config)
	// The stages of ablations.
	rows []Stage
}

// Files of a training's directory, beside the checkpoints.
const (
	tokenizerFile = "tokenizer.json"
	configFile    = "config.json"
	modelDir      = "model"
)

// learnedDocuments is how many documents the vocabulary is learned from: some
// 30 million characters.
const learnedDocuments = 60_000

// Tokenizer reads the training's vocabulary, or learns one from the sources.
func (o Options) Tokenizer(ctx context.Context) (*token.Tokenizer, error) {
	path := filepath.Join(o.Dir, tokenizerFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if o.Init != "" { // its weights are for its own vocabulary
			data, err = os.ReadFile(filepath.Join(o.Init, tokenizerFile))
		}
		if errors.Is(err, os.ErrNotExist) {
			data, err = o.learn(ctx)
		}
		if err == nil {
			if err = os.MkdirAll(o.Dir, 0o755); err == nil {
				err = atomicfile.WriteBytes(path, data)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("talk: %w", err)
	}
	t, err := token.FromJSON(data, nil)
	if err != nil {
		return nil, fmt.Errorf("talk: %s: %w", path, err)
	}
	return t, nil
}

// learn makes a vocabulary in which digits and Chinese characters are tokens of
// their own: names and numbers are then copied sign by sign, whatever stands
// around them.
func (o Options) learn(ctx context.Context) ([]byte, error) {
	c := token.TrainConfig{Size: o.Vocabulary, Split: "qwen2", Special: ControlTokens(), MinCount: 2}
	if o.View != nil {
		c.Progress = func(n, of int) {
			if n%1024 == 0 {
				_, _ = fmt.Fprintf(o.View, "vocabulary %d/%d\n", n, of)
			}
		}
	}
	return token.Train(ctx, o.texts(learnedDocuments), c)
}

func (o Options) texts(n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		r := rand.New(rand.NewPCG(o.Seed, 1<<40))
		k := &Task{Sources: o.Sources}
		for range n {
			for _, p := range k.draw(r, "") {
				for piece := range separate(p.Text) {
					if !yield(piece) {
						return
					}
				}
			}
		}
	}
}

// separate cuts a text around each Chinese character.
func separate(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		from := 0
		for i, r := range s {
			if !unicode.Is(unicode.Han, r) {
				continue
			}
			n := len(string(r))
			if from < i && !yield(s[from:i]) || !yield(s[i:i+n]) {
				return
			}
			from = i + n
		}
		if from < len(s) {
			yield(s[from:])
		}
	}
}

// config reads the training's shape, or makes it and writes it down.
func (o Options) config(t *token.Tokenizer) (Config, error) {
	path := filepath.Join(o.Dir, configFile)
	data, err := os.ReadFile(path)
	if err == nil {
		var c Config
		if err := json.Unmarshal(data, &c); err != nil {
			return Config{}, fmt.Errorf("talk: %s: %w", path, err)
		}
		return c, c.check()
	}
	c, err := Size(o.Size, t.Size())
	if err != nil {
		return Config{}, err
	}
	begin, _ := t.ID(BeginToken)
	end, _ := t.ID(EndToken)
	c.BeginToken, c.EndToken = int(begin), int(end)
	if o.Change != nil {
		o.Change(&c)
	}
	if o.Init != "" {
		if err := o.inherit(&c); err != nil {
			return Config{}, err
		}
	}
	if data, err = json.MarshalIndent(c, "", "  "); err != nil {
		return Config{}, err
	}
	return c, atomicfile.WriteBytes(path, data)
}

// Copying names the source that a training begins with, if it has one: what
// copies from far back forms within minutes there, and not at all in an hour of
// conversations, where it makes up too little of the loss.
const Copying = "copying"

// Recall names the source of texts that fill a row with chatter and made-up
// pairs, and ask for some at its end: what teaches the layer that sees everything
// to find what stands behind every window, among many, at any length.
const Recall = "recall"

// stages of the rows' length: short ones first, since local structure comes
// first and they cost less. A training that begins from a model has that behind
// it: where it is to recall better, it has long rows from the start, of several
// lengths, so that the scores' log n is learned and not one n.
func (o *Options) stages() []Stage {
	switch {
	case len(o.rows) > 0:
		return o.rows
	case o.Only != "":
		return []Stage{{1, 1024, o.Only, 0}}
	case o.Recall > 0 && o.Init != "":
		return []Stage{{0.3, 1024, "", o.Recall}, {0.8, 2048, "", o.Recall}, {1, 4096, "", o.Recall}}
	}
	return []Stage{{0.12, 256, Copying, 0}, {0.2, 256, "", 0}, {0.85, 1024, "", o.Recall}, {1, 2048, "", o.Recall}}
}

// averaging is the decay of the averaged weights, which are the ones used: over
// the last fiftieth of the steps or so, in which the rate is nearly 0, and no more
// than some 500. Longer ones lag behind what a short training has learned.
func (o *Options) averaging() float32 {
	const least, most, share = 0.5, 0.998, 50
	return float32(max(least, min(most, 1-share/float64(max(o.Steps, share)))))
}

// Train trains, or goes on.
func Train(ctx context.Context, o Options) (train.Result, error) {
	if o.Only != "" && !slices.ContainsFunc(o.Sources, func(s Source) bool { return s.Name == o.Only }) {
		return train.Result{}, fmt.Errorf("talk: no source %q", o.Only)
	}
	task, err := o.task(ctx)
	if err != nil {
		return train.Result{}, err
	}
	if o.View != nil {
		_, _ = fmt.Fprintf(o.View, "%s: %v\n", o.Size, task.Model)
	}
	return o.run(ctx, task)
}

// task makes what is trained.
func (o Options) task(ctx context.Context) (*Task, error) {
	t, err := o.Tokenizer(ctx)
	if err != nil {
		return nil, err
	}
	c, err := o.config(t)
	if err != nil {
		return nil, err
	}
	m, err := New(c, o.Seed)
	if err != nil {
		return nil, err
	}
	return NewTask(m, t, o.Sources, o.Tokens, o.Steps, o.stages(), o.Seed)
}

func (o Options) run(ctx context.Context, task *Task) (train.Result, error) {
	from := ""
	if o.Init != "" {
		var err error
		if from, err = o.initial(task.Model.Config); err != nil {
			return train.Result{}, err
		}
	}
	return train.Run(ctx, train.Config{
		Dir: o.Dir, Steps: o.Steps, Rate: o.Rate, Warmup: min(100, o.Steps/10), Decay: o.Steps * 2 / 5,
		Weight: 0.1, Clip: 1, EMA: o.averaging(), Muon: true, BF16: true, Every: o.Every, Init: from, Pool: o.Pool, View: o.View,
	}, task)
}

// initialFile holds the weights that a training began from, as floats.
const initialFile = "initial.safetensors"

// smaller reads the shape of the model that a training begins from.
func (o Options) smaller() (c Config, err error) {
	path := filepath.Join(o.Init, configFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("talk: %w", err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("talk: %s: %w", path, err)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%w; in %s", err, path)
	}
	return c, nil
}

// inherit gives a shape what it has from the model that it begins from.
func (o Options) inherit(c *Config) error {
	from, err := o.smaller()
	if err != nil {
		return err
	}
	if err := c.heirs(from); err != nil {
		return fmt.Errorf("%w; --init %s", err, o.Init)
	}
	return nil
}

// initial writes the weights to begin from as floats and returns their path: an
// export may be int8, and of a smaller shape.
func (o Options) initial(to Config) (string, error) {
	f, err := safetensors.Read(filepath.Join(o.Init, train.ModelFile))
	if err != nil {
		return "", err
	}
	tensors, err := checkpoint.Floats(f)
	if err != nil {
		return "", fmt.Errorf("talk: %s: %w", o.Init, err)
	}
	from, err := o.smaller()
	if err != nil {
		return "", err
	}
	m, err := New(from, o.Seed)
	if err != nil {
		return "", err
	}
	data, err := safetensors.Encode(tensors, nil)
	if err == nil {
		f, err = safetensors.Parse(data)
	}
	if err == nil {
		err = nn.Load(m, f)
	}
	if err != nil {
		return "", fmt.Errorf("talk: %s: %w", o.Init, err)
	}
	if m, err = m.Grown(to, o.Seed); err != nil {
		return "", fmt.Errorf("%w; --init %s", err, o.Init)
	}
	path := filepath.Join(o.Dir, initialFile)
	return path, nn.Save(path, m, safetensors.F32, nil)
}
