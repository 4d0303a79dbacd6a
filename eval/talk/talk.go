// Package talk measures a companion model on what training held out: bits a
// byte of natural texts, questions whose answer stands in a memory pack or does
// not, and whether its replies loop, break off or change the language.
package talk

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"unicode"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/internal/report"
	"kuai/kernel/vec"
	"kuai/serve/upstream"
	"kuai/text"
	"kuai/text/sample"
	"kuai/train/talk"
)

// Bars: of questions with a memory pack of held-out values and wordings.
const (
	barRight = 0.95
	barFalse = 0.03
	barStale = 0.05
)

const (
	maxReply   = 80 // tokens
	maxWindow  = 1024
	loopLength = 4 // words or characters that come again and again
	loopTimes  = 3
)

// Config says what to measure.
type Config struct {
	Questions int // of each kind and language
	Documents int // of each text
	Replies   int // of each language
	Pairs     int // of each language, of a right and a wrong reply
	Corpora   []*talk.Corpus
	Split     companion.Split
	View      func(what string) // told what comes next; may be nil
}

// Run measures a model.
func Run(ctx context.Context, m *text.Model, cfg Config) (*report.Report, error) {
	codec, err := talk.NewCodec(m.Tokenizer())
	if err != nil {
		return nil, err
	}
	e := &evaluation{m: m, codec: codec, cfg: cfg, rep: &report.Report{Machine: report.Machine()}}
	if e.cfg.View == nil {
		e.cfg.View = func(string) {}
	}
	for _, part := range []func(context.Context) error{e.bits, e.questions, e.byHand, e.pairs, e.replies} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	e.rep.Note(report.Protocol{Figures: "right*, stale, false*, denied", Judge: "whether an accepted answer, and no stale one, stands in the reply; of what was never told, whether it says so", Budget: "the pack that the case gives"})
	e.rep.Note(report.Protocol{Figures: "pairs*", Judge: "the model's own likelihood of either reply, a byte", Budget: "the dialogue before it"})
	return e.rep, nil
}

type evaluation struct {
	m     *text.Model
	codec *talk.Codec
	cfg   Config
	rep   *report.Report
}

// Speaker answers questions with a model: eval/memory's Answerer.
type Speaker struct{ e *evaluation }

// NewSpeaker returns a speaker, or says what its vocabulary lacks.
func NewSpeaker(m *text.Model) (*Speaker, error) {
	codec, err := talk.NewCodec(m.Tokenizer())
	if err != nil {
		return nil, err
	}
	return &Speaker{&evaluation{m: m, codec: codec}}, nil
}

// Answer answers a question with a memory pack before it, by the likeliest
// tokens.
func (s *Speaker) Answer(ctx context.Context, pack, question string) (string, error) {
	reply, _, err := s.e.reply(ctx, companion.Sample{{Role: companion.Memory, Text: pack}, {Role: companion.User, Text: question}}, nil)
	return reply, err
}

// Talk answers a whole conversation, by the likeliest tokens.
func (s *Speaker) Talk(ctx context.Context, messages []upstream.Message) (string, error) {
	roles := map[string]companion.Role{"system": companion.System, "assistant": companion.Assistant}
	var parts companion.Sample
	for _, m := range messages {
		role, ok := roles[m.Role]
		if !ok {
			role = companion.User
		}
		parts = append(parts, companion.Part{Role: role, Text: m.Content})
	}
	reply, _, err := s.e.reply(ctx, parts, nil)
	return reply, err
}

// Tokens counts a text's tokens.
func (s *Speaker) Tokens(text string) int { return len(s.e.codec.Tokenizer.Encode(text, false)) }

// Reread reads a history from its beginning.
func (s *Speaker) Reread(ctx context.Context, history string) error {
	session := s.e.m.NewSession()
	defer session.Close()
	return session.Prefill(ctx, s.e.codec.Tokenizer.Encode(history, false), make([]float32, s.e.m.Config().Vocab), nil)
}

