package text

import (
	"errors"
	"sync"

	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/par"
	"kuai/text/attention"
	"kuai/text/checkpoint"
	"kuai/text/room"
	"kuai/text/weight"
	"kuai/token"
)

const (
	// defaultChunk is how many tokens of prompts one pass takes: enough rows to
	// run at the speed of the multipliers, few enough that others do not wait.
	defaultChunk = 512
	// defaultTop is how many positions of a Room a query attends to; 32 were
	// enough for 96 facts among 131,072 positions, and more cost nothing. All of
	// them recall less among 800,000: docs/research/native.md.
	defaultTop = 64
	maxTop     = 1 << 12
	// maxSingles is how many sessions decode in one pass beside a chunk.
	maxSingles = 256
	// defaultPrefixBytes is the room of the prefix cache.
	defaultPrefixBytes = 512 << 20
)

// What a configuration may have, attention must take.
const _ = uint(attention.MaxD - checkpoint.MaxHeadDim)

// ErrContext is returned for tokens past the end of a session's context.
var ErrContext = errors.New("context is full")

// Options says how a model is opened. The zero value is a good choice.
type Options struct {
	Pool        *par.Pool // nil: one worker
	Weights     string    // "" as stored, "f32", "bf16", "q8", "q4"
	KV          string    // type of the KV cache: "f16" (default), "f32", "q8"
	Context     int       // most tokens of a session; 0: what the model says
	Chunk       int       // tokens of prompts in one pass; 0: 512
	Top         int       // positions of a Room that a query attends to, the best; 0: 64, negative: all
	PrefixBytes int64     // room of the prefix cache; 0: 512 MiB, negative: none

	// Cache is where packed weights are kept, so that the next load reads them
	// and packs nothing: "" nowhere, "auto" beside the model or else in the user's
	// folder for caches, or a directory. It takes as much disk as the model. They
	// are written while the model is in use already; Close waits for that. Cached,
	// which may be nil, is told that they were read, or how writing them went.
	Cache  string
	Cached func(hit bool, err error)
}

// Check says whether options can be, before anything is read.
func (o Options) Check() error {
	if _, err := attention.ParseType(o.KV); err != nil {
		return err
	}
	_, err := weight.NewPacker(o.Pool, o.Weights)
	return err
}

// Model is a language model. Its methods may be called by several goroutines.
type Model struct {
	path   string
	config Config
	src    *checkpoint.Checkpoint
	pool   *par.Pool
	hash   [32]byte

	tokenizer *token.Tokenizer
	template  string

	weights     *mem.Arena // those outside the heap; nil: none
	storing     sync.WaitGroup
	embedding   checkpoint.Rows
	pairs       checkpoint.Rows // of neighbouring tokens, kuai alone
	layers      []layer
	norm        []float32     // [E]
	head        weight.Matrix // [V, E]
	frequencies []float64

	layout attention.Layout
	// lastSees says that of the layers that see everything there is one, the
	// last: what it attends to then matters for the wanted logits alone, and
	// reading a text costs nothing that grows with its length.
	lastSees   bool
	roomLayers int               // layers that a Room keeps
	recent     int               // positions before a query that are never in a Room
	before     func(pos int) int // blocks of a Room that the query at a position sees

	stateLen   int // values of constant-size state of a session
	chunk      int
	rows       int // of a pass at most
	prefix     prefixes
	step       sync.Mutex // a Step is running
	pass       *pass
	todo       []progress
	mu         sync.Mutex // guards the free lists
	freePages  []*attention.Page
	freeStates [][]float32
}

// layer is a row of the model's table.
type layer struct {
	mixer     mixer
	out       weight.Matrix // [E, H·D]
	mlp       *feedForward
	mixerNorm []float32 // [E]
	mlpNorm   []float32 // [E]

	bytes                bool // its weights want their inputs in bytes
	mixerScale, mlpScale checkpoint.Scales
	state                int // where its values begin in a session's state
}

