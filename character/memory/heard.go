package memory

import "slices"

// heard is the words of the turns found so far: one that says nearly the same
// again would only take another's place.
type heard struct {
	share float32 // of the words of both that are in common; 0 for no matter
	turns [][]uint64
}

// before says whether a turn of such terms was heard, and else remembers it.
func (h *heard) before(terms []uint64) bool {
	if h.share <= 0 {
		return false
	}
	slices.Sort(terms)
	terms = slices.Compact(terms)
	for _, other := range h.turns {
		if inCommon(terms, other) >= h.share {
			return true
		}
	}
	h.turns = append(h.turns, terms)
	return false
}

// inCommon is the share of the members of two rising lists that are in both.
func inCommon(a, b []uint64) float32 {
	both, i, j := 0, 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			both, i, j = both+1, i+1, j+1
		}
	}
	all := len(a) + len(b) - both
	if all == 0 {
		return 1
	}
	return float32(both) / float32(all)
}
