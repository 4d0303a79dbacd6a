package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"kuai/character/converse"
	"kuai/companion"
	memoryeval "kuai/eval/memory"
	talkeval "kuai/eval/talk"
	"kuai/format/atomicfile"
	"kuai/internal/report"
	"kuai/par"
	"kuai/text"
	"kuai/train/talk"
)

func (a *app) evalCompanionCommand() *cobra.Command {
	c := talkeval.Config{Questions: 50, Documents: 200, Replies: 50, Pairs: 500, Split: companion.Test}
	var model string
	var texts []string
	quick := false
	l := talkeval.LadderConfig{Facts: 96, Questions: 96, Seed: 1, Exact: true, Bits: []int{4}}
	top := 0
	cmd := &cobra.Command{
		Use:   "companion",
		Short: "Ask a companion model what its memory pack says, and what it does not",
		Long: `Ask a model of the kuai architecture seven kinds of questions in English and
Chinese whose names, values and wordings training never showed; the answer
stands in the memory pack before the question, or nowhere. Measure bits a byte
of texts' held-out parts, and how many replies loop, break off or change the
language.

With --ladder N, ask instead for 96 made-up facts among chatter of up to N tokens:
what the model recalls from its own window, kept exactly in memory (512 bytes a
token for the built-in model) and in rooms, files of some hundred bytes a token
that each question scans.`,
		Example: `  kuai eval companion -m runs/nano/model --text dialogues.txt.gz --json
  kuai eval companion --ladder 3000000 --room 4,8`,
		Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if quick {
				c.Questions, c.Documents, c.Replies, c.Pairs = 10, 20, 10, 60
			}
			for _, path := range texts {
				corpus, err := talk.OpenCorpus(path)
				if err != nil {
					return err
				}
				c.Corpora = append(c.Corpora, corpus)
			}
			if a.terminal() {
				c.View = func(what string) { _, _ = fmt.Fprintf(a.Err, "\r\033[K%s", what) }
			}
			if l.Most > 0 {
				l.View = c.View
				return a.evalLadder(cmd.Context(), model, l, top)
			}
			return a.evalCompanion(cmd.Context(), model, c)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&model, "model", "m", builtinText, "directory of the model")
	f.StringArrayVar(&texts, "text", nil, "text whose held-out part is measured, .gz or plain; may be given again")
	f.IntVar(&c.Questions, "questions", c.Questions, "questions of each kind and language")
	f.IntVar(&l.Most, "ladder", 0, "instead: made-up facts recalled from a window of up to so many tokens, without a memory")
	f.IntVar(&l.Least, "from", 0, "ladder: leave shorter windows out")
	f.BoolVar(&l.Exact, "exact", l.Exact, "ladder: with the window in memory")
	f.IntSliceVar(&l.Bits, "room", l.Bits, "ladder: with the window in rooms whose keys have so many bits, 4 or 8")
	f.IntVar(&top, "top", 0, "ladder: positions of a room that a token attends to, the best (0: 64, -1: all)")
	f.StringVar(&l.Dir, "scratch", "", "ladder: directory for the rooms, which are removed (default: the system's)")
	f.BoolVar(&quick, "quick", false, "a sample with the same names")
	return cmd
}

func (a *app) evalCompanion(ctx context.Context, model string, c talkeval.Config) error {
	return a.onModel(model, text.Options{}, func(m *text.Model, _ *par.Pool) (*report.Report, error) {
		return talkeval.Run(ctx, m, c)
	})
}

func (a *app) evalLadder(ctx context.Context, model string, l talkeval.LadderConfig, top int) error {
	for _, bits := range l.Bits {
		if bits != 4 && bits != 8 {
			return usage(fmt.Errorf("--room %d: keys have 4 or 8 bits", bits))
		}
	}
	return a.onModel(model, text.Options{Top: top, PrefixBytes: -1}, func(m *text.Model, pool *par.Pool) (*report.Report, error) {
		l.Pool = pool
		return talkeval.Ladder(ctx, m, l)
	})
}

// onModel opens a model, and prints what is measured of it.
func (a *app) onModel(model string, o text.Options, measure func(m *text.Model, pool *par.Pool) (*report.Report, error)) error {
	path, err := a.findText(model)
	if err != nil {
		return err
	}
	o.Pool = par.New(0)
	defer o.Pool.Close()
	m, err := text.Open(path, o)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	rep, err := measure(m, o.Pool)
	if err != nil {
		return err
	}
	if a.terminal() {
		_, _ = fmt.Fprint(a.Err, "\r\033[K")
	}
	rep.Model = filepath.Base(filepath.Dir(filepath.Clean(model))) + "/" + filepath.Base(model)
	return a.print(rep)
}

