// Package memory measures what a companion remembers: lives of eight thousand
// to eight million characters are told to its memory, and questions are asked
// whose answers are known.
package memory

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kuai/character/memory"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/internal/report"
)

// budget is the tokens of a memory pack.
const budget = 768

// Sizes of lives, in characters, and their bars: right answers, and the cost
// of a turn relative to the smallest.
var Sizes = []struct {
	Characters  int
	Right, Cost float64
	Lives       int // a language, so that there are questions enough
}{{8_000, 0.95, 1, 8}, {80_000, 0.95, 1.05, 3}, {800_000, 0.92, 1.1, 2}, {8_000_000, 0.90, 1.2, 1}}

const (
	barFalse = 0.03
	barStale = 0.05
)

// Answerer is what speaks: it answers a question with a memory pack before it.
type Answerer interface {
	Answer(ctx context.Context, pack, question string) (string, error)
	Tokens(text string) int
	// Reread reads a history from its beginning, which is what a model without
	// a memory does at every turn.
	Reread(ctx context.Context, history string) error
}

// mostReread is the characters of the longest history that is read again.
const mostReread = 800_000

func sizeName(characters int) string { return fmt.Sprintf("%dk", characters/1000) }

// LifeConfig says what to measure.
type LifeConfig struct {
	Most      int             // characters of the largest lives
	Questions int             // of a life
	Split     companion.Split // Test, unless the memory is being tuned
	Dir       string          // for the memories, which are removed afterwards
	Seed      uint64
	Tuning    *memory.Tuning    // nil is the one for daily use
	Reader    memory.Reader     // reads turns as they are told, and questions
	View      func(what string) // told what comes next; may be nil
}

// mostLifeWrong is how many wrong replies are kept to be looked at, in both
// languages and all sizes.
const mostLifeWrong = 600

// tally counts answers.
type tally struct {
	asked, right, told, never, wrong, updates, stale int
	evidence, packed                                 int // turns of evidence, and those in the pack
	recall, reply                                    []time.Duration
	reread                                           time.Duration // of the first life
	bytes                                            int64
}

// Life measures answers, false memories, stale answers and the cost of a turn
// at each size, in English and Chinese.
func Life(ctx context.Context, a Answerer, cfg LifeConfig) (*report.Report, error) {
	rep := &report.Report{Machine: report.Machine(), Notes: map[string]any{}}
	var base float64
	var wrong []map[string]string
	for _, size := range Sizes {
		name := sizeName(size.Characters)
		if size.Characters > cfg.Most {
			rep.Missing("right_"+name, "of questions", fmt.Sprintf("only lives up to %d characters were asked for", cfg.Most))
			continue
		}
		var t tally
		kinds := map[string]*tally{}
		for _, l := range []fact.Language{fact.English, fact.Chinese} {
			for i := range size.Lives {
				if cfg.View != nil {
					cfg.View(fmt.Sprintf("%s characters, language %d, life %d of %d", name, l, i+1, size.Lives))
				}
				if err := live(ctx, a, cfg, size.Characters, l, cfg.Seed+uint64(i), &t, kinds, &wrong); err != nil {
					return nil, err
				}
			}
		}
		rep.AtLeast("right_"+name, ratio(t.right, t.told), size.Right, "of questions told")
		rep.AtMost("false_"+name, ratio(t.wrong, t.never), barFalse, "of questions never told")
		rep.AtMost("stale_"+name, ratio(t.stale, t.updates), barStale, "of questions after an update")
		rep.Add("evidence_"+name, ratio(t.packed, t.evidence), "of the turns that answer, in the pack")
		for _, k := range slices.Sorted(keys(kinds)) {
			rep.Add("right_"+name+"_"+k, ratio(kinds[k].right, kinds[k].asked), "of questions")
		}
		turn := middle(t.recall, 0.5) + middle(t.reply, 0.5)
		if base == 0 {
			base = turn
		}
		rep.AtMost("cost_"+name, turn/base, size.Cost, "of a turn after 8k")
		rep.Add("recall_ms_"+name, middle(t.recall, 0.5), "ms")
		rep.Add("recall_p95_ms_"+name, middle(t.recall, 0.95), "ms")
		rep.Add("reply_ms_"+name, middle(t.reply, 0.5), "ms")
		if t.reread > 0 {
			rep.Add("reread_ms_"+name, float64(t.reread.Microseconds())/1000, "ms")
		} else {
			rep.Missing("reread_ms_"+name, "ms", "longer than is read again")
		}
		rep.Add("disk_mb_"+name, float64(t.bytes)/1e6/float64(2*size.Lives), "MB a life")
	}
	rep.Notes["wrong"] = wrong
	for _, p := range lifeProtocol {
		rep.Note(p)
	}
	return rep, nil
}

