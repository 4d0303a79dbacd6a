package memory

import (
	"regexp"
	"strings"

	"kuai/character/memory/term"
	"kuai/companion/fact"
)

// asksBack tells questions for what the companion has said before.
var asksBack = regexp.MustCompile(`(?i)\b(repeat|recite|say (it|that|this) again|once more|word for word|(you|you've|you had) (once |first |just |already )?(said|wrote|written|told|suggested|named|described|recommended|gave|given|listed|composed)|your (first|second|last|previous|earlier|original) \w+)\b|重复|复述|再说一遍|再写一遍|再讲一遍|一字不[差漏]|你(之前|以前|刚才|上次|第一次|第[一二三]次)|你[^，。？]{0,12}(写|说|讲|推荐|给|列|形容|描述)[过的]`)

// requestRunes is how much of a request goes with the reply to it: long ones,
// which name everything, would leave no place for replies.
const requestRunes = 80

// replied puts before each request that was found what the companion replied to
// it, where a question is for that: the request says what was asked for, and
// the reply seldom says it again.
func (t *Thread) replied(query string, found []Recalled, most int) []Recalled {
	if !asksBack.MatchString(query) {
		return found
	}
	out := make([]Recalled, 0, 2*len(found))
	there := map[uint64]bool{}
	add := func(r Recalled) {
		if r.Fact == 0 && there[r.Turn] || len(out) == most {
			return
		}
		there[r.Turn] = there[r.Turn] || r.Fact == 0
		out = append(out, r)
	}
	for _, r := range found {
		if r.Fact == 0 && r.Item.Speaker == fact.User {
			if text := []rune(r.Item.Text); len(text) > requestRunes {
				r.Item.Text = string(text[:requestRunes]) + "…"
			}
			for _, id := range t.path.After(r.Turn, 1) {
				reply, err := t.log.Get(id)
				if err != nil || reply.Kind != kindTurn || reply.Name != fact.Companion || t.book.forgot(id) {
					continue
				}
				add(Recalled{Turn: id, Item: fact.Item{When: reply.Time, Text: reply.Text, Speaker: reply.Name}, Score: r.Score, Why: "reply"})
			}
		}
		add(r)
	}
	return out
}

// alikeTurns is how many of the best turns are compared by their words.
const alikeTurns = 64

var firstOf = regexp.MustCompile(`(?i)\b(?:first|original|originally|earliest)\b|第一|最早|最开始|一开始`)

// request prepares what was found for a request to repeat a reply: where the same
// was asked for more than once, the first time counts if the first is asked for,
// and else the last.
func (t *Thread) request(query string, keys []candidate, r *ranking) {
	first := firstOf.MatchString(query)
	best := map[string]int{}
	for i, c := range keys[:min(len(keys), alikeTurns)] {
		if c.isFact {
			continue
		}
		turn, err := t.log.Get(c.id)
		if err != nil || turn.Name != fact.User {
			continue // damaged since
		}
		text := strings.ToLower(turn.Text)
		j, there := best[text]
		switch {
		case !there:
			best[text] = i
		case first == (c.id < keys[j].id):
			r.score[c], r.score[keys[j]] = r.score[keys[j]], r.score[c]
			keys[i], keys[j] = keys[j], c
		}
	}
}