// Open loads a model: a GGUF file or a directory of Hugging Face, with
// config.json and safetensors. The source stays mapped until Close.
func Open(path string, o Options) (*Model, error) {
	src, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	m := &Model{path: path, config: src.Config, src: src}
	err = src.Guard(func() error {
		var err error
		if m.tokenizer, m.template, err = src.Vocabulary(); err != nil {
			return err
		}
		return m.load(&loader{m: m, config: &m.config, src: src}, o)
	})
	if err != nil {
		m.storing.Wait()
		_ = src.Close() // was only read
		if m.weights != nil {
			m.weights.Close()
		}
		return nil, err
	}
	return m, nil
}

// Config is the shape of a model.
type Config = checkpoint.Config

// Describe reads a model's configuration and the sizes of its tensors without
// loading it.
func Describe(path string) (Config, error) { return checkpoint.Describe(path) }

// Tokenizer returns the model's tokenizer, nil where its files have none.
func (m *Model) Tokenizer() *token.Tokenizer { return m.tokenizer }

// ChatTemplate returns the Jinja template that makes a prompt of a
// conversation, "" where the model's files have none.
func (m *Model) ChatTemplate() string { return m.template }

// load builds the model from its source.
func (m *Model) load(l *loader, o Options) error {
	c := &m.config
	if err := o.Check(); err != nil {
		return err
	}
	var err error
	if l.packer, err = weight.NewPacker(o.Pool, o.Weights); err != nil {
		return err
	}
	if o.Context > 0 {
		c.Context = min(o.Context, checkpoint.MaxContext)
	}
	m.pool = o.Pool
	if err := m.loadLayers(l, o); err != nil {
		return err
	}
	m.hash = l.src.Hash()
	return m.ready(o)
}

// ready makes what a model with its layers needs to run.
func (m *Model) ready(o Options) error {
	c := &m.config
	typ, err := attention.ParseType(o.KV)
	if err != nil {
		return err
	}
	m.layout = attention.NewLayout(typ, c.KVHeads, c.HeadDim)
	for i := range m.layers {
		y := &m.layers[i]
		y.bytes = weight.InBytes(y.out)
		y.state = m.stateLen
		n := y.mixer.needs()
		m.stateLen += n.state
		switch a := y.mixer.(type) {
		case *softmaxMixer:
			a.cache = m.layout.Layers
		case *kuaiMixer:
			a.cache = m.layout.Layers
			if a.kind == checkpoint.Global {
				a.room = m.roomLayers
				m.roomLayers++
			}
		}
		if n.cache {
			m.layout.Layers++
		}
	}
	m.lastSees = m.seeAll() == 1 && m.layers[len(m.layers)-1].seesAll()
	m.frequencies = c.Frequencies()
	c.LinearLayers = c.CountLinear()
	c.StateBytes, c.KVBytes = 4*int64(m.stateLen), int64(m.layout.Bytes()/attention.PageLen)
	m.chunk = defaultChunk
	if o.Chunk > 0 {
		m.chunk = min(o.Chunk, 1<<14)
	}
	m.rows = m.chunk + maxSingles
	m.prefix = prefixes{m: m, budget: defaultPrefixBytes}
	if o.PrefixBytes != 0 {
		m.prefix.budget = o.PrefixBytes
	}
	if m.pass, err = newPass(m, m.rows); err != nil {
		return err
	}
	m.recent = max(2*attention.PageLen, c.Companion.Window+attention.PageLen)
	m.before = func(pos int) int { return max(0, pos+1-m.recent) / room.BlockLen }
	m.pass.attn.Top = defaultTop
	if o.Top != 0 {
		m.pass.attn.Top = min(max(o.Top, 0), maxTop)
	}
	m.pass.rounded = gemm.BF16.Native() && !m.layers[0].out.Exact()
	m.pass.attn.Rounded = m.pass.rounded
	if m.pass.local != nil {
		m.pass.local.Rounded = m.pass.rounded
	}
	return nil
}

// seesAll says whether a layer's queries see every position.
func (y *layer) seesAll() bool {
	switch a := y.mixer.(type) {
	case *softmaxMixer:
		return true
	case *kuaiMixer:
		return a.kind == checkpoint.Global
	}
	return false
}

// seeAll counts the layers whose queries see every position.
func (m *Model) seeAll() (n int) {
	for i := range m.layers {
		if m.layers[i].seesAll() {
			n++
		}
	}
	return n
}