// bits measures bits a byte of the part of each text that is held out.
func (e *evaluation) bits(ctx context.Context) error {
	for _, c := range e.cfg.Corpora {
		e.cfg.View("bits a byte of " + c.Name)
		var nats float64
		bytes := 0
		for i := range e.cfg.Documents {
			d, ok := c.Held(i)
			if !ok {
				break
			}
			n, b, err := e.score(ctx, d)
			if err != nil {
				return err
			}
			nats, bytes = nats+n, bytes+b
		}
		if bytes == 0 {
			e.rep.Missing("bits_per_byte_"+c.Name, "bits", "nothing is held out")
			continue
		}
		e.rep.Add("bits_per_byte_"+c.Name, nats/math.Ln2/float64(bytes), "bits")
	}
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		e.cfg.View("bits a byte of written conversations, " + languages[l])
		var nats float64
		bytes := 0
		all := companion.Company(companion.Test, l)
		for _, d := range all[:min(len(all), e.cfg.Documents)] {
			n, b, err := e.score(ctx, d)
			if err != nil {
				return err
			}
			nats, bytes = nats+n, bytes+b
		}
		e.rep.Add("bits_per_byte_conversations_"+languages[l], nats/math.Ln2/float64(max(bytes, 1)), "bits")
	}
	return nil
}

// score returns the nats that a document's text costs and its bytes. Parts
// past the window are left out.
func (e *evaluation) score(ctx context.Context, d companion.Sample) (nats float64, bytes int, err error) {
	ids, scored := e.codec.Scored(d)
	if len(ids) > maxWindow {
		ids, scored = ids[:maxWindow], scored[:maxWindow]
	}
	v := e.m.Config().Vocab
	all := make([]float32, (len(ids)-1)*v)
	s := e.m.NewSession()
	defer s.Close()
	if err := e.m.Step(ctx, []text.Slice{{Session: s, Tokens: ids[:len(ids)-1], All: all}}); err != nil {
		return 0, 0, err
	}
	logp := make([]float32, v)
	for i, id := range ids[1:] {
		if scored[i+1] {
			vec.LogSoftmax(logp, all[i*v:(i+1)*v], 1, v)
			nats -= float64(logp[id])
			bytes += len(e.codec.Tokenizer.Bytes(id))
		}
	}
	return nats, bytes, nil
}

// tally counts verdicts.
type tally struct{ n, right, stale, wrong, denied int }

func (t *tally) add(v companion.Verdict) {
	t.n++
	for _, c := range []struct {
		is bool
		to *int
	}{{v.Right, &t.right}, {v.Stale, &t.stale}, {v.False, &t.wrong}, {v.Denied, &t.denied}} {
		if c.is {
			*c.to++
		}
	}
}

func share(n, of int) float64 { return float64(n) / float64(max(of, 1)) }

// questions asks what a pack answers or does not.
func (e *evaluation) questions(ctx context.Context) error {
	all, never := tally{}, tally{}
	var wrong []map[string]string
	update := tally{}
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		for kind := range companion.QuizKinds {
			e.cfg.View(fmt.Sprintf("questions: %v, %s", kind, languages[l]))
			t := tally{}
			for i := range e.cfg.Questions {
				q := companion.NewQuiz(rand.New(rand.NewPCG(uint64(i), 77)), e.cfg.Split, l, kind)
				reply, _, err := e.reply(ctx, companion.Sample{{Role: companion.Memory, Text: q.Pack}, {Role: companion.User, Text: q.Ask}}, nil)
				if err != nil {
					return err
				}
				v := q.Judge(reply)
				t.add(v)
				if !v.Right && len(wrong) < 40 {
					wrong = append(wrong, map[string]string{"kind": kind.String(), "pack": q.Pack, "ask": q.Ask, "reply": reply, "answer": q.Answer})
				}
				switch kind {
				case companion.QuizNever:
					never.add(v)
				default:
					all.add(v)
					if kind == companion.QuizUpdate {
						update.add(v)
					}
				}
			}
			e.rep.Add(fmt.Sprintf("right_%v_%s", kind, languages[l]), share(t.right, t.n), "of questions")
		}
	}
	e.rep.AtLeast("right", share(all.right, all.n), barRight, "of questions")
	e.rep.AtMost("false_memories", share(never.wrong, never.n), barFalse, "of questions never told")
	e.rep.AtMost("stale", share(update.stale, update.n), barStale, "of questions after an update")
	e.rep.Add("denied", share(all.denied, all.n), "of questions told")
	e.rep.Notes = map[string]any{"wrong": wrong}
	return nil
}

