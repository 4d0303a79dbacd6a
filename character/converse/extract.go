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

// maxLines are the tokens of what the model writes of a turn's facts.
const maxLines = 96

// Extractor finds facts with the companion model, in the words of the user
// alone: what the model makes up is left out, because its object stands nowhere
// in the turn. What the patterns of memory.Rules find comes first.
type Extractor struct {
	model *text.Model
	codec *talk.Codec
}

// NewExtractor returns the extractor of a model of the kuai architecture.
func NewExtractor(m *text.Model) (*Extractor, error) {
	codec, err := codecOf(m)
	if err != nil {
		return nil, err
	}
	return &Extractor{model: m, codec: codec}, nil
}

// Extract returns the facts of a turn of the user's. A model that fails finds
// none: the turn itself is kept all the same.
func (e *Extractor) Extract(turn memory.Turn) []fact.Fact {
	found := memory.Rules{}.Extract(turn)
	if turn.Speaker != fact.User || len(turn.Text) > maxText {
		return found
	}
	l := fact.English
	if term.Chinese(turn.Text) {
		l = fact.Chinese
	}
	parts := companion.Sample{{Role: companion.Memory, Text: fact.Today(l, turn.Time)}, {Role: companion.User, Text: turn.Text}}
	lines, err := e.lines(parts)
	if err != nil {
		return found
	}
	for _, f := range fact.ParseLines(lines) {
		same := func(g fact.Fact) bool { return g.Subject == f.Subject && g.Predicate == f.Predicate }
		if stated(f, turn.Text) && !slices.ContainsFunc(found, same) {
			found = append(found, f)
		}
	}
	return found
}

// stated says whether a fact's words stand in what was said.
func stated(f fact.Fact, said string) bool {
	said = strings.ToLower(said)
	if _, known := fact.Find(f.Predicate); !known || !strings.Contains(said, strings.ToLower(f.Object)) {
		return false
	}
	return f.Subject == fact.User || !slices.ContainsFunc(strings.Fields(strings.ToLower(f.Subject)), func(w string) bool {
		return !strings.Contains(said, strings.TrimSuffix(w, "'s"))
	})
}

// lines lets the model write the facts of the last part, the likeliest tokens.
func (e *Extractor) lines(parts companion.Sample) (string, error) {
	ctx := context.Background() //nolint:forbidigo // a turn that is kept has its facts found, whatever becomes of its caller
	s := e.model.NewSession()
	defer s.Close()
	logits := make([]float32, e.model.Config().Vocab)
	if err := s.Prefill(ctx, e.codec.Prompt(parts, companion.Extract), logits, nil); err != nil {
		return "", err
	}
	var tokens []int32
	for range maxLines {
		best := int32(0)
		for i, v := range logits {
			if v > logits[best] {
				best = int32(i)
			}
		}
		if best == e.codec.End || e.codec.Tokenizer.Control(best) {
			break
		}
		tokens = append(tokens, best)
		if err := e.model.Step(ctx, []text.Slice{{Session: s, Tokens: []int32{best}, Logits: logits}}); err != nil {
			return "", err
		}
	}
	return e.codec.Tokenizer.Decode(tokens), nil
}
