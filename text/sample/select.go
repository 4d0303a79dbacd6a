package sample

// before is the order of candidates: the likelier first, of equals the lower
// id. No two are equal, so what is selected does not depend on how.
func before(w1 float32, id1 int32, w2 float32, id2 int32) bool {
	return w1 > w2 || w1 == w2 && id1 < id2
}

// sink restores the heap below i, in which a parent comes after its children:
// the last of the order is at the top.
func sink(w []float32, ids []int32, i int) {
	for {
		last := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(w) && before(w[last], ids[last], w[c], ids[c]) {
				last = c
			}
		}
		if last == i {
			return
		}
		w[i], w[last], ids[i], ids[last] = w[last], w[i], ids[last], ids[i]
		i = last
	}
}

// partition puts w[lo:hi] in two parts around one of its members, whose place
// it returns: before it stands what comes before it.
func partition(w []float32, ids []int32, lo, hi int) int {
	swap := func(i, j int) { w[i], w[j], ids[i], ids[j] = w[j], w[i], ids[j], ids[i] }
	a, b, c := lo, lo+(hi-lo)/2, hi-1 // the median of three is the pivot
	if before(w[b], ids[b], w[a], ids[a]) {
		a, b = b, a
	}
	if before(w[c], ids[c], w[b], ids[b]) {
		b = c
		if before(w[b], ids[b], w[a], ids[a]) {
			b = a
		}
	}
	swap(b, hi-1)
	pw, pid := w[hi-1], ids[hi-1]
	at := lo
	for i := lo; i < hi-1; i++ {
		if before(w[i], ids[i], pw, pid) {
			swap(i, at)
			at++
		}
	}
	swap(at, hi-1)
	return at
}

// selectTop moves the k first of the order to the front, themselves unordered.
func selectTop(w []float32, ids []int32, k int) {
	lo, hi := 0, len(w)
	for hi-lo > 1 {
		switch m := partition(w, ids, lo, hi); {
		case m == k || m == k-1:
			return
		case m > k:
			hi = m
		default:
			lo = m + 1
		}
	}
}

// selectMass moves the fewest of the order's first to the front whose weights
// reach the mass, and returns how many, at least one.
func selectMass(w []float32, ids []int32, mass float64) int {
	lo, hi := 0, len(w)
	for lo < hi {
		m := partition(w, ids, lo, hi)
		var sum float64
		for _, x := range w[lo:m] {
			sum += float64(x)
		}
		switch with := sum + float64(w[m]); {
		case m > lo && sum >= mass:
			hi = m
		case with >= mass:
			return m + 1
		default:
			mass -= with
			lo = m + 1
		}
	}
	return max(lo, 1)
}

// bag counts tokens and lists the distinct ones, both in constant time.
type bag struct {
	count []int32 // [V]
	place []int32 // [V] of a counted token in list
	list  []int32
}

func newBag(vocab int) *bag {
	return &bag{count: make([]int32, vocab), place: make([]int32, vocab), list: make([]int32, 0, 1024)}
}

func (b *bag) add(id int32) {
	if id < 0 || int(id) >= len(b.count) {
		return
	}
	if b.count[id] == 0 {
		b.place[id] = int32(len(b.list))
		b.list = append(b.list, id)
	}
	b.count[id]++
}

func (b *bag) remove(id int32) {
	if id < 0 || int(id) >= len(b.count) || b.count[id] == 0 {
		return
	}
	if b.count[id]--; b.count[id] > 0 {
		return
	}
	last := b.list[len(b.list)-1]
	b.list[b.place[id]] = last
	b.place[last] = b.place[id]
	b.list = b.list[:len(b.list)-1]
}
