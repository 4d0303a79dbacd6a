package memory

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kuai/character/memory"
	"kuai/internal/report"
)

// LoCoMo is a published set of long conversations, with questions and the turns
// that answer them.
//
// Source: Maharana et al., Evaluating Very Long-Term Conversational Memory of
// LLM Agents, 2024.
type LoCoMo []Conversation

// Conversation is two people's sessions and questions about them.
type Conversation struct {
	Sessions  []Session
	Questions []LocomoQuestion
}

// Session is one sitting; the ids of its turns are those of the evidence.
type Session struct {
	Start time.Time
	Turns []SessionTurn
}

// SessionTurn is something said.
type SessionTurn struct {
	Speaker string `json:"speaker"`
	ID      string `json:"dia_id"`
	Text    string `json:"text"`
	Caption string `json:"blip_caption"` // of a picture that was shown
}

// LocomoQuestion is a question with the ids of the turns that answer it.
type LocomoQuestion struct {
	Text     string   `json:"question"`
	Evidence []string `json:"evidence"`
	Category int      `json:"category"`
	Answer   Plain    `json:"answer"` // "" for what was never said
}

// Plain is a string that stands in JSON as one or as a number.
type Plain string

// UnmarshalJSON takes either.
func (p *Plain) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		var n json.Number
		if err := json.Unmarshal(b, &n); err != nil {
			return err
		}
		s = n.String()
	}
	*p = Plain(s)
	return nil
}

// Categories of questions; the fifth, about what was never said, has no answer.
var locomoKinds = [...]string{1: "multi", 2: "temporal", 3: "open", 4: "single"}

const (
	maxLocomoBytes = 256 << 20
	maxSessions    = 1000
	locomoTime     = "3:04 pm on 2 January, 2006"
)

// OpenLoCoMo reads the set's JSON, packed with gzip if its name ends so.
func OpenLoCoMo(path string) (LoCoMo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	in := io.Reader(f)
	if filepath.Ext(path) == ".gz" {
		if in, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("memory: %s: %w", path, err)
		}
	}
	set, err := parseLoCoMo(io.LimitReader(in, maxLocomoBytes))
	if err != nil {
		return nil, fmt.Errorf("memory: %s: %w", path, err)
	}
	return set, nil
}

func parseLoCoMo(in io.Reader) (LoCoMo, error) {
	var raw []struct {
		QA           []LocomoQuestion           `json:"qa"`
		Conversation map[string]json.RawMessage `json:"conversation"`
	}
	if err := json.NewDecoder(in).Decode(&raw); err != nil {
		return nil, err
	}
	var set LoCoMo
	for i, r := range raw {
		c := Conversation{Questions: r.QA}
		for n := 1; n <= maxSessions; n++ {
			key := "session_" + strconv.Itoa(n)
			if r.Conversation[key] == nil {
				continue
			}
			var s Session
			var at string
			if err := errors.Join(json.Unmarshal(r.Conversation[key], &s.Turns), json.Unmarshal(r.Conversation[key+"_date_time"], &at)); err != nil {
				return nil, fmt.Errorf("conversation %d: %s: %w", i, key, err)
			}
			var err error
			if s.Start, err = time.Parse(locomoTime, at); err != nil {
				return nil, fmt.Errorf("conversation %d: %s: %w", i, key, err)
			}
			if len(s.Turns) > 0 {
				c.Sessions = append(c.Sessions, s)
			}
		}
		if len(c.Sessions) > 0 {
			set = append(set, c)
		}
	}
	if len(set) == 0 {
		return nil, errors.New("no conversation")
	}
	return set, nil
}

// LocomoConfig says how large the haystacks are and what they are made of.
type LocomoConfig struct {
	Most   int                               // characters of the largest haystack
	Filler []func(r *rand.Rand) (s []string) // each draws the turns of a talk about something else
	Dir    string                            // for the memories, which are removed afterwards
	Seed   uint64
	Tuning *memory.Tuning // nil is the one for daily use
	Reader memory.Reader  // nil is the one for daily use
	View   func(what string)
}

