package video

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"kuai/format/safetensors"
	"kuai/grad"
	"kuai/kernel/gemm"
	"kuai/media"
	"kuai/mem"
	"kuai/nn"
	"kuai/par"
)

const (
	maxConfigBytes  = 1 << 20
	maxWeightsBytes = 1 << 30
	arenaBytes      = 8 << 30 // address space, taken as it is used
)

// Model is a text-to-video model ready to run. Its methods may be called from
// several goroutines; they take turns.
type Model struct {
	tokenizer   *Tokenizer
	transformer *Transformer
	words       map[string]bool

	mu    sync.Mutex
	pool  *par.Pool
	arena *mem.Arena
	kind  gemm.Type
}

// Open reads a model from a directory with the sub-directories tokenizer and
// transformer, each with a config.json and a model.safetensors. A damaged file
// gives an error that names it.
func Open(dir fs.FS, pool *par.Pool) (*Model, error) {
	tok, err := OpenTokenizer(dir, "tokenizer")
	if err != nil {
		return nil, err
	}
	tr, err := openTransformer(dir, "transformer")
	if err != nil {
		return nil, err
	}
	if a, b := tok.Config.LatentChannels, tr.Config.LatentChannels; a != b {
		return nil, fmt.Errorf("video: the tokenizer has %d latent channels, the transformer %d: they do not belong together", a, b)
	}
	if len(tok.Config.LatentMean) == 0 || len(tok.Config.LatentStd) == 0 {
		return nil, errors.New("video: tokenizer/config.json: latent_mean or latent_std is missing")
	}
	m := &Model{
		tokenizer:   tok,
		transformer: tr,
		words:       map[string]bool{},
		pool:        pool,
		arena:       mem.NewArena(arenaBytes),
		kind:        gemm.BF16,
	}
	for _, w := range tr.Config.Words {
		m.words[w] = true
	}
	return m, nil
}

// OpenTokenizer reads the tokenizer in a sub-directory of dir.
func OpenTokenizer(dir fs.FS, sub string) (*Tokenizer, error) {
	var c TokenizerConfig
	if err := readConfig(dir, sub, &c); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", sub, err)
	}
	tok := NewTokenizer(rand.New(rand.NewPCG(0, 0)), c)
	return tok, loadWeights(dir, sub, tok)
}

func openTransformer(dir fs.FS, sub string) (*Transformer, error) {
	var c TransformerConfig
	if err := readConfig(dir, sub, &c); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", sub, err)
	}
	tr := NewTransformer(rand.New(rand.NewPCG(0, 0)), c)
	return tr, loadWeights(dir, sub, tr)
}

