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
		types := map[string]*tally{}
		cases := hand.Cases(l)
		n := min(len(cases), 4*e.cfg.Questions)
		for i := range n {
			c := &cases[i*len(cases)/n] // the types stand one after the other
			var parts companion.Sample
			if pack := c.Pack(); pack != "" {
				parts = companion.Sample{{Role: companion.Memory, Text: pack}}
			}
			parts = append(append(parts, c.Said...), companion.Part{Role: companion.User, Text: c.Ask})
			reply, _, err := e.reply(ctx, parts, nil)
			if err != nil {
				return err
			}
			v := c.Judge(reply)
			t := types[c.Type]
			if t == nil {
				t = &tally{}
				types[c.Type] = t
			}
			t.add(v)
			if len(c.Accept) == 0 {
				never.add(v)
			} else {
				told.add(v)
			}
			if !v.Right && len(misses) < 40*(1+int(l)) {
				misses = append(misses, map[string]string{"kind": c.Type, "pack": c.Pack(), "ask": c.Ask, "reply": reply, "answer": strings.Join(c.Accept, " / ")})
			}
		}
		e.rep.Share("right_by_hand_"+languages[l], told.right, told.n, "of questions told")
		e.rep.Share("false_by_hand_"+languages[l], never.wrong, never.n, "of questions never told")
		for _, name := range hand.Types() {
			if t := types[name]; t != nil {
				e.rep.Share("right_by_hand_"+name+"_"+languages[l], t.right, t.n, "of questions")
			}
		}
	}
	e.rep.Notes["wrong_by_hand"] = misses
	return nil
}
