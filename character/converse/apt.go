package converse

import (
	"cmp"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"kuai/character/apt"
	"kuai/character/memory"
	"kuai/companion"
	"kuai/companion/fact"
)

// Likelihoods from which on a reply is said. A character's own goes before
// anybody's unless that is far likelier. Chosen on 120 turns said to five of the
// characters: what was found from 0.2 on was nearly always to the point, from 0.1 to
// 0.2 every other time.
const (
	ownSure, ownEnough   = 0.5, 0.17
	anySure, anyEnough   = 0.8, 0.2
	ownClause, anyClause = 0.35, 0.6
)

// selected is where a reply that was written for a situation came from.
type selected struct {
	place apt.Place
	reply string
}

const (
	maxSelected = 16 // of which it is known where they came from
	maxParts    = 6  // of a turn that are looked for
)

// repertoire is what was written for the character who answers, and what it has
// said lately.
type repertoire struct {
	c       *Conversation
	indexes [2][]*apt.Index // by language, made when they are asked for
	made    [2]bool
	lately  []string
	after   *apt.Place // of the last that it said, where that was written
}

// repertoire is that of the one who answers.
func (c *Conversation) repertoire(w wish) (*repertoire, error) {
	last, err := c.thread.Last(recentTurns)
	if err != nil {
		return nil, err
	}
	r := &repertoire{c: c, lately: slices.Clone(w.instead)}
	for _, t := range last {
		if t.Speaker == fact.User || w.who != "" && t.Speaker != w.who {
			continue
		}
		r.lately = append(r.lately, t.Text)
		r.after = nil
		for i := range c.chosen {
			if strings.HasSuffix(t.Text, c.chosen[i].reply) { // other sentences may stand before it
				r.after = &c.chosen[i].place
			}
		}
	}
	return r, nil
}

// of are the indexes in a language: of what comes with Kuai, and of what stands in
// the card.
func (r *repertoire) of(l fact.Language) ([]*apt.Index, error) {
	if r.made[l] {
		return r.indexes[l], nil
	}
	_, voice := companion.Voice(r.c.Card.Voice(), l)
	for _, text := range []string{voice, hideMacros.Replace(r.c.Card.Talk())} {
		x, err := apt.Of(l, text)
		if err != nil {
			return nil, err
		}
		if x != nil {
			r.indexes[l] = append(r.indexes[l], x)
		}
	}
	r.made[l] = true
	return r.indexes[l], nil
}

// Macros of a card's talk stay what they are in an index, which is for everybody.
var hideMacros, showMacros = strings.NewReplacer("{{", "⟦", "}}", "⟧"), strings.NewReplacer("⟦", "{{", "⟧", "}}")

// own are the places that are near to what was said, likeliest first.
func (r *repertoire) own(said string, l fact.Language) (out []apt.Match, err error) {
	indexes, err := r.of(l)
	for _, x := range indexes {
		out = append(out, x.Find(said, r.after)...)
	}
	slices.SortStableFunc(out, func(a, b apt.Match) int { return cmp.Compare(b.Score, a.Score) })
	return out, err
}

// choose draws a reply in a language of the likeliest place, of those that fit and
// were not said lately.
func (r *repertoire) choose(all []apt.Match, least float32, said string, l fact.Language, fits func(string) bool) string {
	c := r.c
	draw := rand.New(rand.NewPCG(c.Sampling.Seed, pick(said)+uint64(c.thread.Stats().Turns))) //nolint:gosec // a count, and no secrets
	for _, m := range all {
		if m.Score < least {
			break
		}
		for _, i := range draw.Perm(len(m.Replies)) {
			s := m.Replies[i]
			if strings.Contains(s, "⟦") {
				s = c.macros(c.userName(true)).Expand(showMacros.Replace(s))
			}
			if hasHan(s) != (l == fact.Chinese) || !fits(s) || slices.ContainsFunc(r.lately, func(t string) bool { return strings.HasSuffix(t, s) }) {
				continue
			}
			c.chosen = append(c.chosen, selected{m.Place, s})
			c.chosen = c.chosen[max(0, len(c.chosen)-maxSelected):]
			return s
		}
	}
	return ""
}

// voiced is what the character itself says to something; "" where nothing that was
// written for it is near enough.
func (r *repertoire) voiced(said string, l fact.Language) (string, error) {
	all, err := r.own(said, l)
	return r.choose(all, ownEnough, said, l, func(string) bool { return true }), err
}