func (a *app) evalMemoryCommand() *cobra.Command {
	c := memoryeval.LifeConfig{Most: 80_000, Questions: 60, Seed: 1}
	var model, readerDir, locomo, plots string
	var filler []string
	var needles needleFlags
	answers, quick := false, false
	var which splitFlags
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "Tell lives of 8 thousand to 8 million characters to a memory, and ask about them",
		Long: `Tell made lives, in English and Chinese, to a memory, and let a companion model
answer questions about them out of what is recalled: what was told once, what has
changed since, how many, who by another name, when, what follows, and what was
never told. Names, values and wordings are those that training never showed.

With --locomo FILE, measure instead which turns are found for the questions of the
published LoCoMo conversations, as they are and among filler drawn from text files;
with --answers, let a model answer them out of the memory's packs, scored as LoCoMo's
own scorer does. With --needles N or --mrniah FILE, have replies repeated that were
given a quarter, half or three quarters into a long dialogue, scored as MR-NIAH's
scorer does.`,
		Example: `  kuai eval memory -m runs/nano/model --characters 800000 --json
  kuai eval memory --needles 30 --characters 1000000
  kuai eval memory --locomo locomo10.json --answers -m http://localhost:8080/v1#big-model
  kuai eval memory --locomo locomo10.json --filler dialogues.txt.gz --characters 8000000`,
		Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.terminal() {
				c.View = func(what string) { _, _ = fmt.Fprintf(a.Err, "\r\033[K%s", what) }
			}
			var err error
			if c.Split, err = which.split(); err != nil {
				return err
			}
			switch {
			case needles.asked():
				if !cmd.Flags().Changed("characters") {
					c.Most = memoryeval.NeedleSizes[len(memoryeval.NeedleSizes)-1]
				}
				if quick {
					needles.each, c.Most = min(3, max(needles.each, 1)), min(c.Most, 100_000)
				}
				return a.evalNeedles(cmd.Context(), model, needles, c)
			case needles.whole:
				return usage(errors.New("--whole needs --needles N or --mrniah FILE"))
			case locomo != "" && answers:
				n := memoryeval.AnswersConfig{View: c.View}
				if quick {
					n.Questions = 20
				}
				return a.evalLocomoAnswers(cmd.Context(), locomo, model, n)
			case answers:
				return usage(errors.New("--answers needs --locomo FILE"))
			case locomo != "":
				return a.evalLocomo(cmd.Context(), locomo, filler, c)
			}
			if quick {
				c.Most, c.Questions = 8000, 14
			}
			return a.evalMemory(cmd.Context(), model, readerDir, plots, c)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&model, "model", "m", builtinText, "directory of the model; to answer questions of published sets any language model, or https://host/v1#model")
	f.IntVar(&c.Most, "characters", c.Most, "of the largest lives: 8000, 80000, 800000 or 8000000")
	f.StringVar(&locomo, "locomo", "", "file of LoCoMo conversations, .gz or plain")
	f.StringArrayVar(&filler, "filler", nil, "file of text for the haystack, .gz or plain; may be given again")
	f.IntVar(&c.Questions, "questions", c.Questions, "at most, of a life")
	f.StringVar(&plots, "plots", "", "directory for drawings of the answers and of a turn's time")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "which lives")
	needles.add(f)
	f.BoolVar(&answers, "answers", false, "with --locomo: have the questions answered, and score the replies")
	f.BoolVar(&quick, "quick", false, "a sample with the same names")
	f.StringVar(&readerDir, "reader", "", "directory of the reader of turns (default: the built-in one)")
	which.add(f)
	return cmd
}

func (a *app) evalLocomo(ctx context.Context, path string, filler []string, c memoryeval.LifeConfig) error {
	set, err := memoryeval.OpenLoCoMo(path)
	if err != nil {
		return err
	}
	l := memoryeval.LocomoConfig{Most: c.Most, Seed: c.Seed, View: c.View}
	for _, name := range filler {
		corpus, err := talk.OpenCorpus(name)
		if err != nil {
			return err
		}
		l.Filler = append(l.Filler, func(r *rand.Rand) (turns []string) {
			for _, p := range corpus.Document(r) {
				turns = append(turns, strings.Split(p.Text, "\n")...)
			}
			return turns
		})
	}
	rep, err := memoryeval.Locomo(ctx, set, l)
	if err != nil {
		return err
	}
	if c.View != nil {
		_, _ = fmt.Fprint(a.Err, "\r\033[K")
	}
	return a.print(rep)
}

func (a *app) evalMemory(ctx context.Context, model, readerDir, plots string, c memoryeval.LifeConfig) error {
	if plots != "" { // known before, not after the minutes that follow
		if err := os.MkdirAll(plots, 0o755); err != nil {
			return err
		}
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
		return err
	}
	read, err := openReader(readerDir)
	if err != nil {
		return err
	}
	reader := converse.NewReader(read, nil)
	defer reader.Close()
	c.Reader = reader
	rep, err := memoryeval.Life(ctx, speaker, c)
	if err != nil {
		return err
	}
	if plots != "" {
		if err := drawMemory(plots, rep); err != nil {
			return err
		}
	}
	if c.View != nil {
		_, _ = fmt.Fprint(a.Err, "\r\033[K")
	}
	rep.Model = filepath.Base(filepath.Dir(filepath.Clean(model))) + "/" + filepath.Base(model)
	return a.print(rep)
}

// drawMemory writes the drawings of a memory's report.
func drawMemory(dir string, rep *report.Report) error {
	for i, p := range memoryeval.Plots {
		err := atomicfile.Write(filepath.Join(dir, p.File+".svg"), func(w io.Writer) error { return memoryeval.Plot(w, "svg", i, rep) })
		if err != nil {
			return err
		}
	}
	return nil
}
