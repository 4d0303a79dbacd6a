package token

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"kuai/token/merge"
	"kuai/token/split"
)

// TrainConfig says what to learn.
type TrainConfig struct {
	Size    int      // tokens of the vocabulary, the 256 bytes and the special ones among them
	Split   string   // GGUF's name: gpt-2, smollm, llama-bpe, qwen2 or gpt-4o
	Special []string // control tokens, which come first
	// MinCount is how often a pair must occur to become a token; 0: once.
	MinCount int64
	// Progress, which may be nil, is told how many tokens there are.
	Progress func(tokens, size int)
}

// Train learns a byte-level BPE vocabulary from texts and returns it as
// tokenizer.json. The same texts give the same vocabulary in any order, and the
// same as the Python package tokenizers learns.
//
// Words are counted first; then the most frequent pair of neighbours becomes a
// token, of equals the one of smaller numbers, until there are enough.
//
// Source: Sennrich et al., arXiv:1508.07909.
func Train(ctx context.Context, texts iter.Seq[string], c TrainConfig) ([]byte, error) {
	words, ok := split.ByName(c.Split)
	if !ok {
		return nil, fmt.Errorf("token: the split %q is not known", c.Split)
	}
	if low := 256 + len(c.Special); c.Size < low || c.Size > MaxVocabulary {
		return nil, fmt.Errorf("token: a vocabulary of %d, want %d to %d", c.Size, low, MaxVocabulary)
	}
	counts := map[string]int64{}
	for text := range texts {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		words(text, func(word string) {
			if _, seen := counts[word]; !seen {
				word = strings.Clone(word) // or all texts would be kept
			}
			counts[word]++
		})
	}
	t := newTrainer(c.Special, counts)
	for i := 0; len(t.names) < c.Size; i++ {
		if i%256 == 0 {
			if err := context.Cause(ctx); err != nil {
				return nil, err
			}
			if c.Progress != nil {
				c.Progress(len(t.names), c.Size)
			}
		}
		if !t.merge(max(c.MinCount, 1)) {
			break
		}
	}
	return t.json(c)
}

// counted is a word on its way: the tokens that it consists of by now.
type counted struct {
	ids   []int32
	count int64
}

// frequent is a pair and how often it occurred when it was put on the heap.
type frequent struct {
	merge.Pair
	count int64
}

type frequents []frequent

func (f frequents) Len() int { return len(f) }
func (f frequents) Less(i, j int) bool {
	if f[i].count != f[j].count {
		return f[i].count > f[j].count
	}
	return cmp.Or(cmp.Compare(f[i].Left, f[j].Left), cmp.Compare(f[i].Right, f[j].Right)) < 0
}
func (f frequents) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *frequents) Push(x any)   { *f = append(*f, x.(frequent)) } //nolint:forcetypeassert // only those are pushed
func (f *frequents) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// trainer merges pairs.
type trainer struct {
	names  []string // of all tokens, in the characters of byte-level vocabularies
	words  []counted
	pairs  map[merge.Pair]int64
	where  map[merge.Pair][]int32 // words that had the pair at some time
	queue  frequents
	merges [][2]string
}

func newTrainer(special []string, counts map[string]int64) *trainer {
	t := &trainer{names: slices.Clone(special), pairs: map[merge.Pair]int64{}, where: map[merge.Pair][]int32{}}
	letters := slices.Sorted(slices.Values(byteRunes[:]))
	var ids [256]int32
	for _, r := range letters {
		ids[runeBytes[r]] = int32(len(t.names))
		t.names = append(t.names, string(r))
	}
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		w := counted{ids: make([]int32, len(word)), count: counts[word]}
		for i := range len(word) {
			w.ids[i] = ids[word[i]]
		}
		t.words = append(t.words, w)
	}
	for i, w := range t.words {
		for j := 1; j < len(w.ids); j++ {
			t.add(merge.Pair{Left: w.ids[j-1], Right: w.ids[j]}, w.count, int32(i))
		}
	}
	for p, n := range t.pairs {
		t.queue = append(t.queue, frequent{p, n})
	}
	heap.Init(&t.queue)
	return t
}

// add counts a pair in a word; words are given in order.
func (t *trainer) add(p merge.Pair, n int64, word int32) {
	t.pairs[p] += n
	list := t.where[p]
	if n > 0 && (len(list) == 0 || list[len(list)-1] != word) {
		t.where[p] = append(list, word)
	}
}

// merge makes the most frequent pair a token; false where none is frequent
// enough.
func (t *trainer) merge(least int64) bool {
	for len(t.queue) > 0 {
		top := heap.Pop(&t.queue).(frequent) //nolint:forcetypeassert // only those are pushed
		if now := t.pairs[top.Pair]; now != top.count {
			if now > 0 {
				heap.Push(&t.queue, frequent{top.Pair, now})
			}
			continue
		}
		if top.count < least {
			return false
		}
		t.apply(top.Pair)
		return true
	}
	return false
}

// apply replaces a pair by a new token in all words.
func (t *trainer) apply(p merge.Pair) {
	id := int32(len(t.names))
	left, right := t.names[p.Left], t.names[p.Right]
	t.names = append(t.names, left+right)
	t.merges = append(t.merges, [2]string{left, right})
	list := t.where[p]
	delete(t.where, p)
	slices.Sort(list)
	changed := map[merge.Pair]bool{}
	for k, i := range list {
		if k > 0 && list[k-1] == i {
			continue
		}
		t.replace(i, p, id, changed)
	}
	delete(t.pairs, p)
	for q := range changed {
		if q != p && t.pairs[q] > 0 {
			heap.Push(&t.queue, frequent{q, t.pairs[q]})
		}
	}
}

// replace rewrites a word and the counts of the pairs at the places.
func (t *trainer) replace(i int32, p merge.Pair, id int32, changed map[merge.Pair]bool) {
	w := &t.words[i]
	out := w.ids[:0]
	for j := 0; j < len(w.ids); j++ {
		if j+1 >= len(w.ids) || w.ids[j] != p.Left || w.ids[j+1] != p.Right {
			out = append(out, w.ids[j])
			continue
		}
		if len(out) > 0 {
			before := out[len(out)-1]
			t.add(merge.Pair{Left: before, Right: p.Left}, -w.count, i)
			t.add(merge.Pair{Left: before, Right: id}, w.count, i)
			changed[merge.Pair{Left: before, Right: id}] = true
		}
		if j+2 < len(w.ids) {
			after := w.ids[j+2]
			t.add(merge.Pair{Left: p.Right, Right: after}, -w.count, i)
			t.add(merge.Pair{Left: id, Right: after}, w.count, i)
			changed[merge.Pair{Left: id, Right: after}] = true
		}
		out = append(out, id)
		j++
	}
	w.ids = out
}

// json writes tokenizer.json.
func (t *trainer) json(c TrainConfig) ([]byte, error) {
	pre, err := jsonSplit(c.Split)
	if err != nil {
		return nil, err
	}
	vocab := make(map[string]int, len(t.names))
	for i, n := range t.names {
		vocab[n] = i
	}
	special := []map[string]any{}
	for i, s := range c.Special {
		special = append(special, addedToken(i, s, true))
	}
	merges := t.merges
	if merges == nil {
		merges = [][2]string{}
	}
	return json.MarshalIndent(document(pre, special, vocab, merges, c.Split == "llama-bpe"), "", " ")
}
