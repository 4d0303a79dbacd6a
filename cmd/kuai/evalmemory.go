package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	memoryeval "kuai/eval/memory"
	talkeval "kuai/eval/talk"
	"kuai/internal/report"
	"kuai/par"
	"kuai/text"
)

// replierFlags say who answers out of memory packs: a model of the kuai
// architecture, or one that is served elsewhere.
type replierFlags struct{ url, served string }

func (r *replierFlags) add(f *pflag.FlagSet) {
	f.StringVar(&r.url, "url", "", "let a model answer that is served there, such as http://localhost:8080/v1 (the key: OPENAI_API_KEY)")
	f.StringVar(&r.served, "served", "", "the name of the model at --url")
}

func (r *replierFlags) check() error {
	if (r.url == "") != (r.served == "") {
		return usage(errors.New("--url and --served go together"))
	}
	return nil
}

// withReplier calls f with who answers, and names them in the report.
func (a *app) withReplier(ctx context.Context, r replierFlags, model, task string, f func(context.Context, memoryeval.Replier) (*report.Report, error)) error {
	if r.url != "" {
		rep, err := f(ctx, &memoryeval.Served{URL: r.url, Model: r.served, Key: os.Getenv("OPENAI_API_KEY"), Task: task})
		if err != nil {
			return err
		}
		rep.Model = r.served + " at " + r.url
		return a.printAfterView(rep)
	}
	path, err := a.findText(model)
	if err != nil {
		return err
	}
	pool := par.New(0)
	defer pool.Close()
	m, err := text.Open(path, text.Options{Pool: pool})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	speaker, err := talkeval.NewSpeaker(m)
	if err != nil {
		return fmt.Errorf("%s: %w", model, err)
	}
	rep, err := f(ctx, speaker)
	if err != nil {
		return err
	}
	rep.Model = modelName(model)
	return a.printAfterView(rep)
}

func modelName(model string) string {
	if model == builtinText {
		return "built-in companion"
	}
	return filepath.Base(filepath.Dir(filepath.Clean(model))) + "/" + filepath.Base(model)
}

func (a *app) printAfterView(rep *report.Report) error {
	if a.terminal() {
		_, _ = fmt.Fprint(a.Err, "\r\033[K")
	}
	return a.print(rep)
}

func (a *app) evalLocomoAnswers(ctx context.Context, path, model string, r replierFlags, c memoryeval.AnswersConfig) error {
	set, err := memoryeval.OpenLoCoMo(path)
	if err != nil {
		return err
	}
	return a.withReplier(ctx, r, model, memoryeval.TaskAnswer, func(ctx context.Context, who memoryeval.Replier) (*report.Report, error) {
		return memoryeval.LocomoAnswers(ctx, set, who, c)
	})
}
