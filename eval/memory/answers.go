package memory

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"kuai/character/memory"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/eval/score"
	"kuai/internal/report"
)

// Replier is what speaks: it answers a question with a memory pack before it.
type Replier interface {
	Answer(ctx context.Context, pack, question string) (string, error)
	Tokens(text string) int
}

// asSaid is the reader of packs that are turns alone.
const asSaid = "none: turns as they were said"

func packBudget() string { return fmt.Sprintf("a pack of %d tokens at most", budget) }

// mostWrong is how many replies are kept to be looked at.
const mostWrong = 40

// AnswersConfig says what to ask of the LoCoMo conversations.
type AnswersConfig struct {
	Questions int            // of a conversation, spread over all of them; 0 is all
	Dir       string         // for the memories, which are removed afterwards
	Tuning    *memory.Tuning // nil is the one for daily use
	View      func(what string)
}

// figures of a category of LoCoMo's questions, from its first to its fifth.
var locomoScores = [...]string{
	score.LocomoMulti: "f1_multi", score.LocomoTemporal: "f1_temporal", score.LocomoOpen: "f1_open", score.LocomoSingle: "f1_single", score.LocomoNever: "refused",
}

// answered sums up scores by category.
type answered struct {
	asked            [len(locomoScores)]int
	sum              [len(locomoScores)]float64
	own              int     // refused in words of its own
	quoted           float64 // sum of scores, had the best line found been the reply
	evidence, packed int
	recall, reply    []time.Duration
	wrong            []map[string]string
}

// LocomoAnswers tells the conversations as they are to a memory, has the
// questions answered out of its packs, and scores the replies as LoCoMo does.
// Packs are turns as they were said: nobody there is the user whose facts are
// read.
func LocomoAnswers(ctx context.Context, set LoCoMo, a Replier, cfg AnswersConfig) (*report.Report, error) {
	var t answered
	for i := range set {
		if cfg.View != nil {
			cfg.View(fmt.Sprintf("conversation %d of %d", i+1, len(set)))
		}
		if err := set[i].ask(ctx, a, cfg, &t); err != nil {
			return nil, err
		}
	}
	rep := &report.Report{Machine: report.Machine()}
	var sum float64
	asked := 0
	for k, name := range locomoScores {
		if name == "" {
			continue
		}
		if k == score.LocomoNever {
			rep.Add("f1", sum/float64(max(asked, 1)), "of questions told")
			rep.Add("f1_of_best_line", t.quoted/float64(max(asked, 1)), "of questions told, without a model")
		}
		if t.asked[k] == 0 {
			rep.Missing(name, "of questions", "none of this category")
			continue
		}
		sum, asked = sum+t.sum[k], asked+t.asked[k]
		rep.Add(name, t.sum[k]/float64(t.asked[k]), "of questions")
	}
	rep.Add("refused_own_words", ratio(t.own, t.asked[score.LocomoNever]), "of questions never told")
	rep.Add("f1_all", sum/float64(max(asked, 1)), "of questions")
	rep.Add("evidence", ratio(t.packed, t.evidence), "of the turns that answer, in the pack")
	rep.Add("recall_ms", middle(t.recall, 0.5), "ms")
	rep.Add("reply_ms", middle(t.reply, 0.5), "ms")
	rep.Notes = map[string]any{"conversations": len(set), "questions": asked, "wrong": t.wrong}
	rep.Note(report.Protocol{Figures: "f1*, refused", Judge: "LoCoMo's own scorer: F1 of Porter stems; refused only in its words", Budget: packBudget(), Reader: asSaid})
	rep.Note(report.Protocol{Figures: "f1_of_best_line", Judge: "the same", Model: "none: the best line found is the reply", Budget: packBudget(), Reader: asSaid})
	rep.Note(report.Protocol{Figures: "refused_own_words", Judge: "the companion's ways to say that it does not know, or the scorer's", Budget: packBudget(), Reader: asSaid})
	return rep, nil
}

// ask tells a conversation to a memory and asks its questions.
func (c *Conversation) ask(ctx context.Context, a Replier, cfg AnswersConfig, t *answered) error {
	dir, err := os.MkdirTemp(cfg.Dir, "locomo-")
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	th, err := memory.Open(dir, memory.Options{NoSync: true, Flush: true, Tuning: cfg.Tuning, Reader: memory.NoFacts{}})
	if err != nil {
		return err
	}
	defer func() { _ = th.Close() }()
	ids := map[string]uint64{}
	_, now, err := c.tell(ctx, th, LocomoConfig{}, 0, 0, ids)
	if err != nil {
		return err
	}
	for _, q := range spread(c.Questions, cfg.Questions) {
		if q.Category < 1 || q.Category >= len(locomoScores) {
			continue
		}
		begin := time.Now()
		pack, err := th.Recall(ctx, q.Text, now, budget, a.Tokens)
		if err != nil {
			return err
		}
		recalled := time.Now()
		reply, err := a.Answer(ctx, pack.Text, q.Text)
		if err != nil {
			return err
		}
		t.recall, t.reply = append(t.recall, recalled.Sub(begin)), append(t.reply, time.Since(recalled))
		if err := t.add(&q, pack, pack.Grounded(reply), ids); err != nil {
			return err
		}
	}
	return nil
}

func (t *answered) add(q *LocomoQuestion, pack memory.Pack, reply string, ids map[string]uint64) error {
	s, err := score.LoCoMo(q.Category, reply, string(q.Answer))
	if err != nil {
		return err
	}
	t.asked[q.Category]++
	t.sum[q.Category] += s
	if q.Category == score.LocomoNever {
		if s > 0 || companion.Denies(fact.English, reply) {
			t.own++
		}
		return nil
	}
	if len(pack.Items) > 0 {
		best := slices.MaxFunc(pack.Items, func(x, y memory.Recalled) int { return cmp.Compare(x.Score, y.Score) })
		quoted, err := score.LoCoMo(q.Category, best.Item.Text, string(q.Answer))
		if err != nil {
			return err
		}
		t.quoted += quoted
	}
	for id := range q.turns(ids) {
		t.evidence++
		if slices.ContainsFunc(pack.Items, func(r memory.Recalled) bool { return r.Turn == id }) {
			t.packed++
		}
	}
	if s < 0.5 && len(t.wrong) < mostWrong {
		t.wrong = append(t.wrong, map[string]string{"category": locomoScores[q.Category], "pack": pack.Text, "ask": q.Text, "reply": reply, "answer": string(q.Answer)})
	}
	return nil
}

// spread returns n of all at even distances, or all of them.
func spread[T any](all []T, n int) []T {
	if n <= 0 || n >= len(all) {
		return all
	}
	some := make([]T, n)
	for i := range some {
		some[i] = all[i*len(all)/n]
	}
	return some
}
