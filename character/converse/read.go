package converse

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"kuai/character/memory"
	"kuai/character/memory/term"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/kernel/vec"
	"kuai/text"
	"kuai/train/talk"
)

const (
	// maxLines are the tokens of what the model writes of a turn.
	maxLines = 96
	// together is how many turns are read at once.
	together = 32
	// width is how many ways to go on are followed, maxTries how many tokens are
	// tried for them.
	width    = 4
	maxTries = 100
)

// Reader finds facts and what is asked for with the companion model, in the
// words of the user alone: what the model makes up is left out, because it
// stands nowhere in the turn. Where the model finds no fact, the patterns of
// memory.Rules may.
type Reader struct {
	model *text.Model
	codec *talk.Codec
	last  memory.Turn // what was read last: a turn is read as a question, then kept
	read  memory.Reading
}

// NewReader returns the reader of a model of the kuai architecture. It belongs
// to one goroutine.
func NewReader(m *text.Model) (*Reader, error) {
	codec, err := codecOf(m)
	if err != nil {
		return nil, err
	}
	return &Reader{model: m, codec: codec}, nil
}

// Read reads turns of the user's. With a model that fails none says anything:
// the turns themselves are kept all the same.
func (r *Reader) Read(turns ...memory.Turn) []memory.Reading {
	out := memory.Rules{}.Read(turns...)
	var at []int
	for i, t := range turns {
		switch {
		case len(turns) == 1 && t.Text == r.last.Text && t.Time.Equal(r.last.Time):
			return []memory.Reading{r.read}
		case t.Speaker == fact.User && len(t.Text) <= maxText:
			at = append(at, i)
		}
	}
	for some := range slices.Chunk(at, together) {
		prompts, spell := make([][]int32, len(some)), make([]speller, len(some))
		for i, j := range some {
			l := fact.English
			if term.Chinese(turns[j].Text) {
				l = fact.Chinese
			}
			spell[i] = newSpeller(turns[j].Text)
			prompts[i] = r.codec.Prompt(companion.Sample{
				{Role: companion.Memory, Text: fact.Today(l, turns[j].Time)}, {Role: companion.User, Text: turns[j].Text},
			}, companion.Extract)
		}
		lines, err := r.lines(prompts, spell)
		if err != nil {
			return out
		}
		for i, j := range some {
			out[j] = stated(lines[i], turns[j].Text, out[j])
		}
	}
	if len(turns) == 1 {
		r.last, r.read = turns[0], out[0]
	}
	return out
}

// stated returns what lines say whose words stand in what was said, or what was
// found before if they tell nothing.
func stated(lines, said string, before memory.Reading) memory.Reading {
	said = strings.ToLower(said)
	has := func(s string) bool { return strings.Contains(said, strings.ToLower(s)) }
	whom := func(subject string) bool {
		return subject == fact.User || !slices.ContainsFunc(strings.FieldsFunc(subject, func(r rune) bool { return r == ' ' || r == '的' }), func(w string) bool {
			return !has(strings.TrimSuffix(w, "'s"))
		})
	}
	var out memory.Reading
	for _, f := range fact.ParseLines(lines) {
		if has(f.Object) && whom(f.Subject) {
			out.Facts = append(out.Facts, f)
		}
	}
	for _, q := range fact.ParseQueries(lines) {
		if has(q.Object) && whom(q.Subject) {
			out.Asked = append(out.Asked, q)
		}
	}
	if out.Facts == nil && out.Asked == nil {
		return before
	}
	return out
}

