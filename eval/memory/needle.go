package memory

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kuai/character/memory"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/eval/score"
	"kuai/internal/report"
)

// Talker answers a whole conversation, without a memory.
type Talker interface {
	Talk(ctx context.Context, messages []Message) (string, error)
}

// NeedleCase is a long dialogue at whose end the user wants one of the replies
// repeated. The JSON is that of MR-NIAH's files.
//
// Source: MiniMax-AI/MiniMax-01, evaluation/MR-NIAH.
type NeedleCase struct {
	Messages []Message `json:"messages"`
	Label    string    `json:"label"`        // the reply that is meant
	Length   int       `json:"length_class"` // of the dialogue: tokens in files, characters of generated ones
}

const (
	maxNeedleBytes = 64 << 20 // of a case
	needleSession  = 20       // turns between which nobody is away
)

// ReadNeedles reads cases, one JSON object a line. A last one that is cut off,
// as public copies of large files are, is left out.
func ReadNeedles(in io.Reader) iter.Seq2[NeedleCase, error] {
	return func(yield func(NeedleCase, error) bool) {
		lines := bufio.NewReaderSize(in, 1<<16)
		for n := 1; ; n++ {
			line, err := readLine(lines, maxNeedleBytes)
			last := errors.Is(err, io.EOF)
			if err != nil && !last {
				yield(NeedleCase{}, err)
				return
			}
			var c NeedleCase
			if strings.TrimSpace(string(line)) != "" {
				err := json.Unmarshal(line, &c)
				if err == nil {
					err = c.check()
				} else if last {
					return
				}
				if err != nil {
					err = fmt.Errorf("line %d: %w", n, err)
				}
				if !yield(c, err) || err != nil {
					return
				}
			}
			if last {
				return
			}
		}
	}
}