func readConfig(dir fs.FS, sub string, into any) error {
	name := sub + "/config.json"
	info, err := fs.Stat(dir, name)
	if err != nil {
		return fmt.Errorf("video: %w", err)
	}
	if info.Size() > maxConfigBytes {
		return fmt.Errorf("video: %s: %d bytes, at most %d", name, info.Size(), maxConfigBytes)
	}
	data, err := fs.ReadFile(dir, name)
	if err != nil {
		return fmt.Errorf("video: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("video: %s: %w", name, err)
	}
	return nil
}

func loadWeights(dir fs.FS, sub string, module any) error {
	name := sub + "/model.safetensors"
	info, err := fs.Stat(dir, name)
	if err != nil {
		return fmt.Errorf("video: %w", err)
	}
	if info.Size() > maxWeightsBytes {
		return fmt.Errorf("video: %s: %d bytes, at most %d", name, info.Size(), maxWeightsBytes)
	}
	data, err := fs.ReadFile(dir, name)
	if err != nil {
		return fmt.Errorf("video: %w", err)
	}
	file, err := safetensors.Parse(data)
	if err != nil {
		return fmt.Errorf("video: %s: %w", name, err)
	}
	if err := nn.Load(module, file); err != nil {
		return fmt.Errorf("video: %s: %w", name, err)
	}
	return nil
}

// Validate says what is wrong with a configuration read from a file.
func (c TransformerConfig) Validate() error {
	const maxPatch, maxWidth, maxLayers, maxRows, maxSlots, maxValues = 8, 8192, 128, 1 << 20, 32, 4096
	if c.ModelType != TransformerType {
		return configError("model_type", c.ModelType, TransformerType)
	}
	for _, f := range []struct {
		name          string
		v, low, limit int
	}{
		{"latent_channels", c.LatentChannels, 1, maxWidth},
		{"width", c.Width, 8, maxWidth},
		{"layers", c.Layers, 1, maxLayers},
		{"heads", c.Heads, 1, c.Width},
		{"ffn_width", c.FFNWidth, 1, maxWidth},
		{"text.rows", c.Text.Rows, 2, maxRows},
		{"text.width", c.Text.Width, 8, maxWidth},
		{"text.layers", c.Text.Layers, 1, maxLayers},
		{"text.heads", c.Text.Heads, 1, c.Text.Width},
		{"slots", len(c.Slots), 0, maxSlots},
		{"patch_size", c.Patch, 1, maxPatch},
		{"size", c.Size, SpaceStride * c.Patch, maxWidth},
		{"frames", c.Frames, 1, maxWidth},
		{"fps", c.FPS, 1, maxWidth},
		{"train_clips", c.TrainClips, 0, math.MaxInt32},
	} {
		if f.v < f.low || f.v > f.limit {
			return rangeError(f.name, f.v, f.low, f.limit)
		}
	}
	for _, s := range c.Slots {
		if len(s.En) > maxValues || len(s.En) != len(s.Zh) {
			return fmt.Errorf("video: config.json: slot %q has %d English and %d Chinese values", s.Kind, len(s.En), len(s.Zh))
		}
	}
	if c.Size%(SpaceStride*c.Patch) != 0 {
		return fmt.Errorf("video: config.json: size %d is not a multiple of %d, the side of a token in pixels", c.Size, SpaceStride*c.Patch)
	}
	if c.Width%c.Heads != 0 || c.Text.Width%c.Text.Heads != 0 || c.Width/c.Heads%2 != 0 {
		return errors.New("video: config.json: width is not a multiple of twice the heads")
	}
	if s := float64(c.TimestepShift); !(s > 0) || math.IsInf(s, 0) {
		return fmt.Errorf("video: config.json: timestep_shift is %v, want a positive number", s)
	}
	return nil
}

// Size is the number of pixels on a side of the model's clips.
func (m *Model) Size() int { return m.transformer.Config.Size }

// Frames is the largest number of frames of a clip, FPS how many a second.
func (m *Model) Frames() int { return m.transformer.Config.Frames }

// TrainClips is how many distinct clips the model learned from.
func (m *Model) TrainClips() int { return m.transformer.Config.TrainClips }

// FPS is the number of frames a second.
func (m *Model) FPS() int { return m.transformer.Config.FPS }

// Words returns what the model was taught to tell apart in a prompt: for each
// slot, such as the motion, all values that it may have.
func (m *Model) Words() []SlotConfig { return m.transformer.Config.Slots }

// LimitError says that a field of a request is out of the model's range.
type LimitError struct {
	Field string
	Got   any    // a number
	Want  string // what is possible
}

// Error describes the field and what is possible.
func (e *LimitError) Error() string {
	return fmt.Sprintf("video: %s is %v, want %s", e.Field, e.Got, e.Want)
}

// complete fills in defaults and checks the ranges.
func (m *Model) complete(req Request) (Request, error) {
	c := m.transformer.Config
	if req.Steps == 0 {
		req.Steps = DefaultSteps
	}
	if req.Frames == 0 {
		req.Frames = c.Frames
	}
	if req.Size == 0 {
		req.Size = c.Size
	}
	if req.Guidance == 0 {
		req.Guidance = DefaultGuidance
	}
	switch {
	case req.Steps < 1 || req.Steps > maxSteps:
		return req, &LimitError{"steps", req.Steps, fmt.Sprintf("1 to %d", maxSteps)}
	case req.Frames < 1 || req.Frames > c.Frames || req.Frames%TimeStride != 1:
		return req, &LimitError{"frames", req.Frames, fmt.Sprintf("1, 5, 9 and so on up to %d", c.Frames)}
	case req.Size != c.Size:
		return req, &LimitError{"size", req.Size, fmt.Sprintf("%d, the size this model was trained for", c.Size)}
	case !(req.Guidance >= 1 && req.Guidance <= 20):
		return req, &LimitError{"guidance", req.Guidance, "1 to 20"}
	}
	return req, nil
}

// Check says early what is wrong with a request; the errors are Generate's.
func (m *Model) Check(req Request) error {
	if _, err := m.complete(req); err != nil {
		return err
	}
	_, _, err := m.Understand(req.Prompt)
	return err
}

// CheckPrompt says early what is wrong with a prompt whatever the model: it
// fails with ErrEmptyPrompt or ErrLongPrompt.
func CheckPrompt(text string) error {
	p, err := Tokenize(text, 2)
	if err == nil && p.Words[0] == "" {
		err = ErrEmptyPrompt
	}
	return err
}

// Understand splits a prompt and lists its words that training never saw. It
// fails with ErrEmptyPrompt, ErrLongPrompt or, where no word is known,
// ErrUnknown.
func (m *Model) Understand(text string) (Prompt, []string, error) {
	p, err := Tokenize(text, m.transformer.Config.Text.Rows)
	if err != nil {
		return Prompt{}, nil, err
	}
	if p.Words[0] == "" {
		return Prompt{}, nil, ErrEmptyPrompt
	}
	var unknown []string
	for _, w := range p.Words {
		if !m.words[w] && !slices.Contains(unknown, w) {
			unknown = append(unknown, w)
		}
	}
	if len(unknown) > 0 && !slices.ContainsFunc(p.Words, func(w string) bool { return m.words[w] }) {
		return Prompt{}, nil, fmt.Errorf("%w: %s", ErrUnknown, strings.Join(unknown, " "))
	}
	return p, unknown, nil
}

// slots reads the text encoder's heads for the first prompt of a batch.
func (m *Model) slots(text Encoded) []Slot {
	var said []Slot
	for i, s := range m.transformer.Config.Slots {
		logits := text.Slots[i].X[:len(s.En)+1]
		best, p := argmax(logits)
		if best > 0 {
			said = append(said, Slot{Kind: s.Kind, En: s.En[best-1], Zh: s.Zh[best-1], Confidence: p})
		}
	}
	return said
}

// argmax returns the largest logit's index and its share of the softmax.
func argmax(logits []float32) (int, float32) {
	best := 0
	for i, l := range logits {
		if l > logits[best] {
			best = i
		}
	}
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l - logits[best]))
	}
	return best, float32(1 / sum)
}

