package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/companion/leak"
	"kuai/format/atomicfile"
)

func (a *app) companionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "companion", Short: "Make the conversations that the companion model learns from", Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(a.companionGenerate(), a.companionLife(), a.companionLeakage())
	return cmd
}

// companionSplit and companionLanguages read the flags of these commands.
func companionSplit(s string) (companion.Split, error) {
	split, ok := map[string]companion.Split{"train": companion.Train, "test": companion.Test}[s]
	if !ok {
		return 0, usage(fmt.Errorf("--split is %q, want train or test", s))
	}
	return split, nil
}

func companionLanguages(s string, both bool) ([]fact.Language, error) {
	languages := map[string][]fact.Language{"en": {fact.English}, "zh": {fact.Chinese}}
	want := "en or zh"
	if both {
		languages["both"] = []fact.Language{fact.English, fact.Chinese}
		want = "en, zh or both"
	}
	if l, ok := languages[s]; ok {
		return l, nil
	}
	return nil, usage(fmt.Errorf("--language is %q, want %s", s, want))
}

var companionRoles = [...]string{
	companion.System: "system", companion.Memory: "memory", companion.User: "user",
	companion.Assistant: "assistant", companion.Extract: "extract", companion.Text: "text",
}

func (a *app) companionGenerate() *cobra.Command {
	var samples int
	var seed uint64
	var language, split, format, out string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write training or test samples: chats, memory packs, facts to extract, made-up words",
		Example: "  kuai companion generate --samples 1000 -o samples.jsonl\n" +
			"  kuai companion generate --language zh --split test --format text",
		Args: exactArgs(0, "none"),
		RunE: func(_ *cobra.Command, _ []string) error {
			s, err := companionSplit(split)
			if err != nil {
				return err
			}
			languages, err := companionLanguages(language, true)
			if err != nil {
				return err
			}
			write, ok := map[string]func(io.Writer, companion.Sample) error{"jsonl": writeSampleJSON, "text": writeSampleText}[format]
			if !ok {
				return usage(fmt.Errorf("--format is %q, want jsonl or text", format))
			}
			if samples < 1 {
				return usage(fmt.Errorf("--samples is %d, want 1 or more", samples))
			}
			mix := companion.Usual()
			if len(languages) == 1 {
				mix.Chinese = float64(languages[0])
			}
			all := func(w io.Writer) error {
				b := bufio.NewWriter(w)
				n := 0
				for sample := range companion.Samples(seed, s, mix) {
					if err := write(b, sample); err != nil {
						return err
					}
					if n++; n == samples {
						break
					}
				}
				return b.Flush()
			}
			if out == "" {
				return all(a.Out)
			}
			if err := atomicfile.Write(out, all); err != nil || !a.json {
				return err
			}
			return json.NewEncoder(a.Out).Encode(map[string]any{"file": out, "samples": samples, "seed": seed})
		},
	}
	f := cmd.Flags()
	f.IntVar(&samples, "samples", 10, "how many")
	f.Uint64Var(&seed, "seed", 1, "which ones; the same seed gives the same")
	f.StringVar(&language, "language", "both", "en, zh or both")
	f.StringVar(&split, "split", "train", "train or test, which has other values and phrases")
	f.StringVar(&format, "format", "jsonl", "jsonl or text")
	f.StringVarP(&out, "output", "o", "", "file to write (default: print)")
	return cmd
}

