package converse

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
	"time"

	"kuai/character/memory"
	"kuai/character/memory/term"
	"kuai/companion"
	"kuai/companion/fact"
)

// question is a sentence that asks, in a language.
type question struct {
	text string
	l    fact.Language
}

var (
	youEN  = regexp.MustCompile(`(?i)\b(?:you|your|yours|yourself|you're|u|ur)\b`)
	meEN   = regexp.MustCompile(`(?i)\b(?:i|i'm|i've|my|me|mine|myself|we|our|us)\b`)
	mindEN = regexp.MustCompile(`(?i)\b(?:know|remember|recall|forget|told|heard|think|thinks|mean|guess|believe|suggest|recommend|call)\b`)
	mindZH = regexp.MustCompile(`记得|知道|记不记得|觉得|认为|猜|忘|听说|推荐|建议|认识`)
)

// toCharacter says whether a question is about the character and not about
// what is remembered of the user.
func (q question) toCharacter() bool {
	if q.l == fact.Chinese {
		return strings.ContainsAny(q.text, "你您") && !strings.ContainsAny(q.text, "我咱") && !mindZH.MatchString(q.text)
	}
	return youEN.MatchString(q.text) && !meEN.MatchString(q.text) && !mindEN.MatchString(q.text)
}

// machine are the turns that ask what a character is, or say it, which are
// answered honestly whatever its card says.
var machine = [...]*regexp.Regexp{
	fact.English: regexp.MustCompile(`(?i)\b(?:are (?:you|u)|r u|you(?:'|’)?re|you are|is this|am i (?:talking|chatting|speaking) (?:to|with)) (?:really |just |actually |only |even )*(?:an? )?(?:real|actual|living)?(?: |\b)(?:human|person|(?:ro)?bot|chat ?bot|a\.?i\.?|machine|computer|program|language model|alive)\b|` +
		`\b(?:are (?:you|u)|r u|is this|am i talking to (?:somebody|someone|anybody|anyone|a)) (?:really |actually )?real\b|\bwhat are you\s*[?!.]*$|\bhuman or (?:a )?(?:machine|(?:ro)?bot|a\.?i)|\b(?:machine|(?:ro)?bot|a\.?i\.?) or (?:a )?(?:human|person)`),
	fact.Chinese: regexp.MustCompile(`(?i)你(?:其实|到底|真的|就|只|不|也)*是(?:不是)?(?:一个|个|一台|台)?(?:真正的)?(?:机器|人工智能|ai|真人|真的人|活人|人类|程序|电脑|语言模型|人(?:吗|么|还是|嘛))|(?:是真人|是机器人|是人工智能|是ai|是个程序)(?:吗|么|嘛|吧|还是)|人还是(?:机器|程序|ai)|(?:机器|程序|ai)(?:人)?还是(?:真?人)|^你(?:到底)?是什么(?:东西|人)?[？?]*$`),
}

// honest says what a character is where a turn asks for it or says it; "" for
// other turns.
func (c *Conversation) honest(said string) string {
	for _, s := range memory.Sentences(said) {
		if l := c.languageOf(s.Text); machine[l].MatchString(s.Text) {
			return fmt.Sprintf(ownWords[l].machine, c.Card.CharName())
		}
	}
	return ""
}

// asked are the kinds of fact that a character may be asked for about itself,
// by the words of the question; the first that fits counts.
var asked = [...][]struct {
	predicate string
	words     *regexp.Regexp
}{
	fact.English: {
		{"name", regexp.MustCompile(`(?i)\byour (?:full )?name\b|\bare you called\b|^(?:and |so )?who are you\b|\bname yourself\b`)},
		{"age", regexp.MustCompile(`(?i)\bhow old\b|\byour age\b`)},
		{"works_as", regexp.MustCompile(`(?i)\byour (?:job|work|profession|occupation)\b|\bdo you do (?:for|all day|as)|\bwhat do you do\??$|\bdo you (?:have a job|work)\b`)},
		{"birthday", regexp.MustCompile(`(?i)\byour birthday\b|\bwere you born on\b`)},
		{"from", regexp.MustCompile(`(?i)\bare you from\b|\bdo you come from\b|\byou (?:grow|grew) up\b|\bwere you born\b|\byour hometown\b`)},
		{"lives_in", regexp.MustCompile(`(?i)\bwhere (?:do|are) you (?:live|living|stay)\b|\bdo you live\b|\byour (?:home|house|place)\b|\bwhere are you\b`)},
		{"favorite_color", regexp.MustCompile(`(?i)\bcolou?rs?\b`)},
		{"drinks", regexp.MustCompile(`(?i)\b(?:teas?|coffee|drinks?)\b`)},
		{"favorite_food", regexp.MustCompile(`(?i)\b(?:food|dish|eat|meal|breakfast|lunch|dinner|cook)\b`)},
		{"favorite_season", regexp.MustCompile(`(?i)\b(?:season|weather)\b`)},
		{"has_pet", regexp.MustCompile(`(?i)\b(?:pets?|cats?|dogs?|animals?)\b`)},
		{"listens_to", regexp.MustCompile(`(?i)\b(?:music|songs?|bands?|singer|sing|instrument)\b`)},
		{"reads", regexp.MustCompile(`(?i)\b(?:books?|read|reading)\b`)},
		{"hobby", regexp.MustCompile(`(?i)\b(?:hobby|hobbies|free time|spare time|for fun|weekends?)\b`)},
		{"dates", regexp.MustCompile(`(?i)\b(?:married|boyfriend|girlfriend|husband|wife|single|in love)\b`)},
		{"sibling", regexp.MustCompile(`(?i)\b(?:family|sisters?|brothers?|siblings?|parents?|children|kids)\b`)},
		{"afraid_of", regexp.MustCompile(`(?i)\b(?:afraid|scared|fear)\b`)},
		{"likes", regexp.MustCompile(`(?i)\bwhat (?:else )?do you (?:like|love|enjoy)\b|\byour favou?rite thing`)},
	},
	fact.Chinese: {
		{"name", regexp.MustCompile(`你(?:叫|的名字|是谁)|怎么称呼`)},
		{"age", regexp.MustCompile(`多大|几岁|年纪|年龄`)},
		{"works_as", regexp.MustCompile(`(?:做|干|忙)(?:些|点)?(?:什么|啥)(?:的|工作|呀|呢)?|职业|你的工作|你工作|上班`)},
		{"birthday", regexp.MustCompile(`生日`)},
		{"from", regexp.MustCompile(`哪里人|哪儿人|老家|来自|哪里长大|出生`)},
		{"lives_in", regexp.MustCompile(`你.{0,3}住|家在|在哪`)},
		{"favorite_color", regexp.MustCompile(`颜色`)},
		{"drinks", regexp.MustCompile(`喝|茶|咖啡`)},
		{"favorite_food", regexp.MustCompile(`吃|菜|做饭`)},
		{"favorite_season", regexp.MustCompile(`季节|天气`)},
		{"has_pet", regexp.MustCompile(`宠物|猫|狗|动物`)},
		{"listens_to", regexp.MustCompile(`音乐|歌|乐器`)},
		{"reads", regexp.MustCompile(`看书|读书|什么书`)},
		{"hobby", regexp.MustCompile(`爱好|业余|空闲|周末|有空`)},
		{"dates", regexp.MustCompile(`结婚|男朋友|女朋友|对象|单身`)},
		{"sibling", regexp.MustCompile(`家人|姐妹|兄弟|父母|孩子|家里`)},
		{"afraid_of", regexp.MustCompile(`怕`)},
		{"likes", regexp.MustCompile(`你.{0,3}喜欢(?:些|做)?(?:什么|啥)`)},
	},
}