// fillerTurns are the turns of a session of the haystack.
const fillerTurns = 24

// locomoSizes are the haystacks, in characters, and their bars: of the turns
// that answer, how many are among the first ten found. The first is the
// conversation as it is.
var locomoSizes = []struct {
	Name       string
	Characters int
	Bar        float64
}{{"80k", 0, 0.78}, {"800k", 800_000, 0.74}, {"8000k", 8_000_000, 0.70}}

var locomoDepths = [...]int{5, 10, 20, 50}

// Locomo measures which of the turns that answer a question are found, at each
// size of haystack. A conversation's sessions lie evenly among sessions about
// something else, with the same speakers.
func Locomo(ctx context.Context, set LoCoMo, cfg LocomoConfig) (*report.Report, error) {
	rep := &report.Report{Machine: report.Machine(), Notes: map[string]any{"conversations": len(set)}}
	for _, size := range locomoSizes {
		if size.Characters > cfg.Most || size.Characters > 0 && len(cfg.Filler) == 0 {
			rep.Missing("found_10_"+size.Name, "of the turns that answer", "needs filler of so many characters")
			continue
		}
		var t found
		for i := range set {
			if cfg.View != nil {
				cfg.View(fmt.Sprintf("%s characters, conversation %d of %d", size.Name, i+1, len(set)))
			}
			if err := set[i].search(ctx, cfg, size.Characters, uint64(i), &t); err != nil {
				return nil, err
			}
		}
		for i, n := range locomoDepths {
			name := fmt.Sprintf("found_%d_%s", n, size.Name)
			if n == 10 {
				rep.AtLeast(name, t.sum[i]/float64(t.asked), size.Bar, "of the turns that answer")
				continue
			}
			rep.Add(name, t.sum[i]/float64(t.asked), "of the turns that answer")
		}
		for k, name := range locomoKinds {
			if t.kinds[k] > 0 {
				rep.Add("found_10_"+size.Name+"_"+name, t.kind[k]/float64(t.kinds[k]), "of the turns that answer")
			}
		}
		rep.Add("search_ms_"+size.Name, middle(t.took, 0.5), "ms")
		rep.Add("search_p95_ms_"+size.Name, middle(t.took, 0.95), "ms")
		rep.Add("characters_"+size.Name, float64(t.characters)/float64(len(set)), "characters")
		rep.Notes["questions"] = t.asked
	}
	rep.Note(report.Protocol{Figures: "found_*", Judge: "the set's evidence: the share of a question's turns among the first found, mean over questions of the first four categories", Model: "none", Budget: "the first 5, 10, 20, 50 turns"})
	return rep, nil
}

// found sums up shares of evidence.
type found struct {
	asked      int
	sum        [len(locomoDepths)]float64
	kind       [len(locomoKinds)]float64 // at ten
	kinds      [len(locomoKinds)]int
	took       []time.Duration
	characters int
}

// search tells a conversation in its haystack to a memory, and asks.
func (c *Conversation) search(ctx context.Context, cfg LocomoConfig, characters int, seed uint64, t *found) error {
	dir, err := os.MkdirTemp(cfg.Dir, "locomo-")
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	th, err := memory.Open(dir, memory.Options{NoSync: true, Flush: true, Tuning: cfg.Tuning, Reader: cfg.Reader})
	if err != nil {
		return err
	}
	defer func() { _ = th.Close() }()
	ids := map[string]uint64{}
	told, now, err := c.tell(ctx, th, cfg, characters, seed, ids)
	if err != nil {
		return err
	}
	t.characters += told
	if err := th.Flush(); err != nil {
		return err
	}
	for _, q := range c.Questions {
		if q.Category < 1 || q.Category >= len(locomoKinds) {
			continue
		}
		evidence := q.turns(ids)
		if len(evidence) == 0 {
			continue
		}
		begin := time.Now()
		hits, err := th.Search(ctx, q.Text, now, locomoDepths[len(locomoDepths)-1])
		if err != nil {
			return err
		}
		t.took = append(t.took, time.Since(begin))
		t.asked++
		t.kinds[q.Category]++
		for i, n := range locomoDepths {
			got := 0
			for id := range evidence {
				for _, h := range hits[:min(n, len(hits))] {
					if h.Turn == id {
						got++
						break
					}
				}
			}
			share := float64(got) / float64(len(evidence))
			t.sum[i] += share
			if n == 10 {
				t.kind[q.Category] += share
			}
		}
	}
	return nil
}