// lifeProtocol says how the figures of Life come about, those that are drawn
// among them.
var lifeProtocol = []report.Protocol{
	{Figures: "right_*, stale_*, false_*", Judge: "whether an accepted answer, and no stale one, stands in the reply; of what was never told, whether it says so", Budget: packBudget(), Reader: "the one for daily use"},
	{Figures: "evidence_*", Judge: "whether the turns that answer are in the pack", Model: "none", Budget: packBudget(), Reader: "the one for daily use"},
	{Figures: "recall_*, reply_*, cost_*", Judge: "the clock", Budget: packBudget(), Reader: "the one for daily use"},
	{Figures: "reread_*", Judge: "the clock", Budget: "the whole history, no memory"},
}

func keys(m map[string]*tally) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func ratio(n, of int) float64 { return float64(n) / float64(max(of, 1)) }

// middle is a quantile in milliseconds.
func middle(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return 0
	}
	d = slices.Clone(d)
	slices.Sort(d)
	return float64(d[int(q*float64(len(d)-1))].Microseconds()) / 1000
}

// live tells a life to a memory and asks about it.
func live(ctx context.Context, a Answerer, cfg LifeConfig, characters int, l fact.Language, seed uint64, t *tally, kinds map[string]*tally, wrong *[]map[string]string) error {
	dir, err := os.MkdirTemp(cfg.Dir, "life-")
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	th, err := memory.Open(dir, memory.Options{NoSync: true, Flush: true, Language: l, Tuning: cfg.Tuning, Reader: cfg.Reader})
	if err != nil {
		return err
	}
	defer func() { _ = th.Close() }()
	life := companion.NewLife(seed, l, cfg.Split).Spread(characters)
	ids, err := tell(ctx, th, life, characters)
	if err != nil {
		return err
	}
	if t.reread == 0 && characters <= mostReread {
		if t.reread, err = reread(ctx, a, th, characters); err != nil {
			return err
		}
	}
	if err := th.Flush(); err != nil {
		return err
	}
	for _, q := range life.Questions(cfg.Questions) {
		begin := time.Now()
		p, err := th.Recall(ctx, q.Text, life.Now(), budget, a.Tokens)
		if err != nil {
			return err
		}
		recalled := time.Now()
		reply, ok := p.Answer() // as converse does it
		if !ok {
			if reply, err = a.Answer(ctx, p.Text, q.Text); err != nil {
				return err
			}
		}
		t.recall, t.reply = append(t.recall, recalled.Sub(begin)), append(t.reply, time.Since(recalled))
		for _, e := range q.Evidence {
			t.evidence++
			if slices.ContainsFunc(p.Items, func(r memory.Recalled) bool { return r.Turn == ids[e] || slices.Contains(r.Turns, ids[e]) }) {
				t.packed++
			}
		}
		k := kinds[q.Type.String()]
		if k == nil {
			k = &tally{}
			kinds[q.Type.String()] = k
		}
		right := q.Right(reply)
		k.asked++
		if right {
			k.right++
		} else if len(*wrong) < mostLifeWrong {
			told, err := said(th, q.Evidence, ids)
			if err != nil {
				return err
			}
			*wrong = append(*wrong, map[string]string{"type": q.Type.String(), "told": told, "pack": p.Text, "ask": q.Text, "reply": reply, "answer": q.Answer})
		}
		t.count(&q, right, q.IsStale(reply))
	}
	t.bytes += bytesIn(dir)
	return nil
}

// said are the turns that answer a question, a line each.
func said(th *memory.Thread, evidence []int, ids map[int]uint64) (string, error) {
	var b strings.Builder
	for _, e := range evidence {
		turn, err := th.Turn(ids[e])
		if err != nil {
			return "", err
		}
		b.WriteString(turn.Text + "\n")
	}
	return b.String(), nil
}

func (t *tally) count(q *companion.Question, right, stale bool) {
	if q.Type == companion.OfNever {
		t.never++
		if !right {
			t.wrong++
		}
		return
	}
	t.told++
	if right {
		t.right++
	}
	if q.Type == companion.OfUpdate {
		t.updates++
		if stale {
			t.stale++
		}
	}
}

// reread measures what it takes to read all that was told again.
func reread(ctx context.Context, a Answerer, th *memory.Thread, characters int) (time.Duration, error) {
	turns, err := th.Last(characters)
	if err != nil {
		return 0, err
	}
	var b strings.Builder
	for _, t := range turns {
		b.WriteString(t.Speaker + ": " + t.Text + "\n")
	}
	begin := time.Now()
	err = a.Reread(ctx, b.String())
	return time.Since(begin), err
}

// tell keeps a life's turns until it has so many characters, and returns their
// ids by number.
func tell(ctx context.Context, th *memory.Thread, life *companion.Life, characters int) (map[int]uint64, error) {
	ids := map[int]uint64{}
	for s := range life.Sessions() {
		turns := make([]memory.Turn, len(s.Turns))
		for i, turn := range s.Turns {
			turns[i] = memory.Turn{Time: turn.Time, Speaker: turn.Speaker, Text: turn.Text}
		}
		last, err := th.Append(turns...)
		if err != nil {
			return nil, err
		}
		for i, turn := range s.Turns {
			ids[turn.Number] = last - uint64(len(s.Turns)-1-i)
		}
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if life.Characters() >= characters {
			break
		}
	}
	return ids, nil
}

func bytesIn(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}
