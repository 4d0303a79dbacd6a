package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	memoryeval "kuai/eval/memory"
	talkeval "kuai/eval/talk"
	"kuai/internal/report"
	"kuai/par"
	"kuai/serve/chat"
	"kuai/serve/upstream"
	"kuai/text"
)

// openReplier opens who answers out of memory packs: a companion model, any
// other language model through its chat template, or one of another server.
// Those are told their task.
func (a *app) openReplier(ctx context.Context, model, task string) (memoryeval.Replier, func() error, error) {
	if upstream.Is(model) {
		c, err := upstream.New(model, cmp.Or(os.Getenv(upstreamKey), os.Getenv("OPENAI_API_KEY")))
		if err != nil {
			return nil, nil, usage(fmt.Errorf("--model: %w", err))
		}
		return memoryeval.NewUpstream(c, task), func() error { return nil }, nil
	}
	path, err := a.findText(model)
	if err != nil {
		return nil, nil, err
	}
	pool := par.New(0)
	m, err := text.Open(path, text.Options{Pool: pool})
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	s, err := talkeval.NewSpeaker(m)
	if err == nil {
		return s, func() error { defer pool.Close(); return m.Close() }, nil
	}
	err = m.Close()
	pool.Close()
	if err != nil {
		return nil, nil, err
	}
	pool = par.New(0)
	l, err := chat.Open(context.WithoutCancel(ctx), path, text.Options{Pool: pool}, chat.Options{})
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return memoryeval.NewLocal(l.Talker, task), func() error { defer pool.Close(); return l.Close() }, nil
}

// withReplier prints the report of f, which it calls with who answers.
func (a *app) withReplier(ctx context.Context, model, task string, f func(memoryeval.Replier) (*report.Report, error)) error {
	who, done, err := a.openReplier(ctx, model, task)
	if err != nil {
		return err
	}
	rep, err := f(who)
	if err := errors.Join(err, done()); err != nil {
		return err
	}
	rep.Model = modelName(model)
	return a.printAfterView(rep)
}

func modelName(model string) string {
	switch {
	case model == builtinText:
		return "built-in companion"
	case upstream.Is(model):
		return model
	}
	return filepath.Base(filepath.Dir(filepath.Clean(model))) + "/" + filepath.Base(model)
}

func (a *app) printAfterView(rep *report.Report) error {
	if a.terminal() {
		_, _ = fmt.Fprint(a.Err, "\r\033[K")
	}
	return a.print(rep)
}

func (a *app) evalLocomoAnswers(ctx context.Context, path, model string, c memoryeval.AnswersConfig) error {
	set, err := memoryeval.OpenLoCoMo(path)
	if err != nil {
		return err
	}
	return a.withReplier(ctx, model, memoryeval.TaskAnswer, func(who memoryeval.Replier) (*report.Report, error) {
		return memoryeval.LocomoAnswers(ctx, set, who, c)
	})
}

// needleFlags say which needles are looked for, and where.
type needleFlags struct {
	files []string
	each  int
	whole bool
}

func (n *needleFlags) add(f *pflag.FlagSet) {
	f.StringArrayVar(&n.files, "mrniah", nil, "file of MiniMax's MR-NIAH: replies to be repeated out of long dialogues; may be given again")
	f.IntVar(&n.each, "needles", 0, "instead of a life: replies to be repeated out of so many generated dialogues of each length and language, or of a file")
	f.BoolVar(&n.whole, "whole", false, "with needles: the model reads the whole dialogue, without a memory")
}

func (n *needleFlags) asked() bool { return len(n.files) > 0 || n.each > 0 }

// cases are the files' one after the other, or generated ones of up to so many
// characters.
func (n *needleFlags) cases(seed uint64, most int) iter.Seq2[memoryeval.NeedleCase, error] {
	if len(n.files) == 0 {
		return memoryeval.MakeNeedles(seed, n.each, most)
	}
	return func(yield func(memoryeval.NeedleCase, error) bool) {
		for _, path := range n.files {
			f, err := os.Open(path)
			if err != nil {
				yield(memoryeval.NeedleCase{}, err)
				return
			}
			for c, err := range memoryeval.ReadNeedles(f) {
				if err != nil {
					err = fmt.Errorf("%s: %w", path, err)
				}
				if !yield(c, err) {
					_ = f.Close()
					return
				}
			}
			_ = f.Close() // was read
		}
	}
}

func (a *app) evalNeedles(ctx context.Context, model string, n needleFlags, c memoryeval.LifeConfig) error {
	cfg := memoryeval.NeedlesConfig{Each: n.each, Whole: n.whole, Unit: "characters", View: c.View}
	if len(n.files) > 0 {
		cfg.Unit = "tokens, as its files say"
	}
	return a.withReplier(ctx, model, memoryeval.TaskRepeat, func(who memoryeval.Replier) (*report.Report, error) {
		_, cfg.Quote = who.(*talkeval.Speaker)
		cfg.Quote = cfg.Quote && !cfg.Whole
		return memoryeval.Needles(ctx, who, n.cases(c.Seed, c.Most), cfg)
	})
}
