package talk

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/internal/report"
	"kuai/par"
	"kuai/reader"
	"kuai/train/read"
	"kuai/train/talk"
)

// ReadConfig says what a reader is measured on.
type ReadConfig struct {
	Turns int // of each language
	Split companion.Split
	Seed  uint64
	Texts []*talk.Corpus // what people wrote, of whose held-out lines it is told how many are taken to tell or to ask
}

// mostLines are the lines of a text that are read.
const mostLines = 5000

// mostMissed are the turns that a report shows.
const mostMissed = 60

// Read measures a reader: of the lines that turns hold, facts and questions,
// how many it finds, and of those it writes how many are right. A right one has
// subject, predicate and object as they were drawn. Beside made turns it reads
// turns of published texts, and written ones, that were marked by hand.
func Read(ctx context.Context, m *reader.Model, pool *par.Pool, cfg ReadConfig) (*report.Report, error) {
	rep := &report.Report{Machine: report.Machine(), Notes: map[string]any{}}
	r := reader.NewReader(m, pool)
	defer r.Close()
	var missed []map[string]string
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		rng := rand.New(rand.NewPCG(cfg.Seed, uint64(l)))
		var t readTally
		for range cfg.Turns {
			if err := ctx.Err(); err != nil {
				return nil, context.Cause(ctx)
			}
			u := companion.DrawUtterance(rng, cfg.Split, float64(l))
			want, have := drawn(u), found(r.Read(u.Text)[0])
			t.count(want, have, u.Asked != nil)
			if !slices.Equal(want, have) && len(missed) < mostMissed*(1+int(l)) {
				missed = append(missed, map[string]string{"turn": u.Text, "lines": strings.Join(have, "; "), "answer": strings.Join(want, "; ")})
			}
		}
		t.report(rep, languages[l])
		for _, hand := range []struct {
			name string
			of   func(companion.Split, fact.Language) []companion.Utterance
		}{{"spoken", companion.Spoken}, {"written", companion.Written}} {
			var said readTally
			for _, u := range hand.of(cfg.Split, l) {
				if err := ctx.Err(); err != nil {
					return nil, context.Cause(ctx)
				}
				said.count(drawn(u), found(r.Read(u.Text)[0]), u.Asked != nil)
			}
			said.byHand(rep, hand.name, languages[l])
		}
	}
	rep.Notes["missed"] = missed
	return rep, texts(ctx, r, cfg.Texts, rep)
}

// texts reads lines that nobody chose or marked: of those that speak of nobody,
// none should be taken to tell of somebody, or to ask for what was told.
func texts(ctx context.Context, r *reader.Reader, all []*talk.Corpus, rep *report.Report) error {
	if len(all) == 0 {
		return nil
	}
	impersonal := read.Impersonal(all)
	for _, c := range all {
		var lines, told, asked, nobody, nobodyTold, nobodyAsked int
		for line := range held(c) {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			x := r.Read(line)[0]
			lines++
			told += min(len(x.Facts), 1)
			asked += min(len(x.Asked), 1)
			if impersonal(line) {
				nobody++
				nobodyTold += min(len(x.Facts), 1)
				nobodyAsked += min(len(x.Asked), 1)
			}
			if lines == mostLines {
				break
			}
		}
		share := func(n, of int) float64 { return float64(n) / float64(max(of, 1)) }
		rep.Add(c.Name+"_told", share(told, lines), fmt.Sprintf("of %d lines held out", lines))
		rep.Add(c.Name+"_asked", share(asked, lines), "of them")
		rep.Add(c.Name+"_nobody_told", share(nobodyTold, nobody), fmt.Sprintf("of %d that speak of nobody", nobody))
		rep.Add(c.Name+"_nobody_asked", share(nobodyAsked, nobody), "of them")
	}
	return nil
}

// held are the lines of a text that training does not see.
func held(c *talk.Corpus) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; ; i++ {
			doc, ok := c.Held(i)
			if !ok {
				return
			}
			for _, part := range doc {
				for line := range strings.Lines(part.Text) {
					if line = strings.TrimSpace(line); line != "" && !yield(line) {
						return
					}
				}
			}
		}
	}
}

// readTally counts lines.
type readTally struct {
	wanted, written, right     int
	asked, askedRight          int
	whom, predicate, object, n int // of turns with one line on both sides: which field is right
	quiet, quietRight          int // turns that say nothing to remember
}

func (t *readTally) count(want, have []string, asked bool) {
	for _, line := range want {
		count(&t.right, slices.Contains(have, line))
	}
	t.wanted, t.written = t.wanted+len(want), t.written+len(have)
	if asked {
		t.asked++
		count(&t.askedRight, slices.Equal(want, have))
	}
	if len(want) == 0 {
		t.quiet++
		count(&t.quietRight, len(have) == 0)
	}
	if len(want) == 1 && len(have) == 1 {
		w, h := strings.Split(want[0], " | "), strings.Split(have[0], " | ")
		t.n++
		count(&t.whom, w[0] == h[0])
		count(&t.predicate, w[1] == h[1])
		count(&t.object, slices.Equal(w[2:], h[2:]))
	}
}

func (t *readTally) report(rep *report.Report, language string) {
	rep.Add("lines_found_"+language, share(t.right, t.wanted), "of lines")
	rep.Add("lines_right_"+language, share(t.right, t.written), "of lines written")
	rep.Add("asked_right_"+language, share(t.askedRight, t.asked), "of questions")
	rep.Add("quiet_right_"+language, share(t.quietRight, t.quiet), "of turns that say nothing to remember")
	rep.Add("whom_right_"+language, share(t.whom, t.n), "of single lines")
	rep.Add("predicate_right_"+language, share(t.predicate, t.n), "of single lines")
	rep.Add("object_right_"+language, share(t.object, t.n), "of single lines")
}

// byHand gives what becomes of turns that were marked by hand.
func (t *readTally) byHand(rep *report.Report, name, language string) {
	rep.Add(name+"_found_"+language, share(t.right, t.wanted), "of the lines of turns marked by hand")
	rep.Add(name+"_right_"+language, share(t.right, t.written), "of lines written of them")
	rep.Add(name+"_quiet_right_"+language, share(t.quietRight, t.quiet), "of those that tell nothing")
}

// drawn are the lines of an utterance; days are left to the calendar.
func drawn(u companion.Utterance) (lines []string) {
	for _, f := range u.Facts {
		f.From = f.Learned
		lines = append(lines, strings.ToLower(fact.Line(f)))
	}
	for _, q := range u.Asked {
		if !q.On.IsZero() {
			lines = append(lines, strings.ToLower(q.Subject)+" | ? | a day")
			continue
		}
		lines = append(lines, strings.ToLower(q.Line()))
	}
	return lines
}

// found are the lines of a reading.
func found(x reader.Reading) (lines []string) {
	for _, f := range x.Facts {
		lines = append(lines, strings.ToLower(fact.Line(f)))
	}
	for _, q := range x.Asked {
		if x.OnDay {
			lines = append(lines, strings.ToLower(q.Subject)+" | ? | a day")
			continue
		}
		lines = append(lines, strings.ToLower(q.Line()))
	}
	return lines
}
