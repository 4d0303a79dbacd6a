package talk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/internal/report"
	"kuai/text"
	"kuai/train/talk"
)

// ladderBars are the shares of made-up facts that must be recalled from a
// window of so many tokens.
var ladderBars = []struct {
	tokens int
	bar    float64
}{{2 << 10, 0.99}, {16 << 10, 0.99}, {128 << 10, 0.99}, {1 << 20, 0.98}, {3 << 20, 0.95}}

// LadderConfig says how far up to go.
type LadderConfig struct {
	Facts     int // among the chatter
	Questions int
	Most      int // tokens
	Seed      uint64
	View      func(what string) // told what comes next; may be nil
}

// Ladder measures what a model recalls from its own window, without any
// memory: made-up words that belong together, spread over ever more chatter,
// each asked for from the same state. Training saw a few thousand tokens at
// most.
func Ladder(ctx context.Context, m *text.Model, cfg LadderConfig) (*report.Report, error) {
	codec, err := talk.NewCodec(m.Tokenizer())
	if err != nil {
		return nil, err
	}
	e := &evaluation{m: m, codec: codec, rep: &report.Report{Machine: report.Machine()}}
	for _, step := range ladderBars {
		name := fmt.Sprintf("recall_%d", step.tokens)
		if step.tokens > cfg.Most {
			e.rep.Missing(name, "of questions", fmt.Sprintf("only up to %d tokens were asked for", cfg.Most))
			continue
		}
		if cfg.View != nil {
			cfg.View(fmt.Sprintf("%d tokens", step.tokens))
		}
		right, took, err := e.climb(ctx, cfg, step.tokens)
		if err != nil {
			return nil, err
		}
		e.rep.AtLeast(name, right, step.bar, "of questions")
		e.rep.Add(fmt.Sprintf("question_ms_%d", step.tokens), float64(took.Microseconds())/1000, "ms")
	}
	return e.rep, nil
}

// climb reads a ladder of so many tokens and asks; it returns the share that
// was right and the time of a question.
func (e *evaluation) climb(ctx context.Context, cfg LadderConfig, tokens int) (right float64, each time.Duration, err error) {
	const bytesOfToken = 3.5
	r := rand.New(rand.NewPCG(cfg.Seed, uint64(tokens)))
	l := companion.NewLadder(r, companion.Test, fact.English, cfg.Facts, int(float64(tokens-10*cfg.Facts)*bytesOfToken))
	s := e.m.NewSession()
	defer s.Close()
	ids := e.codec.Append([]int32{e.codec.Begin}, companion.Sample{{Role: companion.Text, Text: strings.Join(l.Lines, "\n")}})
	if err := s.Prefill(ctx, ids, nil, nil); err != nil {
		return 0, 0, err
	}
	good := 0
	begin := time.Now()
	for i := range cfg.Questions {
		at := i * len(l.Keys) / cfg.Questions
		f := s.Fork()
		reply, err := e.answer(ctx, f, companion.Sample{{Role: companion.User, Text: l.Keys[at]}})
		f.Close()
		if err != nil {
			return 0, 0, err
		}
		count(&good, strings.TrimSpace(reply) == l.Values[at])
	}
	return share(good, cfg.Questions), time.Since(begin) / time.Duration(max(cfg.Questions, 1)), nil
}

// answer lets the model answer by the likeliest tokens after what the session
// has seen.
func (e *evaluation) answer(ctx context.Context, s *text.Session, parts companion.Sample) (string, error) {
	logits := make([]float32, e.m.Config().Vocab)
	if err := s.Prefill(ctx, append(e.codec.Append(nil, parts), e.codec.Roles[companion.Assistant]), logits, nil); err != nil {
		return "", err
	}
	ids, _, err := e.draw(ctx, s, logits, nil)
	return e.codec.Tokenizer.Decode(ids), err
}
