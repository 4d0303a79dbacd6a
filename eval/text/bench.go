package text

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"kuai/internal/report"
	"kuai/kernel/peak"
	"kuai/kernel/quant"
	"kuai/mem"
	"kuai/par"
	"kuai/text"
)

// Bars of the benchmark.
const (
	barTwin      = 3.0 // times the hybrid's cost, at 102,400 tokens
	barDense     = 0.9 // of the dense Transformer's cost saved, at 131,072
	barBandwidth = 0.8 // of the memory's, decoding
	barPrefill   = 0.6 // of the peak of byte products
)

const (
	prefillTokens = 512
	decodeRuns    = 15
	longStep      = 300 * time.Millisecond // a step that is worth few repetitions
)

// Config says what to measure.
type Config struct {
	Pool   *par.Pool
	Depths []int
	Dir    string // for the synthetic models, which are removed afterwards
	Quick  bool
	View   func(what string) // told what comes next; may be nil
}

// Series is what a model's tokens cost at each depth.
type Series struct {
	Model   string    `json:"model"`
	Depths  []int     `json:"depths"`
	Decode  []float64 `json:"decode_ms"`            // of one token
	Prefill []float64 `json:"prefill_ms_per_token"` // of a chunk of 512
	Bytes   []int64   `json:"session_bytes"`        // state and cache
}

// models are the three, by name.
var models = []struct {
	name  string
	shape Shape
}{{"hybrid", Hybrid}, {"twin", Twin}, {"dense", Dense}}

// WriteAll writes the models into a directory, for other programs to time.
func WriteAll(cfg Config, dir string) error {
	for _, m := range models {
		cfg.tell("making %s", m.name)
		if err := m.shape.Write(cfg.Pool, filepath.Join(dir, m.name+".gguf"), quant.Q8_0); err != nil {
			return err
		}
	}
	return nil
}

// Run measures the three models.
func Run(ctx context.Context, cfg Config) (*report.Report, []Series, error) {
	rep := &report.Report{Machine: report.Machine(), Model: "synthetic, random weights, Q8_0"}
	dir, err := os.MkdirTemp(cfg.Dir, "bench-text-*")
	if err != nil {
		return nil, nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	var all []Series
	for _, m := range models {
		s, err := cfg.model(ctx, rep, filepath.Join(dir, m.name+".gguf"), m.name, m.shape)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, s)
	}
	ratios(rep, all[0], all[1], all[2])
	return rep, all, nil
}

func (cfg Config) tell(format string, args ...any) {
	if cfg.View != nil {
		cfg.View(fmt.Sprintf(format, args...))
	}
}

// model measures one model at all depths.
func (cfg Config) model(ctx context.Context, rep *report.Report, path, name string, shape Shape) (Series, error) {
	cfg.tell("making %s", name)
	if err := shape.Write(cfg.Pool, path, quant.Q8_0); err != nil {
		return Series{}, err
	}
	defer os.Remove(path) //nolint:errcheck // makes room for the next; the directory goes anyway
	m, err := text.Open(path, text.Options{Pool: cfg.Pool, PrefixBytes: -1})
	if err != nil {
		return Series{}, err
	}
	defer m.Close() //nolint:errcheck // was only read
	s := Series{Model: name}
	for _, d := range cfg.Depths {
		cfg.tell("%s at %d tokens", name, d)
		decode, prefill, bytes, err := cfg.depth(ctx, m, d)
		if err != nil {
			return s, err
		}
		s.Depths, s.Decode, s.Prefill, s.Bytes = append(s.Depths, d), append(s.Decode, decode), append(s.Prefill, prefill), append(s.Bytes, bytes)
		rep.Add(fmt.Sprintf("decode_%s_%d", name, d), decode, "ms a token")
		rep.Add(fmt.Sprintf("prefill_%s_%d", name, d), prefill, "ms a token, in chunks of 512")
		rep.Add(fmt.Sprintf("session_%s_%d", name, d), float64(bytes)/1e6, "MB of state and cache")
	}
	if len(s.Depths) > 0 && s.Depths[0] == 0 {
		cfg.limits(rep, m, name, s)
	}
	return s, nil
}