// readLine reads up to a line's end, or io.EOF with what is before it.
func readLine(in *bufio.Reader, most int) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if line = append(line, part...); len(line) > most {
			return nil, fmt.Errorf("a line of more than %d bytes", most)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func (c *NeedleCase) check() error {
	n := len(c.Messages)
	if n < 3 || c.Messages[n-1].Role != "user" || len(score.CoreWords(c.Label)) == 0 {
		return errors.New("want messages that end with the user's, and a label")
	}
	if !slices.ContainsFunc(c.Messages, func(m Message) bool { return m.Content == c.Label }) {
		return errors.New("the label is no message")
	}
	return nil
}

// place is the share of the characters before the needle.
func (c *NeedleCase) place() float64 {
	before, all := 0, 0
	found := false
	for _, m := range c.Messages {
		found = found || m.Content == c.Label
		if !found {
			before += utf8.RuneCountInString(m.Content)
		}
		all += utf8.RuneCountInString(m.Content)
	}
	return float64(before) / float64(max(all, 1))
}

func (c *NeedleCase) language() fact.Language {
	if strings.ContainsFunc(c.Label, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		return fact.Chinese
	}
	return fact.English
}

// NeedleSizes are the characters of generated dialogues.
var NeedleSizes = []int{2_000, 10_000, 100_000, 1_000_000}

// MakeNeedles generates n cases at each size up to most and in each language,
// with needles after a quarter, a half and three quarters.
func MakeNeedles(seed uint64, n, most int) iter.Seq2[NeedleCase, error] {
	return func(yield func(NeedleCase, error) bool) {
		for _, size := range NeedleSizes {
			for l := range languageNames {
				for i := 0; i < n && size <= most; i++ {
					r := rand.New(rand.NewPCG(seed+uint64(i), uint64(size*2+l)))
					d := companion.NewNeedle(r, fact.Language(l), size, 0.25*float64(1+i%3))
					c := NeedleCase{Label: d.Answer, Length: size}
					for _, p := range d.Said {
						role := "assistant"
						if p.Role == companion.User {
							role = "user"
						}
						c.Messages = append(c.Messages, Message{Role: role, Content: p.Text})
					}
					c.Messages = append(c.Messages, Message{Role: "user", Content: d.Ask})
					if !yield(c, nil) {
						return
					}
				}
			}
		}
	}
}

// NeedlesConfig says how needles are looked for.
type NeedlesConfig struct {
	Each  int    // of a length and language at most; 0 is all
	Whole bool   // the model reads the whole dialogue instead of the memory's pack; it must be a Talker
	Quote bool   // the best line is the reply, as the built-in companion does it
	Unit  string // of lengths
	Dir   string // for the memories, which are removed afterwards
	View  func(what string)
}

// repeated sums up the cases of a length and language.
type repeated struct {
	n                  int
	found, best, reply float64 // shares of core words in the pack, in its best line by the companion, in the reply
	took               []time.Duration
}

// Needles has the replies repeated, out of a memory's packs or the whole
// dialogue, and scores them as MR-NIAH does: the share of the needle's core
// words.
func Needles(ctx context.Context, a Replier, cases iter.Seq2[NeedleCase, error], cfg NeedlesConfig) (*report.Report, error) {
	type group struct {
		length int
		lang   fact.Language
	}
	sums := map[group]*repeated{}
	var places [3]repeated // about a quarter, a half, three quarters
	var wrong []map[string]string
	for c, err := range cases {
		if err != nil {
			return nil, fmt.Errorf("memory: %w", err)
		}
		g := group{c.Length, c.language()}
		s := sums[g]
		if s == nil {
			s = &repeated{}
			sums[g] = s
		}
		if cfg.Each > 0 && s.n == cfg.Each {
			continue
		}
		if cfg.View != nil {
			cfg.View(fmt.Sprintf("%d %s, %s, needle %d", c.Length, cfg.Unit, languageNames[g.lang], s.n+1))
		}
		pack, reply, took, err := c.repeat(ctx, a, cfg)
		if err != nil {
			return nil, err
		}
		got := score.Needle(reply, c.Label)
		for _, to := range []*repeated{s, &places[min(2, max(0, int(c.place()*4-0.5)))]} {
			to.n++
			to.reply += got
			to.found += score.Needle(pack.Text, c.Label)
			to.best += score.Needle(pack.Said(), c.Label)
			to.took = append(to.took, took)
		}
		if got < 1 && len(wrong) < mostWrong {
			wrong = append(wrong, map[string]string{"pack": pack.Text, "ask": c.Messages[len(c.Messages)-1].Content, "reply": reply, "answer": c.Label})
		}
	}
	if len(sums) == 0 {
		return nil, errors.New("memory: no whole case was given")
	}
	rep := &report.Report{Machine: report.Machine()}
	groups := slices.SortedFunc(keysOf(sums), func(x, y group) int { return (x.length-y.length)*2 + int(x.lang) - int(y.lang) })
	for _, g := range groups {
		s, name := sums[g], fmt.Sprintf("%d_%s", g.length, languageNames[g.lang])
		rep.Add("repeated_"+name, s.reply/float64(s.n), "of the core words")
		if !cfg.Whole {
			rep.Add("found_"+name, s.found/float64(s.n), "of the core words, in the pack")
			rep.Add("best_"+name, s.best/float64(s.n), "of the core words, in the pack's best line by the companion")
		}
		rep.Add("turn_ms_"+name, middle(s.took, 0.5), "ms")
	}
	for i := range places {
		if p := &places[i]; p.n > 0 {
			rep.Add(fmt.Sprintf("repeated_at_%d", 25*(i+1)), p.reply/float64(p.n), "of the core words")
		}
	}
	how := report.Protocol{Figures: "all", Judge: "MR-NIAH's: the share of the needle's core words in the reply, none after an apology", Budget: packBudget(), Reader: asSaid}
	if cfg.Quote {
		how.Judge += "; the reply is the best line that was found"
	}
	if cfg.Whole {
		how.Budget, how.Reader = "the whole dialogue, no memory", ""
	}
	rep.Notes = map[string]any{"lengths": cfg.Unit, "wrong": wrong}
	rep.Note(how)
	return rep, nil
}

func keysOf[K comparable, V any](m map[K]V) iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// repeat has the needle repeated.
func (c *NeedleCase) repeat(ctx context.Context, a Replier, cfg NeedlesConfig) (pack memory.Pack, reply string, took time.Duration, err error) {
	ask := c.Messages[len(c.Messages)-1].Content
	if cfg.Whole {
		t, ok := a.(Talker)
		if !ok {
			return pack, "", 0, errors.New("memory: this model answers out of packs alone")
		}
		begin := time.Now()
		reply, err = t.Talk(ctx, c.Messages)
		return pack, reply, time.Since(begin), err
	}
	dir, err := os.MkdirTemp(cfg.Dir, "needle-")
	if err != nil {
		return pack, "", 0, fmt.Errorf("memory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	th, err := memory.Open(dir, memory.Options{NoSync: true, Flush: true, Language: c.language(), Reader: memory.NoFacts{}})
	if err != nil {
		return pack, "", 0, err
	}
	defer func() { _ = th.Close() }()
	now := time.Date(2025, 1, 1, 9, 0, 0, 0, time.UTC)
	var turns []memory.Turn
	for i, m := range c.Messages[:len(c.Messages)-1] {
		if now = now.Add(time.Minute); i%needleSession == 0 {
			now = now.Add(24 * time.Hour)
		}
		who := fact.Companion
		switch m.Role {
		case "system":
			continue
		case "user":
			who = fact.User
		}
		turns = append(turns, memory.Turn{Time: now, Speaker: who, Text: m.Content})
	}
	if _, err := th.Append(turns...); err != nil {
		return pack, "", 0, err
	}
	begin := time.Now()
	if pack, err = th.Recall(ctx, ask, now.Add(time.Minute), budget, a.Tokens); err != nil {
		return pack, "", 0, err
	}
	if quote := pack.Quote(); cfg.Quote && quote != "" {
		return pack, quote, time.Since(begin), nil
	}
	reply, err = a.Answer(ctx, pack.Text, ask)
	return pack, pack.Grounded(reply), time.Since(begin), err
}