// lines lets the model go on from each prompt, by the likeliest tokens that can
// be written of its turn. Where those are not the likeliest of all, which is
// where the model knows whom it means and cannot spell it, several ways to go on
// are followed.
func (r *Reader) lines(prompts [][]int32, spell []speller) ([]string, error) {
	ctx := context.Background() //nolint:forbidigo // a turn that is kept is read, whatever becomes of its caller
	live := make([]text.Slice, len(prompts))
	at := make([]int, len(prompts)) // which prompt a slice belongs to
	for i, p := range prompts {
		live[i], at[i] = text.Slice{Session: r.model.NewSession(), Tokens: p, Logits: make([]float32, r.model.Config().Vocab)}, i
		defer live[i].Session.Close()
	}
	written := make([]string, len(prompts))
	var unsure []int
	for range maxLines {
		if err := r.model.Step(ctx, live); err != nil {
			return nil, err
		}
		n := 0
		for i, s := range live {
			id := likeliest(s.Logits)
			end := id == r.codec.End || r.codec.Tokenizer.Control(id)
			next := written[at[i]]
			if !end {
				next += string(r.codec.Tokenizer.Bytes(id))
			}
			switch {
			case end && !spell[at[i]].whole(lastLine(next)), !end && !spell[at[i]].may(next):
				unsure = append(unsure, at[i])
			case !end:
				written[at[i]] = next
				s.Tokens = []int32{id}
				live[n], at[n] = s, at[i]
				n++
			}
		}
		if live, at = live[:n], at[:n]; n == 0 {
			break
		}
	}
	return written, r.search(ctx, prompts, spell, unsure, written)
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

func likeliest(logits []float32) int32 {
	best := 0
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	return int32(best)
}

// beam is a way to go on.
type beam struct {
	session *text.Session
	logits  []float32
	written string
	score   float32 // log-probability
}

// hunt is a beam search for the lines of one prompt.
type hunt struct {
	spell speller
	beams []*beam
	best  string
	score float32 // of best
}

// search writes the likeliest lines that can be written, of a beam search, for
// some of the prompts.
func (r *Reader) search(ctx context.Context, prompts [][]int32, spell []speller, which []int, written []string) error {
	vocab := r.model.Config().Vocab
	hunts := make([]*hunt, len(which))
	var steps []text.Slice
	for i, j := range which {
		b := &beam{session: r.model.NewSession(), logits: make([]float32, vocab)}
		hunts[i] = &hunt{spell: spell[j], beams: []*beam{b}, best: fact.Nothing, score: float32(math.Inf(-1))}
		steps = append(steps, text.Slice{Session: b.session, Tokens: prompts[j], Logits: b.logits})
	}
	defer func() {
		for _, h := range hunts {
			h.close()
		}
	}()
	for n := 0; n < maxLines && len(steps) > 0; n++ {
		if err := r.model.Step(ctx, steps); err != nil {
			return err
		}
		steps = steps[:0]
		for _, h := range hunts {
			steps = append(steps, r.spread(h)...)
		}
	}
	for i, j := range which {
		written[j] = hunts[i].best
	}
	return nil
}

// spread takes a search's beams one token on, to the likeliest of all ways; it
// returns the steps that this needs, none at the end.
func (r *Reader) spread(h *hunt) (steps []text.Slice) {
	var next []choice
	for _, b := range h.beams {
		ways, whole := r.ways(b, h.spell)
		if whole > h.score {
			h.best, h.score = b.written, whole
		}
		next = append(next, ways...)
	}
	slices.SortFunc(next, func(x, y choice) int { return cmp.Compare(y.score, x.score) })
	next = next[:min(len(next), width)]
	if len(next) == 0 || next[0].score <= h.score {
		h.close()
		return nil
	}
	beams := make([]*beam, len(next))
	for i, c := range next {
		b := &beam{session: c.from.session.Fork(), logits: make([]float32, len(c.from.logits)), written: c.from.written + string(r.codec.Tokenizer.Bytes(c.token)), score: c.score}
		beams[i] = b
		steps = append(steps, text.Slice{Session: b.session, Tokens: []int32{c.token}, Logits: b.logits})
	}
	h.close()
	h.beams = beams
	return steps
}

func (h *hunt) close() {
	for _, b := range h.beams {
		b.session.Close()
	}
	h.beams = nil
}

// choice is a token that goes on from a beam.
type choice struct {
	from  *beam
	token int32
	score float32
}

// ways returns the likeliest tokens that can follow a beam, and the score of
// ending here: -Inf where what is written is not whole.
func (r *Reader) ways(b *beam, spell speller) (ways []choice, whole float32) {
	whole = float32(math.Inf(-1))
	logp := make([]float32, len(b.logits))
	vec.LogSoftmax(logp, b.logits, 1, len(logp))
	if spell.whole(lastLine(b.written)) {
		whole = b.score + logp[r.codec.End]
	}
	for range maxTries {
		id := likeliest(logp)
		score := b.score + logp[id]
		logp[id] = float32(math.Inf(-1))
		if r.codec.Tokenizer.Control(id) || id == r.codec.End || !spell.may(b.written+string(r.codec.Tokenizer.Bytes(id))) {
			continue
		}
		if ways = append(ways, choice{b, id, score}); len(ways) == width {
			break
		}
	}
	return ways, whole
}