// depth measures a token and a chunk after depth tokens: milliseconds a token.
func (cfg Config) depth(ctx context.Context, m *text.Model, depth int) (decode, prefill float64, bytes int64, err error) {
	s := m.AtDepth(depth)
	defer s.Close()
	state, kv := s.Bytes()
	logits := make([]float32, m.Config().Vocab)
	var times []float64
	batch := []text.Slice{{Session: s, Tokens: []int32{300}, Logits: logits}}
	runs := decodeRuns
	for i := 0; i <= runs; i++ {
		begin := time.Now()
		if err := m.Step(ctx, batch); err != nil {
			return 0, 0, 0, err
		}
		took := time.Since(begin)
		if i == 0 { // memory touched
			if took > longStep || cfg.Quick {
				runs = 5
			}
			continue
		}
		times = append(times, took.Seconds()*1e3)
	}
	tokens := make([]int32, prefillTokens)
	for i := range tokens {
		tokens[i] = int32((300 + i*7919) % m.Config().Vocab)
	}
	best := 0.0
	for i := range 3 {
		f := s.Fork()
		begin := time.Now()
		err := f.Prefill(ctx, tokens, nil, nil)
		took := time.Since(begin)
		f.Close()
		if err != nil {
			return 0, 0, 0, err
		}
		if ms := took.Seconds() * 1e3 / prefillTokens; i == 0 || ms < best {
			best = ms
		}
		if took > 4*time.Second || cfg.Quick && i == 1 {
			break
		}
	}
	slices.Sort(times)
	return times[len(times)/2], best, state + kv, nil
}

// limits reports decode and prefill at depth 0 as shares of what memory and
// multipliers can do in the same minute.
func (cfg Config) limits(rep *report.Report, m *text.Model, name string, s Series) {
	c := m.Config()
	perToken := float64(c.ActiveBytes) + 2*float64(c.StateBytes) // the state is read and written
	bandwidth := max(readRate(cfg.Pool), readRate(cfg.Pool))
	rep.AtLeast("decode_"+name+"_of_bandwidth", perToken/(s.Decode[0]/1e3)/bandwidth, barBandwidth, fmt.Sprintf("of %.1f GB/s", bandwidth/1e9))
	if !peak.Has(peak.Int8) {
		rep.Missing("prefill_"+name+"_of_peak", "of int8 peak", "this CPU has no dot products of bytes")
		return
	}
	limit := byteRate(cfg.Pool)
	work := 2 * (float64(c.Active) - 2*float64(c.Vocab)*float64(c.Hidden)) // neither embedding nor output
	rep.AtLeast("prefill_"+name+"_of_peak", work/(s.Prefill[0]/1e3)/limit, barPrefill, fmt.Sprintf("of %.0f GOP/s in bytes", limit/1e9))
}

// readRate measures how fast all workers read memory: bytes a second.
func readRate(p *par.Pool) float64 {
	const bytes = 256 << 20
	a := mem.NewArena(bytes + mem.Align)
	defer a.Close()
	x := mem.Make[float32](a, bytes/4)
	for i := range x {
		x[i] = 1
	}
	defer p.Hot()()
	best := 0.0
	for range 6 {
		begin := time.Now()
		n := peak.Read(p, x)
		best = max(best, n/time.Since(begin).Seconds())
	}
	return best
}

// byteRate measures the peak of byte products: operations a second.
func byteRate(p *par.Pool) float64 {
	defer p.Hot()()
	const long = 100 * time.Millisecond
	begin, done := time.Now(), 0.0
	for time.Since(begin) < long {
		done += peak.Spin(p, peak.Int8)
	}
	return done / time.Since(begin).Seconds()
}

// ratios reports the claims: against the twin at 100 thousand tokens, against
// the dense Transformer at 128 Ki.
func ratios(rep *report.Report, hybrid, twin, dense Series) {
	at := func(s Series, depth int) (int, error) {
		if i := slices.Index(s.Depths, depth); i >= 0 {
			return i, nil
		}
		return 0, errors.New("not measured at this depth")
	}
	const hundred, most = 102_400, 131_072
	if i, err := at(hybrid, hundred); err == nil {
		rep.AtLeast("twin_over_hybrid_decode_102400", twin.Decode[i]/hybrid.Decode[i], barTwin, "times")
		rep.AtLeast("twin_over_hybrid_prefill_102400", twin.Prefill[i]/hybrid.Prefill[i], barTwin, "times")
	} else {
		rep.Missing("twin_over_hybrid_decode_102400", "times", err.Error())
		rep.Missing("twin_over_hybrid_prefill_102400", "times", err.Error())
	}
	if i, err := at(hybrid, most); err == nil {
		rep.AtLeast("saved_against_dense_decode_131072", 1-hybrid.Decode[i]/dense.Decode[i], barDense, "of the time")
		rep.AtLeast("saved_against_dense_prefill_131072", 1-hybrid.Prefill[i]/dense.Prefill[i], barDense, "of the time")
		rep.AtLeast("saved_against_dense_bytes_131072", 1-float64(hybrid.Bytes[i])/float64(dense.Bytes[i]), barDense, "of the session's bytes")
	} else {
		for _, k := range []string{"decode", "prefill", "bytes"} {
			rep.Missing("saved_against_dense_"+k+"_131072", "of the cost", err.Error())
		}
	}
}
