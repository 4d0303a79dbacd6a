package converse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"kuai/character/card"
	"kuai/companion"
	"kuai/kernel/vec"
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
		system = p.who()
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

// who is who the character is, in the words of its card: what it is told, then
// what it is.
func (p *Prompt) who() string {
	return strings.TrimSpace(p.Expand(strings.TrimSpace(p.Card.SystemPrompt) + " " + strings.TrimSpace(p.Card.Description)))
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
	d, err := s.begin(ctx, p)
	if err != nil {
		return "", err
	}
	defer d.session.Close()
	draw, err := sample.New(p.Sampling, len(d.logits))
	if err != nil {
		return "", err
	}
	reply, err := d.draw(ctx, draw, d.session, show)
	return reply.text, err
}

// drafts are how many replies to small talk are drawn, of which the one is said
// that the turn makes likelier than no turn at all: a small model's likeliest
// reply is one that fits everything, "I see." contextWeight is how much of what
// a reply costs without the turn is taken off what it costs with it.
//
// Source: Li et al., "A Diversity-Promoting Objective Function for Neural
// Conversation Models", arXiv:1510.03055.
const (
	drafts        = 8
	daring        = 0.5 // their temperature at least
	contextWeight = 0.3
)

// Drafts returns replies, the most apt first.
func (s *Companion) Drafts(ctx context.Context, p *Prompt) ([]string, error) {
	d, err := s.begin(ctx, p)
	if err != nil {
		return nil, err
	}
	defer d.session.Close()
	without := d.parts[:max(len(d.parts)-1, 0)]
	general := s.model.NewSession()
	defer general.Close()
	logits := make([]float32, len(d.logits))
	if err := general.Prefill(ctx, s.codec.Prompt(without, companion.Assistant), logits, nil); err != nil {
		return nil, err
	}
	params, n := p.Sampling, drafts
	if params.Temperature == 0 {
		n = 1
	} else {
		params.Temperature = max(params.Temperature, daring)
	}
	all := make([]drawn, n)
	for i := range all {
		if i > 0 && params.Seed != 0 {
			params.Seed++
		}
		draw, err := sample.New(params, len(logits))
		if err != nil {
			return nil, err
		}
		fork := d.session.Fork()
		all[i], err = d.draw(ctx, draw, fork, nil)
		fork.Close()
		if err != nil {
			return nil, err
		}
		nats, err := s.nats(ctx, general, logits, all[i].ids)
		if err != nil {
			return nil, err
		}
		all[i].nats = (all[i].nats - contextWeight*nats) / float64(len(all[i].ids))
	}
	slices.SortStableFunc(all, func(a, b drawn) int { return cmp.Compare(a.nats, b.nats) })
	var out []string
	for _, d := range all {
		if !slices.Contains(out, d.text) {
			out = append(out, d.text)
		}
	}
	return out, nil
}

// nats is what tokens cost after what a session has read, given the logits of
// the first.
func (s *Companion) nats(ctx context.Context, session *text.Session, first []float32, ids []int32) (sum float64, err error) {
	f, v := session.Fork(), len(first)
	defer f.Close()
	logits := make([]float32, v*len(ids))
	copy(logits, first)
	if len(ids) > 1 {
		if err := s.model.Step(ctx, []text.Slice{{Session: f, Tokens: ids[:len(ids)-1], All: logits[v:]}}); err != nil {
			return 0, err
		}
	}
	logp := make([]float32, v)
	for i, id := range ids {
		vec.LogSoftmax(logp, logits[i*v:][:v], 1, v)
		sum -= float64(logp[id])
	}
	return sum, nil
}

// begun is a prompt that a model has read.
type begun struct {
	s       *Companion
	p       *Prompt
	parts   companion.Sample
	prompt  int // tokens
	session *text.Session
	logits  []float32
	ban     []int32
}

// begin reads a prompt. The session is the caller's to close.
func (s *Companion) begin(ctx context.Context, p *Prompt) (*begun, error) {
	d := &begun{s: s, p: p, parts: s.parts(p), logits: make([]float32, s.model.Config().Vocab)}
	next := companion.Assistant
	if p.AsUser {
		next = companion.User
	}
	prompt := append(s.codec.Prompt(d.parts, next), s.codec.Tokenizer.Encode(p.Begun, false)...)
	if p.past != nil {
		prompt = prompt[1:] // the session has begun
	}
	d.prompt = len(prompt)
	if err := p.Admit(ctx, len(prompt), maxReply); err != nil {
		return nil, err
	}
	if p.past != nil {
		d.session = p.past.fork()
	} else {
		d.session = s.model.NewSession()
	}
	if err := d.session.Prefill(ctx, prompt, d.logits, nil); err != nil {
		d.session.Close()
		return nil, err
	}
	p.Used(chat.Usage{Prompt: len(prompt)})
	d.ban = s.foreign(d.parts)
	return d, nil
}

// drawn is a reply and what it costs, in nats.
type drawn struct {
	text string
	ids  []int32
	nats float64
}

// draw draws a reply in a session that has read the prompt. show, which may be
// nil, sees it as it is written.
func (d *begun) draw(ctx context.Context, draw *sample.Sampler, session *text.Session, show func(string)) (out drawn, err error) {
	codec := d.s.codec
	logits, logp := slices.Clone(d.logits), make([]float32, len(d.logits))
	stream := codec.Tokenizer.Stream()
	var b strings.Builder
	put := func(piece string) {
		b.WriteString(piece)
		if show != nil && piece != "" {
			show(piece)
		}
	}
	for i := range maxReply {
		for _, id := range d.ban {
			logits[id] = float32(math.Inf(-1))
		}
		if i == 0 && d.p.Begun != "" { // it had come to an end once, and is asked for more
			logits[codec.End] = float32(math.Inf(-1))
		}
		vec.LogSoftmax(logp, logits, 1, len(logits))
		choice, err := draw.Next(logits, nil)
		if err != nil {
			return out, err
		}
		out.ids = append(out.ids, choice.Token)
		out.nats -= float64(logp[choice.Token])
		if choice.Token == codec.End || codec.Tokenizer.Control(choice.Token) {
			break
		}
		put(stream.Next(choice.Token))
		d.p.Used(chat.Usage{Prompt: d.prompt, Completion: i + 1})
		if err := d.s.model.Step(ctx, []text.Slice{{Session: session, Tokens: []int32{choice.Token}, Logits: logits}}); err != nil {
			return out, err
		}
	}
	put(stream.Flush())
	out.text = b.String()
	return out, nil
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
