//go:build unix

package text

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kuai/kernel/peak"
	"kuai/kernel/vec"
	"kuai/par"
	"kuai/text/attention"
	"kuai/text/room"
)

// roomAtDepth returns a session as if n tokens had gone through it, with random
// keys and values in its room.
func roomAtDepth(b *testing.B, x *Room, n int) *Session {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	s, m := x.NewSession(), x.m
	shape := x.r.Shape()
	s.tokens, s.at = make([]int32, n), n
	vector := func() []float32 {
		v := make([]float32, shape.D)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	var some [1 << 14][2][]float32
	for i := range some {
		some[i] = [2][]float32{vector(), vector()}
	}
	for i := range m.before(n - 1) {
		block := shape.Draft()
		for pos := range room.BlockLen {
			for head := range shape.Heads {
				for layer := range shape.Layers {
					kv := some[r.IntN(len(some))]
					block.Put(layer, head, pos, kv[0], kv[1])
				}
			}
		}
		var chain room.Chain
		binary.LittleEndian.PutUint64(chain[:], uint64(i+1))
		if err := x.r.Append(block, i, chain, s.tokens[:room.BlockLen]); err != nil {
			b.Fatal(err)
		}
		s.far = append(s.far, block)
	}
	s.pages = make([]*attention.Page, len(s.far)*room.BlockLen/attention.PageLen)
	for len(s.pages)*attention.PageLen < n {
		s.pages = append(s.pages, m.newPage())
	}
	return s
}

// resident is a process's own memory and that of mapped files, in MB.
func resident() (own, files float64) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		_, _ = fmt.Sscanf(line, "RssAnon: %f kB", &own)
		_, _ = fmt.Sscanf(line, "RssFile: %f kB", &files)
	}
	return own / 1000, files / 1000
}

// cpu is the processor time that this process has had.
func cpu() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRoom decodes with the built-in model after so many tokens in a room,
// with one thread, by the processor's time, which others on the machine change
// little: the best of the steps; what the memory gives in turns with them, and the
// keys' bytes as a share of it; what the session takes of memory.
func BenchmarkRoom(b *testing.B) {
	const builtIn = "../models/companion"
	for _, c := range []struct{ depth, bits, top int }{{8_000, 4, 0}, {80_000, 4, 0}, {800_000, 4, 0}, {3_000_000, 4, 0}, {3_000_000, 8, 0}, {3_000_000, 4, -1}} {
		b.Run(fmt.Sprintf("depth=%d/bits=%d/top=%d", c.depth, c.bits, c.top), func(b *testing.B) {
			pool := par.New(1)
			defer pool.Close()
			m, err := Open(builtIn, Options{Pool: pool, Top: c.top, PrefixBytes: -1})
			if err != nil {
				b.Skipf("needs the built-in model: %v", err)
			}
			defer m.Close() //nolint:errcheck // was only read
			x, err := m.OpenRoom(b.TempDir(), c.bits)
			if err != nil {
				b.Fatal(err)
			}
			defer x.Close() //nolint:errcheck // is removed
			s := roomAtDepth(b, x, c.depth)
			logits, memory := make([]float32, m.config.Vocab), make([]float32, 26<<20)
			vec.Fill(memory, 1) // pages of zeros would be one
			best, rate := time.Duration(1<<62), 0.0
			for b.Loop() {
				begin := cpu()
				if err := m.Step(b.Context(), []Slice{{Session: s, Tokens: []int32{1}, Logits: logits}}); err != nil {
					b.Fatal(err)
				}
				best = min(best, cpu()-begin)
				begin = cpu()
				bytes := peak.Read(pool, memory)
				rate = max(rate, bytes/(cpu()-begin).Seconds())
			}
			runtime.GC()
			state, kv := s.Bytes()
			own, files := resident()
			keys := float64(len(s.far)*room.BlockLen) * float64(m.config.HeadDim*c.bits/8+2)
			b.ReportMetric(best.Seconds()*1e3, "cpu-ms/token")
			b.ReportMetric(rate/1e9, "memory-GB/s")
			b.ReportMetric(100*keys/best.Seconds()/rate, "%bw")
			b.ReportMetric(float64(state+kv+int64(4*len(s.tokens)))/1e6, "session-MB")
			b.ReportMetric(own, "own-MB")
			b.ReportMetric(files, "files-MB")
		})
	}
}
