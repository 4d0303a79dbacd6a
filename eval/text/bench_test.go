package text

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"kuai/internal/report"
	"kuai/kernel/quant"
	"kuai/par"
	"kuai/text"
)

// small shrinks a shape to one of milliseconds.
func small(s Shape) Shape {
	s.Layers, s.Hidden, s.Heads, s.KVHeads, s.HeadDim, s.FF, s.Vocab, s.Context = 4, 64, 2, 1, 32, 64, 320, 4096
	if s.Every > 0 {
		s.Every = 4
	}
	return s
}

// TestModels writes the three models in small, opens them, and measures them:
// every figure is there and positive.
func TestModels(t *testing.T) {
	t.Parallel()
	p := par.New(2)
	defer p.Close()
	for _, m := range models {
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := small(m.shape).Write(p, path, quant.Q8_0); err != nil {
			t.Fatal(err)
		}
		c, err := text.Describe(path)
		if err != nil {
			t.Fatal(m.name, err)
		}
		if linear := map[string]int{"hybrid": 3}[m.name]; c.LinearLayers != linear || c.Layers != 4 {
			t.Errorf("%s: %d of %d layers are linear, want %d of 4", m.name, c.LinearLayers, c.Layers, linear)
		}
		opened, err := text.Open(path, text.Options{Pool: p, PrefixBytes: -1})
		if err != nil {
			t.Fatal(m.name, err)
		}
		cfg := Config{Pool: p, Quick: true}
		shallow, _, none, err := cfg.depth(t.Context(), opened, 0)
		if err != nil || shallow <= 0 {
			t.Fatalf("%s: %v ms, %v", m.name, shallow, err)
		}
		_, prefill, bytes, err := cfg.depth(t.Context(), opened, 1024)
		if err != nil || prefill <= 0 {
			t.Fatalf("%s: %v ms, %v", m.name, prefill, err)
		}
		if want := none + 1024*c.KVBytes; bytes < want || bytes > want+1<<20 {
			t.Errorf("%s: %d bytes at depth 1024, want about %d", m.name, bytes, want)
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
		rep, err := Rates(t.Context(), cfg, path, text.Options{}, 40, 4)
		if err != nil || len(rep.Bars) == 0 || *rep.Bars[0].Value <= 0 {
			t.Errorf("%s: rates %+v, %v", m.name, rep, err)
		}
	}
}

// TestRatios checks the claims' arithmetic, and that what was not measured says
// so.
func TestRatios(t *testing.T) {
	t.Parallel()
	series := func(ms float64, bytes int64) Series {
		return Series{Depths: []int{0, 102_400, 131_072}, Decode: []float64{1, ms, ms}, Prefill: []float64{1, ms, ms}, Bytes: []int64{0, bytes, bytes}}
	}
	var rep report.Report
	ratios(&rep, series(2, 5), series(8, 50), series(40, 100))
	got := map[string]float64{}
	for _, b := range rep.Bars {
		got[b.Name] = *b.Value
	}
	for name, want := range map[string]float64{
		"twin_over_hybrid_decode_102400": 4, "twin_over_hybrid_prefill_102400": 4,
		"saved_against_dense_decode_131072": 0.95, "saved_against_dense_bytes_131072": 0.95,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	var none report.Report
	ratios(&none, Series{}, Series{}, Series{})
	for _, b := range none.Bars {
		if b.Value != nil || b.Reason == "" {
			t.Errorf("%s has a value without a measurement, or no reason", b.Name)
		}
	}
	var svg bytes.Buffer
	if err := Plot(&svg, "svg", []Series{series(2, 5)}); err != nil || !strings.Contains(svg.String(), "<svg") {
		t.Errorf("plot: %v", err)
	}
}