var languages = [...]string{fact.English: "en", fact.Chinese: "zh"}

// reply lets the model answer; with a sampler, else by the likeliest tokens. It
// says whether the reply came to its end.
func (e *evaluation) reply(ctx context.Context, parts companion.Sample, draw *sample.Sampler) (reply string, ended bool, err error) {
	s := e.m.NewSession()
	defer s.Close()
	logits := make([]float32, e.m.Config().Vocab)
	if err := s.Prefill(ctx, e.codec.Prompt(parts, companion.Assistant), logits, nil); err != nil {
		return "", false, err
	}
	ids, ended, err := e.draw(ctx, s, logits, draw)
	return e.codec.Tokenizer.Decode(ids), ended, err
}

// draw writes a reply's tokens, given the logits of the first, and says whether
// it came to its end.
func (e *evaluation) draw(ctx context.Context, s *text.Session, logits []float32, draw *sample.Sampler) (ids []int32, ended bool, err error) {
	for range maxReply {
		id := int32(best(logits))
		if draw != nil {
			choice, err := draw.Next(logits, nil)
			if err != nil {
				return nil, false, err
			}
			id = choice.Token
		}
		if id == e.codec.End || e.codec.Tokenizer.Control(id) {
			return ids, id == e.codec.End, nil
		}
		ids = append(ids, id)
		if err := e.m.Step(ctx, []text.Slice{{Session: s, Tokens: []int32{id}, Logits: logits}}); err != nil {
			return nil, false, err
		}
	}
	return ids, false, nil
}

func best(x []float32) int {
	at := 0
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return at
}

// replies looks at what the model says to small talk.
func (e *evaluation) replies(ctx context.Context) error {
	mix := companion.Mix{}
	mix.Formats[companion.Small] = 1
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		e.cfg.View("replies: " + languages[l])
		mix.Chinese = float64(l)
		var loops, cut, mixed, empty, n int
		r := rand.New(rand.NewPCG(5, uint64(l)))
		for n < e.cfg.Replies {
			d := companion.Draw(r, companion.Test, mix)
			for len(d) > 0 && d[len(d)-1].Role != companion.User {
				d = d[:len(d)-1]
			}
			if len(d) == 0 {
				continue
			}
			draw, err := sample.New(sample.Params{Temperature: 0.7, TopP: 0.95, Seed: uint64(n) + 1}, e.m.Config().Vocab)
			if err != nil {
				return err
			}
			reply, ended, err := e.reply(ctx, d, draw)
			if err != nil {
				return err
			}
			n++
			count(&loops, looped(reply))
			count(&cut, !ended)
			count(&empty, strings.TrimSpace(reply) == "")
			count(&mixed, mixes(reply, l))
		}
		for _, x := range []struct {
			name string
			n    int
		}{{"loops", loops}, {"cut", cut}, {"empty", empty}, {"mixed", mixed}} {
			e.rep.Add(fmt.Sprintf("%s_%s", x.name, languages[l]), share(x.n, n), "of replies")
		}
	}
	return nil
}

func count(n *int, is bool) {
	if is {
		*n++
	}
}

// looped says whether a run of words or characters comes again and again.
func looped(s string) bool {
	units := strings.Fields(s)
	if len(units) < len(s)/20 {
		units = strings.Split(s, "")
	}
	seen := map[string]int{}
	for i := 0; i+loopLength <= len(units); i++ {
		key := strings.Join(units[i:i+loopLength], " ")
		if seen[key]++; seen[key] >= loopTimes {
			return true
		}
	}
	return false
}

// mixes says whether a reply is in the other language.
func mixes(s string, l fact.Language) bool {
	han, latin := 0, 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Han, r):
			han++
		case r < unicode.MaxASCII && unicode.IsLetter(r):
			latin++
		}
	}
	if l == fact.Chinese {
		return latin > 3*han
	}
	return han > 0
}
