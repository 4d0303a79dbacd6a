package chat

import (
	"slices"
	"time"
)

// minChunk is what prompts get in a step at least, however slow it is.
const minChunk = 16

// plan deals a step's room for prompts. left says how many tokens each
// sequence has still to read, in the order in which they came; the answer is
// how many of them it reads now. Half goes to the first, so that nobody waits
// for ever; half to those that have least to go, so that short questions do
// not wait for long ones; what is left over to whoever can use it.
func plan(left []int, room int, take []int) []int {
	take = slices.Grow(take[:0], len(left))[:len(left)]
	clear(take)
	give := func(i, n int) {
		n = min(n, left[i]-take[i], room)
		take[i] += n
		room -= n
	}
	first := slices.IndexFunc(left, func(n int) bool { return n > 0 })
	if first < 0 {
		return take
	}
	give(first, (room+1)/2)
	for room > 0 {
		least := -1
		for i, n := range left {
			if n > take[i] && (least < 0 || n-take[i] < left[least]-take[least]) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		give(least, room)
	}
	return take
}

// pace learns how long a token of a prompt takes, and one of an answer.
type pace struct{ read, write time.Duration } // 0: not known

// saw notes a step that read some tokens of prompts and wrote for some answers.
func (p *pace) saw(read, written int, took time.Duration) {
	learn := func(d *time.Duration, each time.Duration) {
		if *d == 0 {
			*d = each
		}
		*d += (each - *d) / 4
	}
	switch {
	case read == 0 && written > 0:
		learn(&p.write, took/time.Duration(written))
	case read >= minChunk:
		rest := max(took-p.write*time.Duration(written), took/4)
		learn(&p.read, rest/time.Duration(read))
	}
}

// room is how many tokens of prompts a step may read.
func (p *pace) room(o Options, writing bool) int {
	if !writing {
		return o.Chunk
	}
	if p.read <= 0 {
		return min(o.Chunk, 4*minChunk)
	}
	return max(min(int(o.StepTime/p.read), o.Chunk), minChunk)
}