// loadLayers reads and packs all weights.
func (m *Model) loadLayers(l *loader, o Options) error {
	c := l.config
	m.embedding = l.rows("token_embd", -1, -1, c.Vocab, c.Hidden)
	m.norm = l.vector("output_norm", -1, c.Hidden)
	if n := c.Companion.Bigrams; n > 0 {
		m.pairs = l.rows("bigram_embd", -1, -1, n, c.Hidden)
		c.Parameters += int64(n) * int64(c.Hidden)
	}
	_, untied := l.src.Part("output", -1, -1)
	c.Tied = !untied
	if untied {
		c.Parameters += int64(c.Vocab) * int64(c.Hidden) // of the embedding
		l.pack(&m.head, l.rows("output", -1, -1, c.Vocab, c.Hidden), nil)
	} else {
		l.pack(&m.head, m.embedding, nil)
	}
	m.layers = make([]layer, c.Layers)
	for i := range m.layers {
		y := &m.layers[i]
		y.mixerNorm, y.mlpNorm = l.vector("attn_norm", i, c.Hidden), l.vector("ffn_norm", i, c.Hidden)
		y.mixer, y.mlp = l.mixer(i), l.feedForward(i)
		l.out(&y.out, i)
		y.mixerScale, y.mlpScale = c.Residual[checkpoint.FullBranch], c.Residual[checkpoint.MLPBranch]
		if c.Kinds[i] == checkpoint.Lightning {
			y.mixerScale = c.Residual[checkpoint.LinearBranch]
		}
	}
	if err := l.run(o); err != nil {
		return err
	}
	m.count()
	return nil
}

// count fills in the configuration's totals.
func (m *Model) count() {
	c := &m.config
	c.Active, c.ActiveBytes = c.Parameters, c.WeightBytes
	for i := range m.layers {
		f := m.layers[i].mlp
		for _, all := range [][]weight.Matrix{f.gate, f.up, f.down} {
			for _, w := range all {
				n, k := w.Size()
				if f.router != nil {
					c.Active -= int64(n) * int64(k) * int64(c.Experts-c.ExpertsUsed) / int64(c.Experts)
					c.ActiveBytes -= w.Bytes() * int64(c.Experts-c.ExpertsUsed) / int64(c.Experts)
				}
			}
		}
	}
}

// Close gives the model's memory back. Its sessions must not be used any more.
func (m *Model) Close() error {
	m.step.Lock()
	defer m.step.Unlock()
	m.storing.Wait()
	if m.pass != nil {
		m.pass.arena.Close()
		m.pass = nil
	}
	if m.weights != nil {
		m.weights.Close()
		m.weights = nil
	}
	return m.src.Close()
}

// Config returns the model's shape.
func (m *Model) Config() Config { return m.config }

// newState returns a state of zeros.
func (m *Model) newState() []float32 {
	if m.stateLen == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.freeStates); n > 0 {
		s := m.freeStates[n-1]
		m.freeStates = m.freeStates[:n-1]
		clear(s)
		return s
	}
	return make([]float32, m.stateLen)
}

// maxFree is how many states and pages are kept for reuse.
const (
	maxFreeStates = 16
	maxFreePages  = 1024
)

// recycle takes a state that nobody uses any more.
func (m *Model) recycle(s []float32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(s) > 0 && len(m.freeStates) < maxFreeStates {
		m.freeStates = append(m.freeStates, s)
	}
}

// newPage returns a page of zeros with one owner.
func (m *Model) newPage() *attention.Page {
	m.mu.Lock()
	defer m.mu.Unlock()
	var p *attention.Page
	if n := len(m.freePages); n > 0 {
		p = m.freePages[n-1]
		m.freePages = m.freePages[:n-1]
		clear(p.Data) // another text must not show in a saved session
	} else {
		p = &attention.Page{Data: make([]byte, m.layout.Bytes())}
	}
	p.Refs.Store(1)
	return p
}

// drop gives up a share of a page.
func (m *Model) drop(p *attention.Page) {
	if p.Refs.Add(-1) > 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.freePages) < maxFreePages {
		m.freePages = append(m.freePages, p)
	}
}
