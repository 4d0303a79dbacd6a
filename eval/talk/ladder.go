package talk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/internal/report"
	"kuai/kernel/peak"
	"kuai/par"
	"kuai/text"
	"kuai/train/talk"
)

// ladderBars are the shares of made-up facts that must be recalled from a
// window of so many tokens: the first two are what training has seen.
var ladderBars = []struct {
	tokens int
	bar    float64
}{{500, 0.99}, {2_000, 0.99}, {8_000, 0.99}, {80_000, 0.99}, {800_000, 0.98}, {3_000_000, 0.95}}

// tokenRuns is how often a token is timed; the least counts, since others may
// share the machine.
const tokenRuns = 12

// LadderConfig says how far up to go.
type LadderConfig struct {
	Facts     int // among the chatter
	Questions int // at most Facts
	Least     int // tokens
	Most      int
	Exact     bool
	Bits      []int // of the keys of rooms: 4, 8
	Dir       string
	Pool      *par.Pool // the model's
	Seed      uint64
	View      func(what string) // told what comes next; may be nil
}

// Ladder measures what a model recalls from its own window, without any other
// memory: made-up words that belong together, spread over ever more chatter,
// each asked for from the same state. The window is kept exactly, in memory, or
// in rooms (text.Room), whose files are made in a directory and removed.
func Ladder(ctx context.Context, m *text.Model, cfg LadderConfig) (*report.Report, error) {
	codec, err := talk.NewCodec(m.Tokenizer())
	if err != nil {
		return nil, err
	}
	if cfg.View == nil {
		cfg.View = func(string) {}
	}
	e := &evaluation{m: m, codec: codec, rep: &report.Report{Machine: report.Machine()}}
	for _, step := range ladderBars {
		l := e.ladder(cfg, step.tokens, step.bar)
		if step.tokens < cfg.Least || step.tokens > cfg.Most {
			l.missing(fmt.Sprintf("only %d to %d tokens were asked for", cfg.Least, cfg.Most))
			continue
		}
		l.make()
		if cfg.Exact {
			if err := l.climb(ctx, "", m.NewSession()); err != nil {
				return nil, err
			}
		}
		for _, bits := range cfg.Bits {
			if err := l.inRoom(ctx, bits); err != nil {
				return nil, err
			}
		}
	}
	return e.rep, nil
}

// rung is a ladder of one length.
type rung struct {
	*evaluation
	cfg    LadderConfig
	tokens int
	bar    float64
	words  companion.Ladder
	ids    []int32
}

func (e *evaluation) ladder(cfg LadderConfig, tokens int, bar float64) *rung {
	if tokens < 20*cfg.Facts { // as many as there is chatter for
		cfg.Facts = max(1, tokens/20)
	}
	cfg.Questions = min(cfg.Questions, cfg.Facts)
	return &rung{evaluation: e, cfg: cfg, tokens: tokens, bar: bar}
}

// missing says why nothing is measured.
func (l *rung) missing(reason string) {
	if l.cfg.Exact {
		l.rep.Missing(fmt.Sprintf("recall_%d", l.tokens), "of questions", reason)
	}
	for _, bits := range l.cfg.Bits {
		l.rep.Missing(fmt.Sprintf("recall_room%d_%d", bits, l.tokens), "of questions", reason)
	}
}

// make draws the text.
func (l *rung) make() {
	const bytesOfToken = 3.5
	r := rand.New(rand.NewPCG(l.cfg.Seed, uint64(l.tokens)))
	l.words = companion.NewLadder(r, companion.Test, fact.English, l.cfg.Facts, int(float64(l.tokens-10*l.cfg.Facts)*bytesOfToken))
	l.ids = l.codec.Append([]int32{l.codec.Begin}, companion.Sample{{Role: companion.Text, Text: strings.Join(l.words.Lines, "\n")}})
	l.rep.Add(fmt.Sprintf("tokens_%d", l.tokens), float64(len(l.ids)), "tokens")
}

// inRoom climbs with a room.
func (l *rung) inRoom(ctx context.Context, bits int) error {
	dir, err := os.MkdirTemp(l.cfg.Dir, "kuai-ladder-*")
	if err != nil {
		return fmt.Errorf("ladder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	x, err := l.m.OpenRoom(dir, bits)
	if err != nil {
		return err
	}
	defer x.Close() //nolint:errcheck // is removed
	name := fmt.Sprintf("room%d_", bits)
	if err := l.climb(ctx, name, x.NewSession()); err != nil {
		return err
	}
	all, each := x.Bytes()
	l.add(name+"disk_mb", float64(all)/1e6, "MB")
	l.add(name+"bytes_per_token", each, "B")
	return nil
}

// add adds a figure of this length.
func (l *rung) add(name string, value float64, unit string) {
	l.rep.Add(fmt.Sprintf("%s_%d", name, l.tokens), value, unit)
}

// climb reads the text into a session and asks; the session is closed.
func (l *rung) climb(ctx context.Context, name string, s *text.Session) error {
	defer s.Close()
	begin := time.Now()
	err := s.Prefill(ctx, l.ids, nil, func(done int) {
		if done%(64<<10) < 512 {
			l.cfg.View(fmt.Sprintf("%sread %d of %d tokens", name, done, len(l.ids)))
		}
	})
	if err != nil {
		return err
	}
	l.add(name+"read_s", time.Since(begin).Seconds(), "s")
	state, kv := s.Bytes()
	l.add(name+"memory_mb", float64(state+kv+4*int64(s.Len()))/1e6, "MB")
	s.Mark()
	good := 0
	begin = time.Now()
	for i := range l.cfg.Questions {
		l.cfg.View(fmt.Sprintf("%squestion %d of %d after %d tokens", name, i+1, l.cfg.Questions, len(l.ids)))
		at := i * len(l.words.Keys) / l.cfg.Questions
		reply, err := l.answer(ctx, s, companion.Sample{{Role: companion.User, Text: l.words.Keys[at]}})
		if err == nil {
			err = s.Rewind(len(l.ids))
		}
		if err != nil {
			return err
		}
		count(&good, strings.TrimSpace(reply) == l.words.Values[at])
	}
	each := time.Since(begin) / time.Duration(max(l.cfg.Questions, 1))
	l.rep.AtLeast(fmt.Sprintf("recall_%s%d", name, l.tokens), share(good, l.cfg.Questions), l.bar, "of questions")
	l.add(name+"question_ms", float64(each.Microseconds())/1000, "ms")
	return l.token(ctx, name, s)
}

// token times a token by itself, and the reading of as much memory as 3 million
// keys of four bits take in the same second: what a token costs at a length is
// the scan of the keys before it.
func (l *rung) token(ctx context.Context, name string, s *text.Session) error {
	logits := make([]float32, l.m.Config().Vocab)
	best := time.Duration(1 << 62)
	for range tokenRuns {
		begin := time.Now()
		if err := l.m.Step(ctx, []text.Slice{{Session: s, Tokens: l.ids[:1], Logits: logits}}); err != nil {
			return err
		}
		best = min(best, time.Since(begin))
	}
	l.add(name+"token_ms", float64(best.Microseconds())/1000, "ms")
	const values = 26 << 20
	memory := make([]float32, values)
	for i := range memory {
		memory[i] = 1
	}
	rate := 0.0
	for range tokenRuns {
		begin := time.Now()
		bytes := peak.Read(l.cfg.Pool, memory)
		rate = max(rate, bytes/time.Since(begin).Seconds())
	}
	l.add(name+"memory_gb_s", rate/1e9, "GB/s")
	return nil
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
