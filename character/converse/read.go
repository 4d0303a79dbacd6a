package converse

import (
	"context"
	"slices"
	"strings"

	"kuai/character/memory"
	"kuai/character/memory/term"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/text"
	"kuai/train/talk"
)

const (
	// maxLines are the tokens of what the model writes of a turn.
	maxLines = 96
	// together is how many turns are read at once.
	together = 32
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
		prompts := make([][]int32, len(some))
		for i, j := range some {
			l := fact.English
			if term.Chinese(turns[j].Text) {
				l = fact.Chinese
			}
			prompts[i] = r.codec.Prompt(companion.Sample{
				{Role: companion.Memory, Text: fact.Today(l, turns[j].Time)}, {Role: companion.User, Text: turns[j].Text},
			}, companion.Extract)
		}
		lines, err := r.lines(prompts)
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

// lines lets the model go on from each prompt, by the likeliest tokens.
func (r *Reader) lines(prompts [][]int32) ([]string, error) {
	ctx := context.Background() //nolint:forbidigo // a turn that is kept is read, whatever becomes of its caller
	vocab := r.model.Config().Vocab
	live := make([]text.Slice, len(prompts))
	at := make([]int, len(prompts)) // which prompt a slice belongs to
	for i, p := range prompts {
		live[i], at[i] = text.Slice{Session: r.model.NewSession(), Tokens: p, Logits: make([]float32, vocab)}, i
		defer live[i].Session.Close()
	}
	written := make([][]int32, len(prompts))
	for range maxLines {
		if err := r.model.Step(ctx, live); err != nil {
			return nil, err
		}
		n := 0
		for i, s := range live {
			best := likeliest(s.Logits)
			if best == r.codec.End || r.codec.Tokenizer.Control(best) {
				continue
			}
			written[at[i]] = append(written[at[i]], best)
			s.Tokens = []int32{best}
			live[n], at[n] = s, at[i]
			n++
		}
		if live, at = live[:n], at[:n]; n == 0 {
			break
		}
	}
	out := make([]string, len(prompts))
	for i, w := range written {
		out[i] = r.codec.Tokenizer.Decode(w)
	}
	return out, nil
}

func likeliest(logits []float32) int32 {
	best := 0
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	return int32(best)
}