var ownWords = [...]struct{ name, machine, unknown string }{
	fact.English: {"I'm %s.", "I'm %s, and it is a computer program that speaks for me. No person is here, but I do keep what you tell me.", "I couldn't tell you, honestly. What about you?"},
	fact.Chinese: {"我叫%s。", "我是%s，替我说话的是一个电脑程序。这里没有真人，不过你告诉我的我都会记着。", "这个我也说不上来。你呢？"},
}

// ofSelf answers a question about the character out of its card, and reports
// whether that is what was asked: "" with true is for the model to say.
func (c *Conversation) ofSelf(q question, own *repertoire) (string, bool, error) {
	w := ownWords[q.l]
	if !q.toCharacter() {
		return "", false, nil
	}
	for _, a := range asked[q.l] {
		if !a.words.MatchString(q.text) {
			continue
		}
		if s := c.macros(c.userName(true)).Expand(c.Card.About(a.predicate)); s != "" && term.Chinese(s) == (q.l == fact.Chinese) {
			return s, true, nil
		}
		switch age := c.Card.Age(); {
		case a.predicate == "name":
			return fmt.Sprintf(w.name, c.Card.CharName()), true, nil
		case a.predicate == "age" && age != "":
			return companion.Own(q.l, "age", age), true, nil
		}
		if s, err := own.otherwise(q.text, q.l, "asks", func(string) bool { return true }); s != "" || err != nil {
			return s, true, err
		}
		return w.unknown, true, nil
	}
	return "", true, nil
}

var (
	todayEN = regexp.MustCompile(`(?i)^(?:and |so |hey, )?(?:what(?:'s| is) (?:the date|today's date|the day)(?: today)?|what (?:day|date)(?: of the week)? (?:is it|is today)(?: today)?|which day is (?:it|today)|what day is it)[ ?]*$`)
	clockEN = regexp.MustCompile(`(?i)^(?:and |so |hey, )?(?:what time is it|what(?:'s| is) the time|do you (?:know what|have the) time(?: it is)?)(?: now| right now)?[ ?]*$`)
	todayZH = regexp.MustCompile(`^今天(?:是)?(?:几号|几月几号|几月几日|星期几|周几|礼拜几|什么日子)[？?]*$`)
	clockZH = regexp.MustCompile(`^(?:现在|几点)(?:是)?(?:几点)?(?:了|钟|钟了)?[？?]*$`)
	daysZH  = [...]string{"日", "一", "二", "三", "四", "五", "六"}
)

// ofClock answers what the clock knows.
func ofClock(q question, now time.Time) string {
	switch {
	case q.l == fact.English && todayEN.MatchString(q.text):
		return now.Format("It's Monday, January 2, 2006.")
	case q.l == fact.English && clockEN.MatchString(q.text):
		return now.Format("It's 15:04 by my clock.")
	case q.l == fact.Chinese && todayZH.MatchString(q.text):
		return now.Format("今天是2006年1月2日，星期") + daysZH[now.Weekday()] + "。"
	case q.l == fact.Chinese && clockZH.MatchString(q.text) && strings.Contains(q.text, "几点"):
		return now.Format("现在是15:04。")
	}
	return ""
}

// pick is a number that stays the same for the same words.
func pick(words string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(words))
	return h.Sum64()
}
