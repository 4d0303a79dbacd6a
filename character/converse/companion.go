package converse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"kuai/character/card"
	"kuai/companion"
	"kuai/serve/chat"
	"kuai/text"
	"kuai/text/sample"
	"kuai/train/talk"
)

// Companion speaks with a model of the kuai architecture, in the roles that it
// was trained in: who the character is, the last turns, what is recalled, what
// was said. It was shown no long descriptions, so that of a card it is told the
// system prompt and what of the lorebook the scene calls for.
type Companion struct {
	model *text.Model
	codec *talk.Codec
}

// NewCompanion returns the speaker of a model that was trained as a companion.
func NewCompanion(m *text.Model) (*Companion, error) {
	codec, err := codecOf(m)
	if err != nil {
		return nil, err
	}
	return &Companion{m, codec}, nil
}

// ErrNoCompanion says that a model was not trained as a companion: it speaks
// through its chat template.
var ErrNoCompanion = errors.New("converse: the model was not trained as a companion")

func codecOf(m *text.Model) (*talk.Codec, error) {
	if m.Tokenizer() == nil {
		return nil, errors.New("converse: the model has no tokenizer")
	}
	codec, err := talk.NewCodec(m.Tokenizer())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCompanion, err)
	}
	return codec, nil
}

// Room is what the small model was trained with.
func (*Companion) Room() Room {
	return Room{Card: 256, Pack: packTokens, Recent: recentTokens, Turns: recentTurns, Reply: maxReply}
}

// Sampling is how replies are drawn unless told otherwise: a small model is
// right more often where it is not daring.
func (*Companion) Sampling() sample.Params { return Sampling() }

// Corrected is true.
func (*Companion) Corrected() bool { return true }

// Tokens counts.
func (s *Companion) Tokens(t string) int { return len(s.codec.Tokenizer.Encode(t, false)) }

// parts is the prompt.
func (s *Companion) parts(p *Prompt) companion.Sample {
	var parts companion.Sample
	system := ""
	if p.past == nil { // else it has been seen
		system = strings.TrimSpace(p.Expand(p.Card.SystemPrompt))
	}
	if p.Persona != "" {
		system = strings.TrimSpace(system + "\n" + p.User + ": " + p.Persona)
	}
	if system = s.scene(system, p.Lore); system != "" {
		parts = append(parts, companion.Part{Role: companion.System, Text: system})
	}
	for i, l := range p.Lines {
		if i == p.Asked && p.Memory != "" {
			parts = append(parts, companion.Part{Role: companion.Memory, Text: p.Memory})
		}
		switch {
		case p.past != nil && i < p.Asked: // it has been seen
		case l.Own:
			parts = append(parts, companion.Part{Role: companion.Assistant, Text: l.Text})
		case l.User:
			parts = append(parts, companion.Part{Role: companion.User, Text: l.Text})
		case i < p.Asked: // what others said after the question is not asked of this one
			parts = append(parts, companion.Part{Role: companion.User, Text: l.Name + ": " + l.Text})
		}
	}
	return parts
}

// scene is who the character and the user are, and the entries of the lorebook,
// which are as many as may take half of the room, see lore.
func (s *Companion) scene(system string, lore []card.Entry) string {
	left := s.Room().Card
	var told strings.Builder
	for _, e := range lore {
		text := strings.TrimSpace(e.Content)
		n := s.Tokens(text + "\n")
		if text == "" || n > left {
			continue
		}
		left -= n
		told.WriteString("\n" + text)
	}
	return strings.TrimSpace(cut(system, left, s.Tokens) + told.String())
}

// Speak lets the model speak.
func (s *Companion) Speak(ctx context.Context, p *Prompt, show func(string)) (string, error) {
	vocab := s.model.Config().Vocab
	draw, err := sample.New(p.Sampling, vocab)
	if err != nil {
		return "", err
	}
	var session *text.Session
	if p.past != nil {
		session = p.past.fork()
	} else {
		session = s.model.NewSession()
	}
	defer session.Close()
	logits := make([]float32, vocab)
	parts, next := s.parts(p), companion.Assistant
	if p.AsUser {
		next = companion.User
	}
	prompt := append(s.codec.Prompt(parts, next), s.codec.Tokenizer.Encode(p.Begun, false)...)
	if p.past != nil {
		prompt = prompt[1:] // the session has begun
	}
	if err := p.Admit(ctx, len(prompt), maxReply); err != nil {
		return "", err
	}
	if err := session.Prefill(ctx, prompt, logits, nil); err != nil {
		return "", err
	}
	p.Used(chat.Usage{Prompt: len(prompt)})
	stream := s.codec.Tokenizer.Stream()
	var b strings.Builder
	put := func(piece string) {
		b.WriteString(piece)
		if show != nil && piece != "" {
			show(piece)
		}
	}
	ban := s.foreign(parts)
	for i := range maxReply {
		for _, id := range ban {
			logits[id] = float32(math.Inf(-1))
		}
		if i == 0 && p.Begun != "" { // it had come to an end once, and is asked for more
			logits[s.codec.End] = float32(math.Inf(-1))
		}
		choice, err := draw.Next(logits, nil)
		if err != nil {
			return "", err
		}
		if choice.Token == s.codec.End || s.codec.Tokenizer.Control(choice.Token) {
			break
		}
		put(stream.Next(choice.Token))
		p.Used(chat.Usage{Prompt: len(prompt), Completion: i + 1})
		if err := s.model.Step(ctx, []text.Slice{{Session: session, Tokens: []int32{choice.Token}, Logits: logits}}); err != nil {
			return "", err
		}
	}
	put(stream.Flush())
	return b.String(), nil
}

// foreign are the tokens with Chinese characters, where nothing before a reply
// has one: a small model that samples may stray into the other language.
func (s *Companion) foreign(parts companion.Sample) (ids []int32) {
	if slices.ContainsFunc(parts, func(p companion.Part) bool { return hasHan(p.Text) }) {
		return nil
	}
	for id := range int32(s.model.Config().Vocab) {
		if hasHan(string(s.codec.Tokenizer.Bytes(id))) {
			ids = append(ids, id)
		}
	}
	return ids
}

func hasHan(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}