// Reconstruct encodes a clip and decodes it again: what the tokenizer alone
// loses. The clip has 1 + 4n frames and sides that are multiples of 8.
func (m *Model) Reconstruct(clip *media.Clip) (*media.Clip, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.pool.Hot()()
	t := grad.NewForward(m.pool, m.arena, m.kind)
	defer t.Reset()
	return m.tokenizer.Reconstruct(t, clip)
}

// Reconstruct encodes a clip and decodes it again on the given tape.
func (tok *Tokenizer) Reconstruct(t *grad.Tape, clip *media.Clip) (*media.Clip, error) {
	n := len(clip.Frames)
	if n%TimeStride != 1 || clip.Width%SpaceStride != 0 || clip.Height%SpaceStride != 0 {
		return nil, fmt.Errorf("video: a clip of %d frames of %dx%d: want 1, 5, 9 ... frames and sides that are multiples of %d", n, clip.Width, clip.Height, SpaceStride)
	}
	size := clip.Width * clip.Height * 3
	x := t.New(1, n+TimeStride-1, clip.Height, clip.Width, 3)
	PadFirst(x.X, slices.Concat(clip.Frames...), size)
	pixels := tok.Decoder.Forward(t, tok.Encoder.Forward(t, x), nil)
	out := &media.Clip{Width: clip.Width, Height: clip.Height, FPS: clip.FPS}
	for i := range pixels.Dim(1) / TimeStride {
		appendFrames(out, pixels.X[i*TimeStride*size:], i == 0)
	}
	return out, nil
}

// denormalise undoes the normalisation with which the transformer was trained:
// each channel's mean 0 and deviation 1.
func (c TokenizerConfig) denormalise(z []float32) {
	n := c.LatentChannels
	for i := range z {
		z[i] = z[i]*c.LatentStd[i%n] + c.LatentMean[i%n]
	}
}