// turns are the ids of the evidence; some of it stands several to an entry.
func (q *LocomoQuestion) turns(ids map[string]uint64) map[uint64]bool {
	at := map[uint64]bool{}
	for _, e := range q.Evidence {
		for _, name := range strings.FieldsFunc(e, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			if id := ids[name]; id != 0 {
				at[id] = true
			}
		}
	}
	return at
}

// tell keeps the sessions, and between any two as much filler as makes the
// whole so many characters. It returns how many there are, and the next day.
func (c *Conversation) tell(ctx context.Context, th *memory.Thread, cfg LocomoConfig, characters int, seed uint64, ids map[string]uint64) (told int, now time.Time, err error) {
	r := rand.New(rand.NewPCG(cfg.Seed, seed))
	own := 0
	for _, s := range c.Sessions {
		for _, turn := range s.Turns {
			own += len(turn.said())
		}
	}
	between := max(0, characters-own) / len(c.Sessions)
	for i, s := range c.Sessions {
		last, err := th.Append(s.turns()...)
		if err != nil {
			return 0, now, err
		}
		for j, turn := range s.Turns {
			ids[turn.ID] = last - uint64(len(s.Turns)-1-j)
		}
		end := s.Start.Add(7 * 24 * time.Hour)
		if i+1 < len(c.Sessions) {
			end = c.Sessions[i+1].Start
		}
		now = s.Start.Add(24 * time.Hour)
		n, err := fill(ctx, th, cfg, r, s, end, between)
		if err != nil {
			return 0, now, err
		}
		told += n
	}
	return told + own, now, nil
}

// fill keeps sessions of filler after one, up to a time.
func fill(ctx context.Context, th *memory.Thread, cfg LocomoConfig, r *rand.Rand, after Session, until time.Time, characters int) (told int, err error) {
	var sessions [][]string
	for told < characters {
		var s []string
		draw := cfg.Filler[r.IntN(len(cfg.Filler))]
		for len(s) < fillerTurns {
			s = append(s, draw(r)...)
		}
		s = s[:fillerTurns]
		for _, text := range s {
			told += len(text)
		}
		sessions = append(sessions, s)
	}
	step := until.Sub(after.Start) / time.Duration(len(sessions)+1)
	for i, s := range sessions {
		turns := make([]memory.Turn, len(s))
		for j, text := range s {
			turns[j] = memory.Turn{
				Time:    after.Start.Add(time.Duration(i+1)*step + time.Duration(j)*time.Second),
				Speaker: after.Turns[j%min(2, len(after.Turns))].Speaker, Text: text,
			}
		}
		if _, err := th.Append(turns...); err != nil {
			return told, err
		}
		if ctx.Err() != nil {
			return told, context.Cause(ctx)
		}
	}
	return told, nil
}

func (s *Session) turns() []memory.Turn {
	turns := make([]memory.Turn, len(s.Turns))
	for i, t := range s.Turns {
		turns[i] = memory.Turn{Time: s.Start.Add(time.Duration(i) * 10 * time.Second), Speaker: t.Speaker, Text: t.said()}
	}
	return turns
}

// said is the text, and what a picture beside it shows.
func (t *SessionTurn) said() string {
	if t.Caption == "" {
		return t.Text
	}
	return t.Text + " [shows: " + t.Caption + "]"
}
