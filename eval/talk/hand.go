package talk

import (
	"context"
	"strings"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/companion/hand"
)

// byHand asks the questions that were written by hand, whose wordings no
// grammar made.
func (e *evaluation) byHand(ctx context.Context) error {
	var misses []map[string]string
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		e.cfg.View("questions by hand: " + languages[l])
		var told, never tally
		for i, c := range hand.Cases(l) {
			if i == 4*e.cfg.Questions {
				break
			}
			parts := c.Said
			if pack := c.Pack(); pack != "" {
				parts = append(companion.Sample{{Role: companion.Memory, Text: pack}}, parts...)
			}
			reply, _, err := e.reply(ctx, append(parts, companion.Part{Role: companion.User, Text: c.Ask}), nil)
			if err != nil {
				return err
			}
			v := judge(&c, reply)
			if len(c.Accept) == 0 {
				never.add(v)
			} else {
				told.add(v)
			}
			if !v.Right && len(misses) < 40 {
				misses = append(misses, map[string]string{"kind": c.Type, "pack": c.Pack(), "ask": c.Ask, "reply": reply, "answer": strings.Join(c.Accept, " / ")})
			}
		}
		e.rep.Add("right_by_hand_"+languages[l], share(told.right, told.n), "of questions told")
		e.rep.Add("false_by_hand_"+languages[l], share(never.wrong, never.n), "of questions never told")
	}
	e.rep.Notes["wrong_by_hand"] = misses
	return nil
}

// judge compares a reply with what a case accepts: any of it.
func judge(c *hand.Case, reply string) companion.Verdict {
	q := companion.Quiz{Lang: c.Lang, Stale: c.Stale}
	if len(c.Accept) == 0 {
		return q.Judge(reply)
	}
	var last companion.Verdict
	for _, accept := range c.Accept {
		q.Accept = []string{accept}
		if last = q.Judge(reply); last.Right {
			break
		}
	}
	return last
}