// What asks to have something said again that the companion has said, and what
// looks like it: the user's own words, a complaint.
var (
	againEN = regexp.MustCompile(`(?i)^(?:(?:please|pls|hey|ok|okay|so|and|but|sorry|wait|pardon|now|hm+|oh|then)[,!. ]+)*(?:(?:can|could|would|will) you (?:please |just |kindly )?|i(?:'d| would) (?:like|love) you to |i want you to |please )?` +
		`(?:repeat|recite|say (?:it|that|this|your \w+(?: \w+)?) (?:again|once more)|(?:tell|give|show|read) me (?:it|that|the|your) [^?]{0,60}(?:again|once more)|quote (?:your|what you|the))\b|` +
		`^(?:(?:and|so|but|hey|wait|sorry|now)[, ]+)?(?:what|which|how)\b[^?]{0,40}?\b(?:did you|you|you've|you had|you have) (?:(?:once|first|just|already|originally) )?(?:say|said|tell|told|write|wrote|written|suggest(?:ed)?|name(?:d)?|describe[d]?|recommend(?:ed)?|list(?:ed)?|compose[d]?)\b`)
	notAgainEN = regexp.MustCompile(`(?i)\byourself\b|\b(?:i|i've|i'd|we|he|she|they) (?:just |ever |once )?(?:said|told|tell|say|wrote|mentioned|named|called)\b|\b(?:my|our) (?:name|words)\b|\brepeat (?:the (?:year|class|course|exam|grade)|my|our|after me)\b|\babout (?:me|my)\b`)
	againZH    = regexp.MustCompile(`(?:重复|复述)(?:一下|一遍|一次|你)|再(?:给我)?(?:说|写|讲|念|背)(?:一遍|一次)|一字不[差漏]|你(?:之前|以前|刚才|刚刚|上次|第一次)?(?:给我|跟我|对我)?(?:是怎么|怎么|都)?(?:说|写|讲|推荐|列|形容|描述)(?:过|了)?(?:的是|的)?(?:什么|啥|哪)|你(?:之前|以前|上次|第一次)(?:是)?怎么(?:说|形容|描述)`)
	notAgainZH = regexp.MustCompile(`我(?:跟你|对你|刚才|之前)?(?:说|讲|告诉|提)|(?:别|不要|不用|老是|总是|总)(?:再)?(?:重复|复述)|(?:说|讲)我`)
	// words that name nothing which was said
	againWords = regexp.MustCompile(`(?i)\b(?:please|pls|repeat|recite|say|said|tell|told|me|that|this|it|again|once|more|what|you|your|did|just|can|could|would|will|last|reply|answer|message|sentence|words?|quote|the|hey|sorry|wait|pardon|now|a|so|and|but|for|now|earlier|before|have|had|i|want|to|like|exactly|line|thing)\b|请|再|给我|说|讲|一遍|一次|重复|复述|一下|你|刚才|刚刚|上一句|上句|那句|最后|话|的|了|什么|啥|句|我|想|要|能|可以|吗|吧|呢|是|没听清|没看清|一字不差|一字不漏|地|回答|回复|上次`)
)

// Repeats says whether a turn asks to have something said again that the
// companion has said, and whether it names what.
func Repeats(text string) (asked, named bool) {
	text = strings.TrimSpace(text)
	is, not := againEN, notAgainEN
	if term.Chinese(text) {
		is, not = againZH, notAgainZH
	}
	if !is.MatchString(text) || not.MatchString(text) {
		return false, false
	}
	return true, strings.Trim(againWords.ReplaceAllString(text, ""), " .,!?;:'\"。，！？、；：“”…\n") != ""
}

// topic is what of a request to repeat something says what.
func topic(query string) string {
	if again, named := Repeats(query); again && named {
		return againWords.ReplaceAllString(query, " ")
	}
	return query
}

// asksAgain says whether a turn asks to have something said again.
func asksAgain(text string) bool { again, _ := Repeats(text); return again }

// Said is what the companion said that fits best, of what was found: of what fits
// alike the last, or the first where that is asked for; "" for nothing.
func (p Pack) Said() (text string) {
	var most float32
	first := firstOf.MatchString(p.query)
	for _, r := range p.Items {
		if r.Fact == 0 && r.Item.Speaker == fact.Companion && (r.Score > most || r.Score == most && !first) {
			text, most = r.Item.Text, r.Score
		}
	}
	return text
}

// Quote is Said for a turn that asks to have it said again, "" for others.
func (p Pack) Quote() string {
	if _, named := Repeats(p.query); !named {
		return ""
	}
	return p.Said()
}