// otherwise is what the character itself says to any turn of a sort
// (apt.Index.Otherwise), "" where it has nothing for it that fits.
func (r *repertoire) otherwise(said string, l fact.Language, sort string, fits func(string) bool) (string, error) {
	indexes, err := r.of(l)
	var whatever apt.Match
	for _, x := range indexes {
		whatever.Replies = append(whatever.Replies, x.Otherwise(sort)...)
	}
	return r.choose([]apt.Match{whatever}, 0, said, l, fits), err
}

// apt returns a reply that was written for what was said, or for what comes next
// after the one before: the character's own, or anybody's; "" where none is near
// enough. A clause that is nearly what was written goes before a whole that is
// hardly.
func (c *Conversation) apt(t turn, r *repertoire) (string, error) {
	if t.looked {
		return "", nil // the model speaks
	}
	if t.aside {
		t.told = nil
	}
	x, err := apt.Open(t.l)
	if err != nil {
		return "", err
	}
	parts := t.parts()
	whole := near{said: parts[0], anybody: x.Find(parts[0], r.after)}
	if whole.own, err = r.own(parts[0], t.l); err != nil {
		return "", err
	}
	if s := r.nearest(whole, ownSure, anySure, t); s != "" {
		return s, nil
	}
	for _, said := range parts[1:] {
		clause := near{said: said, anybody: x.Find(said, r.after)}
		if clause.own, err = r.own(said, t.l); err != nil {
			return "", err
		}
		if s := r.nearest(clause, ownClause, anyClause, t); s != "" {
			return s, nil
		}
	}
	return r.nearest(whole, ownEnough, anyEnough, t), nil
}

// near are the places that are near to something said: the character's own, and
// anybody's.
type near struct {
	said         string
	own, anybody []apt.Match
}

// nearest draws a reply to something said that fits the turn, from likelihoods on.
func (r *repertoire) nearest(n near, own, anybody float32, t turn) string {
	if s := r.choose(n.own, own, n.said, t.l, t.mayBe); s != "" {
		return s
	}
	return r.choose(n.anybody, anybody, n.said, t.l, t.fits)
}

// mayBe says whether what was written for the character can stand after a turn.
func (t turn) mayBe(reply string) bool {
	t.role = false // it speaks as whatever it is
	return t.suits(reply) && (len(t.told) == 0 || t.fits(reply))
}

// parts are what a turn says that may be answered by itself: all of it, then what
// it wishes for, said plainly, and what it asks, then its clauses, the last first.
// A question beside bad news is not what matters.
func (t turn) parts() []string {
	out := []string{t.said}
	if t.bad() {
		return out
	}
	for _, w := range wishes[t.l] {
		if w.words.MatchString(t.said) {
			out = append(out, w.plainly)
		}
	}
	for _, s := range memory.Sentences(t.said) {
		if s.Asks {
			out = append(out, s.Text)
		}
	}
	for _, s := range slices.Backward(clauses.Split(t.said, -1)) {
		if s = strings.TrimSpace(s); utf8.RuneCountInString(s) >= leastClause && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out[:min(len(out), maxParts)]
}

const leastClause = 4 // letters

var clauses = regexp.MustCompile(`[,;:.!?，；：。！？~～…—]+`)

// wishes are what is wished for with many words around it, and how it is said
// plainly.
var wishes = [...][]struct {
	words   *regexp.Regexp
	plainly string
}{
	fact.English: {
		{regexp.MustCompile(`(?i)\b(?:tell|give|know|got|read|make up|want|need)\b.*\bstor(?:y|ies)\b`), "tell me a story"},
		{regexp.MustCompile(`(?i)\b(?:tell|give|know|got|need|hit)\b.*\b(?:jokes?|pun)\b`), "tell me a joke"},
		{regexp.MustCompile(`(?i)\bgood ?night\b|\bnight night\b|\bsleep (?:well|tight)\b`), "good night"},
		{regexp.MustCompile(`(?i)\b(?:better|got to|gotta|have to) (?:go|run|head off)\b|\b(?:see|talk to) (?:you|ya) (?:later|soon|tomorrow|around)\b|\bbye\b`), "bye, see you later"},
	},
	fact.Chinese: {
		{regexp.MustCompile(`(?:讲|说|来|听).{0,6}故事`), "给我讲个故事"},
		{regexp.MustCompile(`(?:讲|说|来|听).{0,6}笑话`), "讲个笑话"},
		{regexp.MustCompile(`晚安|(?:去|先|要)睡(?:了|啦|觉)`), "晚安"},
		{regexp.MustCompile(`先(?:撤|走|溜|下)(?:了|啦)|不聊(?:了|啦)|(?:回头|明天|明儿|改天|下次)(?:再)?(?:聊|来|找你)|拜拜|再见`), "再见，下次聊"},
	},
}
