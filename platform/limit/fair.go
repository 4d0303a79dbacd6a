package limit

import (
	"container/heap"
	"slices"
)

// fair orders what waits: weighted fair queueing twice over. Between classes,
// so that urgent work goes first and the rest is not starved; in a class
// between tenants, so that each gets its share however much it asks for; of a
// tenant first come, first served.
//
// Every flow has a tag, the virtual time at which its next item begins. The
// smallest tag goes first, and moves on by cost/weight. A flow that was idle
// begins at the present: nobody saves up.
//
// Source: Goyal, Vin, Cheng, Start-time Fair Queuing, SIGCOMM 1996.
type fair struct {
	classes flows[Class, *flows[string, *waiter]]
	waiting int
}

// Class is how urgent work is.
type Class int

// Classes. Where all have work waiting, of 21 turns 16 go to Urgent, four to
// Normal and one to Batch.
const (
	Normal Class = iota
	Urgent
	Batch
)

func (c Class) weight() int64 {
	switch c {
	case Urgent:
		return 16
	case Normal:
		return 4
	case Batch:
	}
	return 1
}

// waiter is one who waits for a slot.
type waiter struct {
	tenant string
	class  Class
	weight int64 // of the tenant, at least 1
	cost   int64 // of the work, at least 1
	ready  chan struct{}
}

// tagScale makes a cost of one at the largest weight a step that is not lost
// to rounding.
const (
	tagScale  = 1 << 20
	maxWeight = 1 << 10
	maxCost   = 1 << 20
	rebaseAt  = 1 << 60 // when virtual time begins anew, long before it overflows
)

// flows is one level of fair queueing.
type flows[K comparable, Item any] struct {
	by    map[K]*flow[K, Item]
	queue flowHeap[K, Item] // those with work
	now   int64             // virtual time: the tag of what was served last
	count int64             // arrivals, which order equal tags
}

type flow[K comparable, Item any] struct {
	key   K
	tag   int64
	order int64
	items []Item
	index int // in the heap; -1 if nothing waits
}

func newFlows[K comparable, Item any]() *flows[K, Item] {
	return &flows[K, Item]{by: map[K]*flow[K, Item]{}}
}

// at is the flow of a key, beginning at the present if it was idle.
func (f *flows[K, Item]) at(key K) *flow[K, Item] {
	w, ok := f.by[key]
	if !ok {
		w = &flow[K, Item]{key: key, index: -1}
		f.by[key] = w
	}
	return w
}

// enqueue puts a flow that has got work among those that wait.
func (f *flows[K, Item]) enqueue(w *flow[K, Item]) {
	if w.index >= 0 {
		return
	}
	f.count++
	w.tag, w.order = max(w.tag, f.now), f.count
	heap.Push(&f.queue, w)
}

// serve charges the first flow for an item and puts it back or aside.
func (f *flows[K, Item]) serve(w *flow[K, Item], cost, weight int64, more bool) {
	f.now = w.tag
	if f.now > rebaseAt {
		for _, o := range f.by {
			o.tag = max(o.tag-f.now, 0)
		}
		f.now = 0
	}
	w.tag += cost * tagScale / weight
	if more {
		f.count++
		w.order = f.count
		heap.Fix(&f.queue, w.index)
		return
	}
	f.idle(w)
}

// idle takes a flow that has no work left out. Its tag is kept as long as it
// lies in the future: leaving and coming back wins nothing.
func (f *flows[K, Item]) idle(w *flow[K, Item]) {
	heap.Remove(&f.queue, w.index)
	if len(f.queue) == 0 {
		clear(f.by) // nobody waits, nobody is owed
		f.now = 0
		return
	}
	if w.tag <= f.now {
		delete(f.by, w.key)
	}
	if len(f.by) > 2*len(f.queue)+64 {
		for k, o := range f.by {
			if o.index < 0 && o.tag <= f.now {
				delete(f.by, k)
			}
		}
	}
}

func newFair() *fair {
	return &fair{classes: *newFlows[Class, *flows[string, *waiter]]()}
}

// push lets one wait.
func (f *fair) push(w *waiter) {
	f.waiting++
	class := f.classes.at(w.class)
	if class.items == nil {
		class.items = []*flows[string, *waiter]{newFlows[string, *waiter]()}
	}
	tenants := class.items[0]
	flow := tenants.at(w.tenant)
	flow.items = append(flow.items, w)
	tenants.enqueue(flow)
	f.classes.enqueue(class)
}

// pop takes the next one out, nil if none waits.
func (f *fair) pop() *waiter {
	if f.waiting == 0 {
		return nil
	}
	class := f.classes.queue[0]
	tenants := class.items[0]
	flow := tenants.queue[0]
	w := flow.items[0]
	flow.items[0] = nil
	flow.items = flow.items[1:]
	f.waiting--
	tenants.serve(flow, w.cost, w.weight, len(flow.items) > 0)
	f.classes.serve(class, w.cost, w.class.weight(), len(tenants.queue) > 0)
	return w
}

// remove takes one out who has given up; false says that it was popped before.
func (f *fair) remove(w *waiter) bool {
	class, ok := f.classes.by[w.class]
	if !ok || class.items == nil {
		return false
	}
	tenants := class.items[0]
	flow, ok := tenants.by[w.tenant]
	if !ok {
		return false
	}
	i := slices.Index(flow.items, w)
	if i < 0 {
		return false
	}
	flow.items = slices.Delete(flow.items, i, i+1)
	f.waiting--
	if len(flow.items) == 0 {
		tenants.idle(flow)
	}
	if len(tenants.queue) == 0 {
		f.classes.idle(class)
	}
	return true
}

// of is how many of a tenant wait in a class.
func (f *fair) of(class Class, tenant string) int {
	c, ok := f.classes.by[class]
	if !ok || c.items == nil {
		return 0
	}
	flow, ok := c.items[0].by[tenant]
	if !ok {
		return 0
	}
	return len(flow.items)
}

// flowHeap is a container/heap of flows, the smallest tag first.
type flowHeap[K comparable, Item any] []*flow[K, Item]

func (h flowHeap[K, Item]) Len() int { return len(h) }

func (h flowHeap[K, Item]) Less(i, j int) bool {
	if h[i].tag != h[j].tag {
		return h[i].tag < h[j].tag
	}
	return h[i].order < h[j].order
}

func (h flowHeap[K, Item]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is heap.Interface's.
func (h *flowHeap[K, Item]) Push(x any) {
	w, _ := x.(*flow[K, Item]) // nothing else is pushed
	w.index = len(*h)
	*h = append(*h, w)
}

// Pop is heap.Interface's.
func (h *flowHeap[K, Item]) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	w.index = -1
	return w
}
