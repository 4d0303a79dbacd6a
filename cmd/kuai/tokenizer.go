package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kuai/format/atomicfile"
	"kuai/token"
)

const maxLine = 16 << 20 // bytes of a line of a text to learn from

func (a *app) trainTokenizerCommand() *cobra.Command {
	c := token.TrainConfig{Size: 32_000, Split: "llama-bpe", Special: []string{"<|endoftext|>"}}
	out := "tokenizer.json"
	cmd := &cobra.Command{
		Use:     "tokenizer FILE...",
		Short:   "Learn a byte-level BPE vocabulary from texts, a line at a time",
		Example: "  kuai train tokenizer corpus.txt --size 32000 -o tokenizer.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("no texts to learn from"))
			}
			if err := writable(out); err != nil {
				return err
			}
			return a.trainTokenizer(cmd.Context(), args, out, c)
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.Size, "size", c.Size, "tokens of the vocabulary")
	f.StringVar(&c.Split, "split", c.Split, "how text is split into words: gpt-2, smollm, llama-bpe, qwen2, gpt-4o")
	f.StringSliceVar(&c.Special, "special", c.Special, "control tokens")
	f.Int64Var(&c.MinCount, "min-count", 2, "how often a pair must occur to become a token")
	f.StringVarP(&out, "output", "o", out, "file to write")
	return cmd
}

func (a *app) trainTokenizer(ctx context.Context, files []string, out string, c token.TrainConfig) error {
	bar := a.bytesBar()
	c.Progress = func(tokens, size int) { bar("tokens", int64(tokens), int64(size)) }
	begin := time.Now()
	var failed error
	data, err := token.Train(ctx, lines(files, &failed), c)
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(out, data); err != nil {
		return err
	}
	t, err := token.FromJSON(data, nil)
	if err != nil {
		return err
	}
	if a.json {
		return json.NewEncoder(a.Out).Encode(map[string]any{"file": out, "tokens": t.Size(), "seconds": time.Since(begin).Seconds()})
	}
	_, err = fmt.Fprintf(a.Out, "%s  %d tokens, %.1f s\n", out, t.Size(), time.Since(begin).Seconds())
	return err
}

// lines reads files line by line, their ends included; failed is what stopped
// it.
func lines(files []string, failed *error) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, name := range files {
			f, err := os.Open(name)
			if err != nil {
				*failed = err
				return
			}
			s := bufio.NewScanner(f)
			s.Buffer(make([]byte, 1<<16), maxLine)
			for s.Scan() {
				if !yield(s.Text() + "\n") {
					break
				}
			}
			if err := errors.Join(s.Err(), f.Close()); err != nil {
				*failed = fmt.Errorf("%s: %w", name, err)
				return
			}
		}
	}
}