func writeSampleJSON(w io.Writer, s companion.Sample) error {
	type part struct {
		Role   string  `json:"role"`
		Text   string  `json:"text"`
		Weight float32 `json:"weight"`
	}
	parts := make([]part, len(s))
	for i, p := range s {
		parts[i] = part{companionRoles[p.Role], p.Text, p.Weight}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(map[string]any{"parts": parts})
}

func writeSampleText(w io.Writer, s companion.Sample) error {
	var b strings.Builder
	for _, p := range s {
		fmt.Fprintf(&b, "%s: %s\n", companionRoles[p.Role], strings.ReplaceAll(strings.TrimSpace(p.Text), "\n", "\n    "))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

func (a *app) companionLife() *cobra.Command {
	var characters, questions int
	var seed uint64
	var language, split string
	cmd := &cobra.Command{
		Use:   "life",
		Short: "Tell a life of some years in conversations, then ask about it; the answers are known",
		Example: "  kuai companion life --seed 7 --characters 8000\n" +
			"  kuai companion life --language zh --characters 80000 --questions 100 --json",
		Args: exactArgs(0, "none"),
		RunE: func(_ *cobra.Command, _ []string) error {
			s, err := companionSplit(split)
			if err != nil {
				return err
			}
			languages, err := companionLanguages(language, false)
			if err != nil {
				return err
			}
			if characters < 1 || questions < 0 {
				return usage(fmt.Errorf("--characters is %d and --questions %d, want 1 or more and 0 or more", characters, questions))
			}
			life := companion.NewLife(seed, languages[0], s).Spread(characters)
			b := bufio.NewWriter(a.Out)
			write := writeLifeText
			if a.json {
				write = writeLifeJSON
			}
			if err := write(b, life, characters, questions); err != nil {
				return err
			}
			return b.Flush()
		},
	}
	f := cmd.Flags()
	f.IntVar(&characters, "characters", 8000, "how long; the facts are spread over all of it")
	f.IntVar(&questions, "questions", 20, "how many questions at the end, of seven types in turn")
	f.Uint64Var(&seed, "seed", 1, "whose life; the same seed gives the same")
	f.StringVar(&language, "language", "en", "en or zh")
	f.StringVar(&split, "split", "test", "train or test, which has other values and phrases")
	return cmd
}

func writeLifeText(w io.Writer, life *companion.Life, characters, questions int) error {
	for s := range life.Sessions() {
		if _, err := fmt.Fprintf(w, "%s\n", s.Start.Format("Monday, 2 January 2006, 15:04")); err != nil {
			return err
		}
		for _, t := range s.Turns {
			if _, err := fmt.Fprintf(w, "%6d %s: %s\n", t.Number, t.Speaker, t.Text); err != nil {
				return err
			}
		}
		if life.Characters() >= characters {
			break
		}
	}
	for _, q := range life.Questions(questions) {
		if _, err := fmt.Fprintf(w, "%s: %s\n       %s  %v\n", q.Type, q.Text, q.Answer, q.Evidence); err != nil {
			return err
		}
	}
	return nil
}

// writeLifeJSON writes an object a line: each turn, then each question.
func writeLifeJSON(w io.Writer, life *companion.Life, characters, questions int) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for s := range life.Sessions() {
		for _, t := range s.Turns {
			told := make([]string, len(t.Told))
			for i, f := range t.Told {
				told[i] = fact.Line(f)
			}
			if err := e.Encode(map[string]any{"turn": t.Number, "session": s.Start, "time": t.Time, "speaker": t.Speaker, "text": t.Text, "told": told}); err != nil {
				return err
			}
		}
		if life.Characters() >= characters {
			break
		}
	}
	for _, q := range life.Questions(questions) {
		if err := e.Encode(map[string]any{
			"type": q.Type.String(), "question": q.Text, "answer": q.Answer, "accept": q.Accept,
			"stale": q.Stale, "evidence": q.Evidence, "predicate": q.Predicate,
		}); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) companionLeakage() *cobra.Command {
	var samples int
	var seed uint64
	cmd := &cobra.Command{
		Use:     "leakage",
		Short:   "Measure how much of the test samples stands word for word in training samples",
		Example: "  kuai companion leakage --samples 20000 --json",
		Args:    exactArgs(0, "none"),
		RunE: func(_ *cobra.Command, _ []string) error {
			if samples < 1 {
				return usage(fmt.Errorf("--samples is %d, want 1 or more", samples))
			}
			leaks := []leak.Report{leak.Measure(fact.English, samples, seed), leak.Measure(fact.Chinese, samples, seed)}
			if a.json {
				return json.NewEncoder(a.Out).Encode(leaks)
			}
			for i, l := range leaks {
				unit := [...]string{"words", "characters"}[i]
				_, err := fmt.Fprintf(a.Out, "%s: %.2f %% of %d runs of %d %s in %d test samples occur in %d training samples; %d of %d whole lines do\n"+
					"    training: %d %s, %d different ones, %d different trigrams, %d in the first 100,000\n",
					l.Language, 100*l.Share, l.TestGrams, l.GramUnits, unit, l.TestSamples, l.TrainSamples, l.SharedTexts, l.TestTexts,
					l.TrainUnits, unit, l.DistinctVocabulary, l.DistinctTrigrams, l.TrigramsPer100K)
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&samples, "samples", 5000, "samples of each split and language")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "which samples")
	return cmd
}
