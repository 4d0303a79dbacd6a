package companion

import (
	"math/rand/v2"
	"strings"
	"time"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// Utterance is something that a user says, and what it tells or asks for: facts
// without days, or one query, or neither.
type Utterance struct {
	Lang  fact.Language
	When  time.Time
	Text  string
	Facts []fact.Fact
	Asked []fact.Query
}

// Shares of the turns of the Train split that more is said around: small talk,
// and others who are mentioned, so that who is meant must be read.
const (
	quietShare  = 0.1 // say nothing, though they look as if
	talkAround  = 0.15
	otherAround = 0.25
	leadBefore  = 0.15 // begin with words that say nothing
)

// DrawUtterance draws one, a share of them Chinese.
func DrawUtterance(r *rand.Rand, split Split, chinese float64) Utterance {
	w := newWriter(r, split)
	if split == Train {
		w.wild = wild
	}
	if w.chance(chinese) {
		w.lang = fact.Chinese
	}
	t := Utterance{Lang: w.lang, When: w.date()}
	if split == Train && w.chance(quietShare) {
		t.Text = w.quiet()
		return t
	}
	if split != Test && w.chance(composedShare) {
		w.composed(&t)
		if split == Train && w.chance(aroundComposed) {
			t.Text = w.around(t.Text)
		}
		return t
	}
	if split == Train && w.chance(earlierShare+unsaidShare) {
		w.referring(&t, w.chance(earlierShare/(earlierShare+unsaidShare)))
		return t
	}
	var lines string
	t.Text, lines = w.turnAndLines(t.When)
	t.Facts, t.Asked = fact.ParseLines(lines), fact.ParseQueries(lines)
	if split == Train {
		if w.chance(namedShare) {
			w.named(&t)
		}
		t.Text = w.around(t.Text)
	}
	return t
}

// quiet is a turn that says nothing to remember.
func (w *writer) quiet() string {
	all := files().quiet[languageKeys[w.lang]+".quiet"]
	s := w.expand(all[w.r.IntN(len(all))], 0)
	if w.lang == fact.English {
		s = speech.Sentence(speech.Articles(s))
	}
	if w.chance(0.2) {
		s = join(w.lang, s, w.expand(all[w.r.IntN(len(all))], 0))
	}
	return w.casual(s, strings.HasSuffix(s, "?"))
}

// around puts what is beside the point before or after a turn.
func (w *writer) around(text string) string {
	switch at := w.r.Float64(); {
	case at < otherAround:
		return w.mention(text)
	case at < otherAround+leadBefore:
		all := files().mentions[languageKeys[w.lang]+".lead"]
		return all[w.r.IntN(len(all))] + text
	case at < otherAround+leadBefore+talkAround:
		script := w.script()
		other := script[2*w.r.IntN((len(script)+1)/2)]
		if w.chance(0.5) {
			return join(w.lang, other, text)
		}
		return join(w.lang, text, other)
	}
	return text
}

// mention has somebody stand before or after a turn who it is not about.
func (w *writer) mention(text string) string {
	who := w.value("relation")[w.lang]
	if strings.Contains(strings.ToLower(text), strings.ToLower(who)) {
		return text
	}
	side := []string{"before", "after"}[w.r.IntN(2)]
	all := files().mentions[languageKeys[w.lang]+"."+side]
	other := strings.ReplaceAll(all[w.r.IntN(len(all))], "{who}", who)
	if side == "before" {
		return other + text
	}
	return join(w.lang, text, strings.TrimSpace(other))
}

// join puts one turn after another, with a stop between them where there is
// none.
func join(l fact.Language, a, b string) string {
	a = strings.TrimSpace(a)
	if !strings.ContainsAny(a[max(0, len(a)-3):], ".!?:。！？：，") {
		a += [...]string{fact.English: ".", fact.Chinese: "，"}[l]
	}
	return speech.Joined(l, a, b)
}
