package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kuai/internal/near"
	"kuai/kernel/peak"
	"kuai/kernel/vec"
	"kuai/par"
)

// scanned makes n random keys in both forms.
func scanned(r *rand.Rand, n, d int) (keys []float32, four, eight []byte, scale4, scale8 []uint16) {
	keys = random(r, n*d)
	four, eight = make([]byte, n*ScanWidth(d)/2), make([]byte, n*ScanWidth(d))
	scale4, scale8 = make([]uint16, n), make([]uint16, n)
	for i := range n {
		scale4[i] = PutNibbles(four, i, keys[i*d:][:d])
		scale8[i] = PutBytes(eight, i, keys[i*d:][:d])
	}
	return keys, four, eight, scale4, scale8
}

// TestScan compares scans with the products of what was not rounded, within
// what rounding may do, and each instruction set with the plain twin, to the
// bit.
func TestScan(t *testing.T) {
	type result struct{ four, eight []float32 }
	want := map[string]result{}
	everyISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(31, 32))
		for _, d := range []int{4, 12, 16, 64, 100} {
			for _, heads := range []int{1, 2, 3, 4, 5, 9} {
				const n = 192
				name := fmt.Sprint(d, heads)
				keys, four, eight, scale4, scale8 := scanned(r, n, d)
				q := random(r, heads*d)
				var p Probe
				p.Set(random(r, 70), 1, 70) // what was there before must not show
				p.Set(q, heads, d)
				got := result{nans(heads * (n + 8)), nans(heads * (n + 8))}
				p.Nibbles(got.four, n+8, four, scale4, n)
				p.Bytes(got.eight, n+8, eight, scale8, n)
				for h := range heads {
					for j := range n {
						var exact, k2, q2 float64
						for i := range d {
							a, b := float64(q[h*d+i]), float64(keys[j*d+i])
							exact, q2, k2 = exact+a*b, q2+a*a, k2+b*b
						}
						size := math.Sqrt(q2 * k2)
						if e := math.Abs(float64(got.four[h*(n+8)+j]) - exact); !(e < 0.15*size) {
							t.Fatalf("%s: nibbles are %v off, of %v", name, e, size)
						}
						if e := math.Abs(float64(got.eight[h*(n+8)+j]) - exact); !(e < 0.015*size) {
							t.Fatalf("%s: bytes are %v off, of %v", name, e, size)
						}
					}
					for j := n; j < n+8; j++ {
						if x := got.four[h*(n+8)+j] + got.eight[h*(n+8)+j]; x == x {
							t.Fatalf("%s: written beside the scores", name)
						}
					}
				}
				if old, ok := want[name]; ok {
					for i := range old.four {
						if got.four[i] != old.four[i] && old.four[i] == old.four[i] || got.eight[i] != old.eight[i] && old.eight[i] == old.eight[i] {
							t.Fatalf("%s: score %d is another one than the twin's", name, i)
						}
					}
				}
				want[name] = got
			}
		}
	})
}

// TestScanEdges takes keys and queries that are nothing, huge or no numbers.
func TestScanEdges(t *testing.T) {
	everyISA(t, func(t *testing.T) {
		const n, d = 64, 8
		keys, scale, x := make([]byte, n*d/2), make([]uint16, n), make([]float32, n)
		inf := float32(math.Inf(1))
		put := [][]float32{make([]float32, d), slices.Repeat([]float32{1e30}, d), {inf, -inf, float32(math.NaN()), 0, 1, 2, 3, 4}, slices.Repeat([]float32{1e-30}, d)}
		for i := range n {
			scale[i] = PutNibbles(keys, i, put[i%len(put)])
		}
		var p Probe
		p.Set(slices.Repeat([]float32{1}, d), 1, d)
		p.Nibbles(x, n, keys, scale, n)
		near.Check(t, "nothing", x[:1], []float32{0}, 0)
		for i, v := range x {
			if v != v || v > math.MaxFloat32 || v < -math.MaxFloat32 {
				t.Errorf("key %d has the score %v", i, v)
			}
		}
		p.Set(make([]float32, d), 1, d)
		p.Nibbles(x, n, keys, scale, n)
		near.Check(t, "no query", x, make([]float32, n), 0)
	})
}

// BenchmarkScan reads keys that no cache holds, and in turns what the memory
// gives: the best of many short goes of each, since others share the machine.
func BenchmarkScan(b *testing.B) {
	const n, d = 3 << 20, 64
	r := rand.New(rand.NewPCG(1, 1))
	_, four, eight, scale4, scale8 := scanned(r, 64, d)
	keys4, keys8 := slices.Repeat(four, n/64), slices.Repeat(eight, n/64)
	scales4, scales8 := slices.Repeat(scale4, n/64), slices.Repeat(scale8, n/64)
	memory := make([]float32, 64<<20)
	vec.Fill(memory, 1)
	for _, workers := range []int{1, 2} {
		for _, bits := range []int{4, 8} {
			for _, heads := range []int{1, 3, 4} {
				b.Run(fmt.Sprintf("bits=%d/heads=%d/threads=%d", bits, heads, workers), func(b *testing.B) {
					pool := par.New(workers)
					defer pool.Close()
					var p Probe
					p.Set(random(r, heads*d), heads, d)
					const block = 256
					x := make([]float32, workers*heads*block)
					b.SetBytes(n * int64(d*bits/8+2))
					const task, turn = 16 * block, 32 * 16 * block // keys of a task, and of what is timed
					var best, limit float64
					for b.Loop() {
						for from := 0; from < n; from += turn {
							best = max(best, rate(turn*float64(d*bits/8+2), func() {
								pool.Do(turn/task, func(i, worker int) {
									x := x[worker*heads*block:][:heads*block]
									for at := from + i*task; at < from+(i+1)*task; at += block {
										if bits == 4 {
											p.Nibbles(x, block, keys4[at*d/2:], scales4[at:], block)
										} else {
											p.Bytes(x, block, keys8[at*d:], scales8[at:], block)
										}
									}
								})
							}))
						}
						for from := 0; from < len(memory); from += 1 << 20 {
							limit = max(limit, rate(4<<20, func() { peak.Read(pool, memory[from:][:1<<20]) }))
						}
					}
					b.ReportMetric(best/1e9, "GB/s")
					b.ReportMetric(100*best/limit, "%bw")
				})
			}
		}
	}
}

// rate is the bytes a second of f.
func rate(bytes float64, f func()) float64 {
	start := time.Now()
	f()
	return bytes / time.Since(start).Seconds()
}
