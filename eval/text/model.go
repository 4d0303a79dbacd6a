package text

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kuai/internal/report"
	"kuai/text"
)

// Rates measures a model of a file: prefill of a prompt and decode of tokens
// after it, each the median of a few runs.
func Rates(ctx context.Context, cfg Config, path string, o text.Options, prompt, tokens int) (*report.Report, error) {
	o.Pool, o.PrefixBytes = cfg.Pool, -1
	m, err := text.Open(path, o)
	if err != nil {
		return nil, err
	}
	defer m.Close() //nolint:errcheck // was only read
	c := m.Config()
	ids := make([]int32, prompt)
	for i := range ids {
		ids[i] = int32((300 + i*7919) % c.Vocab)
	}
	runs := 3
	if cfg.Quick {
		runs = 1
	}
	logits := make([]float32, c.Vocab)
	var prefill, decode []float64
	for i := range runs + 1 {
		cfg.tell("run %d", i)
		s := m.NewSession()
		begin := time.Now()
		if err := s.Prefill(ctx, ids, logits, nil); err != nil {
			return nil, err
		}
		first := time.Now()
		next := []int32{5}
		for range tokens {
			if err := m.Step(ctx, []text.Slice{{Session: s, Tokens: next, Logits: logits}}); err != nil {
				return nil, err
			}
			next[0] = int32(slices.Index(logits, slices.Max(logits)))
		}
		end := time.Now()
		s.Close()
		if i > 0 { // the first touches memory
			prefill = append(prefill, float64(prompt)/first.Sub(begin).Seconds())
			decode = append(decode, float64(tokens)/end.Sub(first).Seconds())
		}
	}
	slices.Sort(prefill)
	slices.Sort(decode)
	rep := &report.Report{Machine: report.Machine(), Model: path}
	rep.Add(fmt.Sprintf("prefill_%d", prompt), prefill[len(prefill)/2], "tokens a second")
	rep.Add(fmt.Sprintf("decode_%d", tokens), decode[len(decode)/2], "tokens a second")
	rep.Add("parameters", float64(c.Parameters), "weights")
	rep.Add("session", float64(c.StateBytes)/1e6, "MB of state, and the cache below for each token")
	rep.Add("kv_per_token", float64(c.KVBytes), "bytes")
	return rep, nil
}
