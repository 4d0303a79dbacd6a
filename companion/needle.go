package companion

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// Needle is a long dialogue of requests and replies, at whose end the user
// wants one of the replies repeated: the shape of MiniMax's MR-NIAH, in this
// package's own words. Soon after the one that is meant, the same was asked
// again and answered differently, and other such things are asked all along.
type Needle struct {
	Said   Sample // by User and Assistant in turns
	Ask    string
	Answer string  // the reply that is meant
	Place  float64 // of it: share of the dialogue before it
}

// needleGap is about how many characters lie between other requests of the
// needle's kind.
const needleGap = 2000

// NewNeedle draws a dialogue of about so many characters, whose needle stands
// after the share place of them.
func NewNeedle(r *rand.Rand, lang fact.Language, characters int, place float64) Needle {
	w := &writer{r: r, split: Test, lang: lang, anySmallTalk: true}
	kind := needleKinds[r.IntN(len(needleKinds))]
	about := w.topic(kind, nil)
	n := Needle{Place: place, Answer: w.reply(kind), Ask: fillTopic(kind.again[lang], about[lang])}
	request := fillTopic(kind.ask[lang], about[lang])
	second := n.Answer
	for second == n.Answer {
		second = w.reply(kind)
	}
	hidden := Sample{{User, request, 0}, {Assistant, n.Answer, 0}, {User, request, 0}, {Assistant, second, 0}}
	said, next := 0, 0
	put := func(parts ...Part) {
		n.Said = append(n.Said, parts...)
		for _, p := range parts {
			said += utf8.RuneCountInString(p.Text)
		}
	}
	for said < characters || hidden != nil {
		switch {
		case hidden != nil && said >= int(place*float64(characters)):
			put(hidden...)
			hidden = nil
		case said >= next:
			k := needleKinds[r.IntN(len(needleKinds))]
			put(Part{User, fillTopic(k.ask[lang], w.topic(k, &about)[lang]), 0}, Part{Assistant, w.reply(k), 0})
			next += needleGap/2 + r.IntN(needleGap)
		default:
			lines := w.chatter()
			for i := 0; i+1 < len(lines); i += 2 {
				put(Part{User, lines[i], 0}, Part{Assistant, lines[i+1], 0})
			}
		}
	}
	return n
}

// needleKind is a kind of request. {x} is what it is about.
type needleKind struct {
	topics     []string // kinds of values
	ask, again [2]string
	list       []string    // kinds of the values of a list; else
	parts      [2][]string // alternatives for the parts of a text, by grammar
	ends       [2][]string // what follows each part, as many as there are
}

var needleKinds = []needleKind{
	{
		topics: []string{"animal", "city", "instrument", "dish", "hobby", "drink", "country"},
		ask:    [2]string{"Write a little poem about {x}, please.", "写一首关于{x}的小诗吧。"},
		again:  [2]string{"Please repeat the first poem that you wrote about {x}, word for word.", "请把你写的第一首关于{x}的诗一字不差地再说一遍。"},
		parts: [2][]string{
			{"here comes {who}, {time}", "{time} the light turns {adj}", "something {adj} is singing {place}", "nobody counts the {adj} hours", "{few} leaves fall {time}", "the wind carries {thing1} away", "{place} it is quiet", "a {adj} moon looks for {who}"},
			{"{who}在{place}等着", "{time}的光{adj}起来", "{place}有什么在轻轻唱", "没有人数{adj}的时辰", "{time}落下{few}片叶子", "风把{thing1}带走", "{place}静悄悄", "{adj}的月亮在找{who}"},
		},
		ends: [2][]string{{",\n", ",\n", ",\n", "."}, {"，\n", "，\n", "，\n", "。"}},
	},
	{
		topics: []string{"job"},
		ask:    [2]string{"Suggest three dishes for an evening with {x}.", "推荐三道菜，适合和{x}一起吃的。"},
		again:  [2]string{"Please repeat the three dishes that you suggested first for {x}.", "请再说一遍你第一次推荐的、和{x}一起吃的三道菜。"},
		list:   []string{"dish"},
	},
	{
		topics: []string{"job", "animal"},
		ask:    [2]string{"Name three things that would suit {x}.", "说三样适合{x}的东西。"},
		again:  [2]string{"Please repeat the three things that you named first for {x}.", "请再说一遍你第一次说的适合{x}的三样东西。"},
		list:   []string{"collectible", "hobby", "drink", "instrument", "sport"},
	},
	{
		topics: []string{"animal", "city", "vehicle", "sport", "country"},
		ask:    [2]string{"Describe {x} in a few words.", "用几个词形容一下{x}。"},
		again:  [2]string{"Please repeat how you described {x} the first time.", "请再说一遍你第一次是怎么形容{x}的。"},
		parts: [2][]string{
			{"often {adj}", "never {adj}", "best {time}", "at home {place}", "a little {adj}", "made for {who}", "worth {few} tries", "like {thing1}"},
			{"常常{adj}", "从不{adj}", "{time}最好", "最配{place}", "有点{adj}", "适合{who}", "值得试{few}回", "像{thing1}"},
		},
		ends: [2][]string{{", ", ", ", "."}, {"，", "，", "。"}},
	},
}

func fillTopic(s, x string) string { return strings.ReplaceAll(s, "{x}", x) }

// topic draws what a request is about, other than what is given.
func (w *writer) topic(k needleKind, not *value) value {
	for {
		kind := k.topics[w.r.IntN(len(k.topics))]
		all := files().lexicon[kind]
		v := all[w.r.IntN(len(all))]
		if kind == "animal" || kind == "instrument" || kind == "job" {
			v[0] = speech.WithArticle(v[0])
		}
		if not == nil || v[w.lang] != not[w.lang] {
			return v
		}
	}
}

// reply writes what a request asks for: a numbered list, or parts of a text.
func (w *writer) reply(k needleKind) string {
	var b strings.Builder
	if k.list != nil {
		all := files().lexicon[k.list[w.r.IntN(len(k.list))]]
		for i, at := range w.r.Perm(len(all))[:3] {
			b.WriteString(strconv.Itoa(i+1) + ". " + all[at][w.lang] + "\n")
		}
		return strings.TrimSpace(b.String())
	}
	parts, ends := k.parts[w.lang], k.ends[w.lang]
	for i, at := range w.r.Perm(len(parts))[:len(ends)] {
		s := w.expand(parts[at], 0)
		if w.lang == fact.English {
			if s = speech.Articles(s); i == 0 || strings.HasSuffix(ends[0], "\n") {
				s = speech.Sentence(s)
			}
		}
		b.WriteString(s + ends[i])
	}
	return b.String()
}
