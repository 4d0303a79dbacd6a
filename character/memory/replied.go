package memory

import (
	"regexp"

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
