package text

import (
	"math/rand/v2"

	"kuai/internal/check"
	"kuai/text/attention"
)

// AtDepth returns a session as if n tokens had gone through it, with random
// numbers as state and cache. It is for benchmarks: what a step costs depends
// on the depth, not on the values, and filling 131,072 tokens for real would
// take an hour.
func (m *Model) AtDepth(n int) *Session {
	check.True(n >= 0 && n <= m.config.Context, "text: depth %d of %d", n, m.config.Context)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	s := m.NewSession()
	s.tokens, s.at, s.public = make([]int32, n), n, n
	for i := range s.state {
		s.state[i] = float32(r.NormFloat64()) * 0.1
	}
	if m.layout.Layers == 0 {
		return s
	}
	k, v := make([]float32, m.config.HeadDim), make([]float32, m.config.HeadDim)
	for i := range (n + attention.PageLen - 1) / attention.PageLen {
		p := m.newPage()
		s.pages = append(s.pages, p)
		if i > 0 {
			copy(p.Data, s.pages[0].Data)
			continue
		}
		for at := range m.layout.Layers * m.layout.Heads * attention.PageLen {
			for j := range k {
				k[j], v[j] = float32(r.NormFloat64())*0.1, float32(r.NormFloat64())*0.1
			}
			pos, rest := at%attention.PageLen, at/attention.PageLen
			m.layout.Store(p, rest/m.layout.Heads, rest%m.layout.Heads, pos, k, v)
		}
	}
	return s
}
