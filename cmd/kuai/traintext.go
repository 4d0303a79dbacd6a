package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"kuai/companion"
	"kuai/par"
	"kuai/train/talk"
)

// companionShare is how many of the documents are made conversations where
// there are texts beside them.
const companionShare = 0.7

// recallBytes is the length of a text to recall from where it has no row to
// fill: it fits one of 1,024 tokens.
const recallBytes = 2800

func (a *app) trainTextCommand() *cobra.Command {
	var t trainFlags
	var texts []string
	var to string
	o := talk.Options{Size: "nano", Vocabulary: 8192, Steps: 3000, Tokens: 16 << 10, Rate: 4e-3}
	export := false
	cmd := &cobra.Command{
		Use:   "text",
		Short: "Train the companion: a language model that reads its memory and says when it does not know",
		Long: `Train a language model of the kuai architecture on made conversations whose
answers are known (kuai companion generate shows them), and on texts: dialogues
with an empty line between them, sentences a line, or translations with a tab
between. A tenth of the texts is held out. The vocabulary is learned first.
What is finished is exported as a directory that kuai chat and transformers' users know.`,
		Example: `  kuai train text --config nano --text dialogues.txt.gz --text sentences.txt.gz
  kuai train text --config nano --export
  kuai chat -m runs/nano/model`,
		Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if t.dir == "" {
				t.dir = filepath.Join("runs", o.Size)
			}
			if to == "" {
				to = talk.ModelDir(t.dir)
			}
			o.Dir, o.Seed, o.Every, o.View, o.Pool = t.dir, t.seed, t.every, a.Err, par.New(t.workers)
			if o.Recall < 0 || o.Recall > 1 {
				return usage(fmt.Errorf("--recall is %g, want 0 to 1", o.Recall))
			}
			if o.Steps < 1 || o.Tokens < 1 || o.Vocabulary < 1 {
				return usage(fmt.Errorf("--steps %d --tokens %d --vocabulary %d, want at least 1 of each", o.Steps, o.Tokens, o.Vocabulary))
			}
			if export {
				return talk.Export(cmd.Context(), o, to)
			}
			return a.trainText(cmd.Context(), o, texts, to)
		},
	}
	t.add(cmd, "")
	f := cmd.Flags()
	f.Lookup("dir").Usage = "directory of the training (default: runs/ and the configuration's name)"
	_ = f.MarkHidden("font")
	f.StringVar(&o.Size, "config", o.Size, "shape of the model: "+strings.Join(talk.Sizes(), ", "))
	f.IntVar(&o.Vocabulary, "vocabulary", o.Vocabulary, "tokens to learn")
	f.StringArrayVar(&texts, "text", nil, "file of text to learn from, .gz or plain; may be given again")
	f.IntVar(&o.Steps, "steps", o.Steps, "steps of the training")
	f.IntVar(&o.Tokens, "tokens", o.Tokens, "tokens of a step")
	f.Float64Var(&o.Rate, "rate", o.Rate, "peak learning rate")
	f.StringVar(&o.Init, "init", "", "directory of a model that a new training begins from")
	f.StringVar(&o.Only, "only", "", "learn from one source alone: copying (made-up pairs), recall (the same among chatter)")
	f.Float64Var(&o.Recall, "recall", 0, "share of the long rows that are filled with chatter and made-up pairs to recall, 0 to 1")
	f.StringVar(&to, "to", "", "directory that the export writes (default: model in --dir)")
	f.BoolVar(&o.Int8, "int8", false, "write the export's matrices as int8: a quarter of the size")
	f.BoolVar(&export, "export", false, "only export the newest checkpoint")
	return cmd
}

func (a *app) trainText(ctx context.Context, o talk.Options, texts []string, to string) error {
	var err error
	if o.Sources, _, err = textSources(texts, companionShare); err != nil {
		return err
	}
	res, err := talk.Train(ctx, o)
	if err != nil {
		return err
	}
	if err := a.trained("text", res); err != nil {
		return err
	}
	return a.exported(talk.Export(ctx, o, to), to)
}

// textSources are what a language model learns from: made conversations, which
// are a share of the text, pairs, and texts.
func textSources(texts []string, share float64) ([]talk.Source, []*talk.Corpus, error) {
	sources := []talk.Source{{Name: "companion", Share: share, Draw: func(r *rand.Rand) companion.Sample {
		return companion.Draw(r, companion.Train, companion.Mix{})
	}}, {Name: talk.Copying, Draw: func(r *rand.Rand) companion.Sample { return companion.DrawCopying(r, companion.Train) }}, {
		Name: talk.Recall,
		Draw: func(r *rand.Rand) companion.Sample { return companion.DrawRecall(r, companion.Train, recallBytes) },
		Fit: func(r *rand.Rand, bytes int) companion.Sample {
			return companion.DrawRecall(r, companion.Train, bytes)
		},
	}}
	corpora, err := openCorpora(texts)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range corpora {
		sources = append(sources, talk.Source{Name: c.Name, Share: (1 - share) / float64(len(texts)), Draw: c.Document})
	}
	return sources, corpora, nil
}

// openCorpora opens files of text; one that is not there is a wrong use.
func openCorpora(paths []string) (all []*talk.Corpus, err error) {
	for _, path := range paths {
		c, err := talk.OpenCorpus(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, usage(err)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// exported says where an export went that succeeded.
func (a *app) exported(err error, to string) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Err, "exported to %s\n", to)
	return err
}
