package grad

// grain is how many values one task of an element-wise pass gets: 64 KiB, a
// few microseconds, a multiple of the cache line.
const grain = 16 << 10

// Chunks shares the values [0, n) out to the pool in pieces that do not depend
// on the number of workers.
func (t *Tape) Chunks(n int, f func(i, j int)) { t.Range(n, grain, f) }

// Range is Chunks with pieces of the given size.
func (t *Tape) Range(n, grain int, f func(i, j int)) {
	if n <= grain {
		if n > 0 {
			f(0, n)
		}
		return
	}
	t.Pool.Do((n+grain-1)/grain, func(task, _ int) {
		f(task*grain, min((task+1)*grain, n))
	})
}

// Clear zeroes x with all workers.
func (t *Tape) Clear(x []float32) {
	t.Range(len(x), 4*grain, func(i, j int) { clear(x[i:j]) })
}

// Parts returns into how many tasks rows of d values are shared out, and the
// rows of each, which do not depend on the number of workers.
func Parts(rows, d int) (parts, each int) {
	each = max(grain/max(d, 1), 1)
	return (rows + each - 1) / each, each
}

// RowChunks shares rows of d values out to the pool in the pieces of Parts.
func (t *Tape) RowChunks(rows, d int, f func(part, i, j int)) {
	parts, each := Parts(rows, d)
	if parts <= 1 {
		f(0, 0, rows)
		return
	}
	t.Pool.Do(parts, func(task, _ int) {
		f(task, task*each, min((task+1)*each, rows))
	})
}
