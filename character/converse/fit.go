package converse

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"kuai/character/memory"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/serve/chat"
)

// redraws is how often a small model is asked again for a reply that does not
// fit.
const redraws = 2

// fitting says what was written for just this (apt), or lets a small model speak
// until what it says fits the turn, and where it never does says something plain
// that does.
func (c *Conversation) fitting(ctx context.Context, w wish, p *Prompt, pack memory.Pack, own *repertoire) (string, error) {
	t := c.turn(w, p, pack)
	if t.ended {
		return companion.Ended(t.l), nil
	}
	if s, err := c.apt(t, own); s != "" || err != nil {
		return s, err
	}
	if t.bad() && (!t.asks || t.yours) { // the small model has no tact
		return t.plain(c, own)
	}
	if !t.looked { // and knows little of the character
		if s, err := t.own(own); s != "" || err != nil {
			return s, err
		}
	}
	for n := range uint64(redraws + 1) {
		draw := *p
		if draw.Sampling.Seed != 0 {
			draw.Sampling.Seed += n
		}
		written, err := c.speaker.Speak(ctx, &draw, nil)
		if err != nil {
			return "", err
		}
		if written = strings.TrimSpace(strings.ToValidUTF8(written, "")); t.fits(written) {
			return written, nil
		}
	}
	p.Used(chat.Usage{}) // none of it is said
	return t.plain(c, own)
}

// turn is what a reply is compared with.
type turn struct {
	said   string
	l      fact.Language
	told   []string // values
	aside  bool     // what is told is not what a turn with bad news is about: that there is a cat
	ended  bool     // something is so no longer
	asks   bool
	mine   bool   // of the user or theirs
	yours  bool   // of the character
	seen   string // all that the model was shown
	idea   bool   // is wished for
	role   bool   // the character is somebody, whom the model plays
	looked bool   // facts were looked for: the pack decides, see Grounded
}

func (c *Conversation) turn(w wish, p *Prompt, pack memory.Pack) turn {
	t := turn{said: w.said, l: c.languageOf(w.said), looked: len(pack.Asked) > 0, idea: idea(w.said, pack), role: c.Card.Description != ""}
	t.told, t.ended, t.aside = c.toldIn(w)
	t.mine = meEN.MatchString(w.said) || strings.Contains(w.said, "我")
	var seen strings.Builder
	seen.WriteString(p.Memory + "\n" + p.Card.SystemPrompt + "\n" + p.Persona + "\n" + p.Char + "\n" + p.User + "\n")
	for _, l := range p.Lines {
		if !l.Own {
			seen.WriteString(l.Text + "\n")
		}
	}
	for _, e := range p.Lore {
		seen.WriteString(e.Content + "\n")
	}
	t.seen = seen.String()
	for _, s := range memory.Sentences(w.said) {
		t.asks = t.asks || s.Asks
		t.yours = t.yours || s.Asks && question{s.Text, t.l}.toCharacter()
	}
	return t
}

// asides are kinds of facts that bad news tell by the way.
var asides = []string{"has_pet", "lost", "argued_with", "exam", "works_as", "studies", "learns", "plays", "sport", "married_to"}

// claims are what replies say of the user and of theirs, as if it had been told.
var claims = [...]*regexp.Regexp{
	fact.English: regexp.MustCompile(`(?i)\byou (?:said|told me|mentioned|live|work|like|love|hate|dislike|prefer|collect|speak|drive|study|bought|lost|found|met|cooked|promised|argued)\b|\byou(?:['’]re| are) (?:called|afraid|allergic|fond|from)\b|` +
		`\byour (?:[\w'-]+ )?(?:name|job|profession|home|hometown|birthday|age|hobby|favou?rite)\b.{0,30} (?:is|was|are|were)\b|` +
		`\byour (?:[\w'-]+ ){1,3}(?:likes|loves|hates|dislikes|speaks|works|lives|plays|collects|can't stand)\b|\b(?:lives|works) (?:in|at|as)\b|'s (?:name|job|spouse|favou?rite(?: [a-z]+)?) is\b`),
	fact.Chinese: regexp.MustCompile(`你(?:跟我)?(?:说过|说是|告诉过我)|你家在|你住在|你(?:的名字)?叫|你的(?:生日|爱好|名字|工作|专业)(?:是|叫)|你[^，。！？]{0,6}(?:最?喜欢|最?爱[吃喝听看]|受不了|讨厌|最?怕|在(?:写|学|读|攒|收集)|收集|养了|过敏|出生)`),
}

// claimed says whether a reply claims something of the user. What it asks is no
// claim, unless it asks as what is remembered is said: "What about salsa?"
func claimed(l fact.Language, reply string) bool {
	return slices.ContainsFunc(memory.Sentences(reply), func(s memory.Sentence) bool {
		return companion.Answers(l, s.Text) || !s.Asks && !strings.ContainsAny(s.Text, "?？") && claims[l].MatchString(s.Text)
	})
}

// moods are the words of turns that tell of something bad, those in which they
// mean nothing bad, and those of replies that are glad.
var moods = [...]struct{ bad, not, glad *regexp.Regexp }{
	fact.English: {
		regexp.MustCompile(`(?i)\b(?:fail\w*|lost|late again|burn(?:t|ed)|broke\w*|crack(?:ed)?|sick|ill|passed away|ache|pain|hurts?|died|dead|death|funeral|cancel\w*|fired|hospital|accident|nobody (?:came|called|cares)|cheat\w*|hiding something|got stuck|threw up|can't stop crying|miss(?:ed)? (?:my|him|her|them|the)|can't sleep|cannot sleep|sad|lonely|crying|cried|awful|terrible|horrible|worst|stolen|stole my|robbed|ran away|yell(?:ed|s)?|fight|fought|divorce\w*|dumped|bored|don't feel|worried|scared|stress\w*|exhausted|tired)\b`),
		regexp.MustCompile(`(?i)\bby accident\b|\bout of (?:the )?hospital\b|\bfired up\b|\blost (?:[\w-]+ )?(?:weight|kilos?|kg|pounds?|lbs)\b|\bdead (?:simple|easy|good|serious)\b|\b(?:not|n't|no longer|never|nothing) (?:\w+ )?(?:sad|tired|worried|scared|bored|sick|ill|fail\w*|hurts?|lonely)\b`),
		regexp.MustCompile(`(?i)\b(?:how (?:nice|lovely|great|wonderful|fun)|congratulations|congrats|well done|lucky you|hooray|wonderful|great news|that's (?:great|lovely|wonderful|nice|good)|i(?:'m| am) (?:so |very |really )?glad|happy for you|good for you|what a relief|good (?:news|to hear)|bravo|how kind)\b`),
	},
	fact.Chinese: {
		regexp.MustCompile(`挂了|没考过|没考上|丢了|摔|碎|糊了|晚点|迟到|生病|住院|疼|痛|去世|死|葬|取消|困在|没人来|瞒着|吐了|车祸|裁|想我|睡不着|失眠|难过|孤单|哭|糟|最差|被偷|被骂|吵架|吵了一架|吵起来|离婚|分手|无聊|不想|担心|害怕|压力|累`),
		regexp.MustCompile(`(?:笑|爽|香|美|乐|高兴|开心|好吃|可爱)死|痛快|积累|出院|碎碎念|不(?:累|疼|痛|难过|孤单|担心|害怕|无聊)|没(?:丢|摔|碎|生病|迟到)`),
		regexp.MustCompile(`太好了|真好|恭喜|太棒|好开心|真不错|好运气|祝贺|真幸运|替你高兴|好消息|松了?口气|生日快乐`),
	},
}

// fits says whether a reply can stand after a turn: it does not go round in
// circles, notes nothing that was not said, neither claims nor denies what nobody
// asked for, and is not glad of what is bad.
func (t turn) fits(reply string) bool {
	switch {
	case t.looked:
		return !loops(reply)
	case reply == "" || loops(reply) || madeUp(reply, t.seen):
		return false
	case t.l == fact.Chinese != hasHan(reply):
		return false
	case companion.Denies(t.l, reply) && (!t.asks || !t.mine || t.yours || t.idea):
		return false
	case !t.suits(reply), t.role && companion.OutOfRole(t.l, reply):
		return false
	}
	noted, ok := companion.Acknowledged(t.l, reply)
	noted = strings.Trim(noted, " .,!?。，！？")
	switch {
	case ok && len(t.told) > 0:
		return slices.ContainsFunc(t.told, func(v string) bool { return strings.EqualFold(v, noted) }) || strings.EqualFold(companion.List(t.l, t.told), noted)
	case ok: // nothing was told: what is noted is a word that it heard
		return false
	case len(t.told) == 0:
		return !claimed(t.l, reply)
	case slices.ContainsFunc(t.told, func(v string) bool { return memory.Mentions(reply, v) }):
		return true
	}
	return companion.AcknowledgedPlainly(t.l, reply)
}

// suits says whether a reply is neither glad of what is bad nor sorry for what is
// good.
func (t turn) suits(reply string) bool {
	if t.bad() {
		return !moods[t.l].glad.MatchString(reply)
	}
	j := joys[t.l]
	return !j.news.MatchString(t.said) || j.not.MatchString(t.said) || moods[t.l].bad.MatchString(t.said) || !j.sorry.MatchString(reply)
}

// joys are the words of good news, those with which they are none, and those of
// replies to bad ones.
var joys = [...]struct{ news, not, sorry *regexp.Regexp }{
	fact.English: {
		regexp.MustCompile(`(?i)\b(?:passed|won|got (?:the|a|my|that) (?:job|promotion|raise|place|role|degree|licen[cs]e)|promoted|got (?:engaged|married)|said yes|succeeded|it worked|good news|i did it|so happy|works again)\b`),
		regexp.MustCompile(`(?i)\bpassed (?:away|out|on|me|by)\b|\bwon['’]t\b|n['’]t\b|\b(?:not|never|almost|nearly|if|hope|wish|without)\b`),
		regexp.MustCompile(`(?i)\b(?:oh no|(?:so |very )?sorry|that hurts|what a (?:pity|shame)|that(?:'s| is| sounds) (?:hard|sad|tough|bad)|poor (?:you|thing)|next time)\b`),
	},
	fact.Chinese: {
		regexp.MustCompile(`考过了|考上|通过了|过啦|过了！|赢了|中奖|升职|加薪|录取|拿到(?:了)?(?:offer|驾照|工作)|求婚成功|订婚|结婚了|成功了|修好了|做到了|好消息`),
		regexp.MustCompile(`没|未|不|差点|要是|如果|希望`),
		regexp.MustCompile(`可惜|别难过|抱抱|难受|心疼|真倒霉|唉|下次|别灰心|没关系`),
	},
}

// bad says whether a turn tells of something that is no joy. What asks the
// character alone tells of nothing.
func (t turn) bad() bool {
	return (len(t.told) == 0 || t.aside) && (!t.yours || t.mine) && badNews(t.l, t.said)
}

// badNews says whether words tell of something that is no joy.
func badNews(l fact.Language, said string) bool {
	return moods[l].bad.MatchString(said) && !moods[l].not.MatchString(said)
}

// plain is a reply that is never wrong.
func (t turn) plain(c *Conversation, own *repertoire) (string, error) {
	n := pick(t.said) + uint64(c.thread.Stats().Turns)
	theirs, err := t.own(own)
	if err != nil || theirs != "" && t.bad() {
		return theirs, err
	}
	for _, s := range courtesies[t.l] {
		if s.heard.MatchString(t.said) && (s.whole || !t.asks) { // "What makes you happy?" is no good news
			return s.say[n%uint64(len(s.say))], nil
		}
	}
	all := listen[t.l]
	switch {
	case theirs != "":
		return theirs, nil
	case t.bad() && (!t.asks || t.yours):
		all = sorry[t.l]
	case len(t.told) > 0:
		return companion.Acknowledge(t.l, companion.List(t.l, t.told), n), nil
	case t.asks:
		all = wonder[t.l]
	}
	return all[n%uint64(len(all))], nil
}

// own is a plain reply in the character's own words, "" where it has none.
func (t turn) own(own *repertoire) (string, error) {
	sort := "tells"
	switch {
	case t.bad():
		sort = "bad"
	case len(t.told) > 0:
		return "", nil
	case t.asks:
		sort = "asks"
	}
	return own.otherwise(t.said, t.l, sort, t.mayBe)
}

// courtesy answers a turn that is nothing but a greeting, thanks, or a goodbye,
// "" for all others.
func courtesy(l fact.Language, said string, n uint64) string {
	for _, s := range courtesies[l] {
		if m := s.heard.FindString(said); s.whole && m != "" && utf8.RuneCountInString(said)-utf8.RuneCountInString(m) <= courtesyRest {
			return s.say[(pick(said)+n)%uint64(len(s.say))]
		}
	}
	return ""
}

// courtesyRest is how many letters may stand beside a courtesy: a name, a mark.
const courtesyRest = 8

// courtesies are the smallest talk; whole may be a turn of its own, see courtesy.
var courtesies = [...][]struct {
	whole bool
	heard *regexp.Regexp
	say   []string
}{
	fact.English: {
		{true, regexp.MustCompile(`(?i)^\W*(?:hi|hello|hey|hiya|good (?:morning|evening|afternoon)|yo|greetings)\b.{0,20}$`), []string{"Hello! How was your day?", "Hi! It's good to see you.", "Hey, there you are. What's new?"}},
		{true, regexp.MustCompile(`(?i)\b(?:good ?bye|bye|see you|see ya|good night|gotta go|have to go|talk (?:to you )?later)\b`), []string{"Bye! I'll be here when you come back.", "See you. Take care of yourself!", "Until next time. I won't forget what you told me."}},
		{true, regexp.MustCompile(`(?i)\b(?:thanks|thank you|thx|cheers)\b`), []string{"You're welcome!", "Any time.", "Gladly."}},
		{true, regexp.MustCompile(`(?i)\bhow (?:are|r) (?:you|u|things)\b|\bhow's it going\b|\bhow do you do\b|\bhow have you been\b`), []string{"I'm well, thank you. And you?", "Quite content, now that you're here. How are you?", "Fine, thanks! And how is your day?"}},
		{true, regexp.MustCompile(`(?i)^\W*(?:lol|haha\w*|hehe\w*|lmao|rofl|xd)\W*$`), []string{"Glad you're laughing!", "Ha! What else is going on?"}},
		{true, regexp.MustCompile(`(?i)^\W*(?:ok|okay|k|sure|yes|yeah|yep|no|nope|fine|right|cool|nice|great|good)\W*$`), []string{"All right. What's on your mind?", "Good. Tell me more, if you like."}},
		{false, regexp.MustCompile(`(?i)\b(?:tired|exhausted|awful|terrible|sad|lonely|stressed|sick|upset|hurts?|worried|cry|bad day|depressed|angry)\b`), sorry[fact.English]},
		{false, regexp.MustCompile(`(?i)\b(?:happy|excited|great news|passed|won|finally|yay|awesome|wonderful)\b`), []string{"That's lovely! Tell me more.", "How nice! How did it happen?"}},
	},
	fact.Chinese: {
		{true, regexp.MustCompile(`^[\s\p{P}]*(?:你好|您好|嗨|哈喽|早上好|早安|早|晚上好|下午好|在吗)`), []string{"你好呀！今天过得怎么样？", "嗨，你来啦！", "你好，有什么新鲜事吗？"}},
		{true, regexp.MustCompile(`再见|拜拜|回见|晚安|我先走了|下次聊|先这样`), []string{"再见，我在这儿等你回来。", "下次见，照顾好自己！", "好，下回接着聊，你说的我都记着。"}},
		{true, regexp.MustCompile(`谢谢|多谢|感谢`), []string{"不客气！", "别客气。", "应该的。"}},
		{true, regexp.MustCompile(`^你.{0,4}(?:怎么样|好吗|还好)`), []string{"我挺好的，你呢？", "看到你来就很开心，你今天怎么样？"}},
		{true, regexp.MustCompile(`^[\s\p{P}]*(?:哈+|嘿+|呵+|嘻+|233+)[\s\p{P}]*$`), []string{"你笑了，真好！", "哈哈，还有什么好玩的？"}},
		{true, regexp.MustCompile(`^[\s\p{P}]*(?:嗯+|好+的?|行|哦+|对|是的?|可以|没事)[\s\p{P}]*$`), []string{"嗯，还想聊点什么？", "好，慢慢说，我听着。"}},
		{false, regexp.MustCompile(`累|难过|烦|伤心|孤单|压力|生病|不舒服|担心|哭|糟|气死|郁闷`), sorry[fact.Chinese]},
		{false, regexp.MustCompile(`开心|高兴|太好了|终于|通过了|赢了|激动`), []string{"真好！快跟我说说。", "太棒了，怎么回事呀？"}},
	},
}

var (
	listen = [...][]string{
		fact.English: {"I see. Tell me more?", "I'm listening.", "Mm. And then?", "Go on, I'd like to hear it."},
		fact.Chinese: {"嗯，再跟我说说？", "我在听呢。", "然后呢？", "接着说，我想听。"},
	}
	sorry = [...][]string{
		fact.English: {"I'm sorry to hear that. What happened?", "That sounds hard. Do you want to tell me about it?", "Oh no. I'm here, if you'd like to talk about it.", "That's not easy. How are you holding up?"},
		fact.Chinese: {"辛苦了，发生什么事了？", "听着就不容易，想跟我说说吗？", "哎呀，别一个人闷着，慢慢跟我说。", "这可真不好受，你现在还好吗？"},
	}
	wonder = [...][]string{
		fact.English: {"That's a good question, and I don't know. What do you think?", "I wonder too. What would you say?", "I couldn't say. What do you think?"},
		fact.Chinese: {"问得好，我也不知道，你觉得呢？", "我也想知道，你怎么看？", "这我说不上来，你觉得呢？"},
	}
)

// loops says whether a text repeats itself at once: a piece three times and
// more, where the piece is short, or a long one twice.
func loops(s string) bool {
	r := []rune(s)
	for size := 1; size <= len(r)/2 && size <= 60; size++ {
		need := 3
		if size == 1 {
			need = 5
		} else if size >= 12 {
			need = 2
		}
		run := 0
		for i := size; i < len(r); i++ {
			if r[i] != r[i-size] {
				run = 0
				continue
			}
			if run++; run >= size*(need-1) && !repeatable(r[i]) {
				return true
			}
		}
	}
	return false
}

// repeatable are signs that people write in rows.
func repeatable(r rune) bool {
	return !unicode.IsLetter(r) || strings.ContainsRune("哈嘿呵嘻啊哦ahe", r)
}

// madeUp says whether a reply has a word that nobody knows: of letters, and
// neither in what was said nor in the sentences that the model learned from; or
// a name that nobody named.
func madeUp(reply, seen string) bool {
	inside := false
	for w := range strings.FieldsSeq(reply) {
		word := strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) })
		word = strings.TrimSuffix(strings.TrimSuffix(word, "'s"), "’s")
		c, _ := utf8.DecodeRuneInString(word)
		latin := c < 0x250 && unicode.IsLetter(c)
		switch {
		case !latin || memory.Mentions(seen, word):
		case inside && unicode.IsUpper(c) && word != "I" && !strings.HasPrefix(word, "I'"), !companion.IsWord(word):
			return true
		}
		inside = !strings.ContainsAny(w[len(w)-1:], ".!?:\"”")
	}
	return false
}

// ideas are the words of turns that wish for an idea.
var ideas = regexp.MustCompile(`(?i)\b(?:should|shall) (?:i|we)\b|\b(?:could|can) (?:i|we) (?:give|cook|make|do|get|buy|wear|read|watch|try|eat|play|bake)\b|\b(?:suggest|recommend|any (?:good )?ideas?|ideas? for)\b|推荐|建议|有什么(?:好)?(?:主意|想法)|(?:吃|穿|送|做|买|看|玩|读|干|喝|弹|学)(?:点|些|个)?(?:什么|啥|嘛)|(?:什么|啥)[^，。？]{0,4}好[呢呀？?]*$|什么名字|该(?:不该)?(?:吃|穿|送|做|买|看|玩|去|选)`)

// idea says whether a turn wishes for an idea, and nothing is known to take it
// from.
func idea(said string, pack memory.Pack) bool {
	return ideas.MatchString(said) && !slices.ContainsFunc(pack.Asked, func(f memory.Found) bool {
		return len(f.Facts)+len(f.Near) > 0 || !f.Query.On.IsZero() || f.Query.Before
	})
}

// smallTalk says whether a turn asks for nothing that is remembered.
func (c *Conversation) smallTalk(w wish, pack memory.Pack) bool {
	if idea(w.said, pack) {
		return true
	}
	if len(pack.Asked) > 0 {
		return false
	}
	l := c.languageOf(w.said)
	for _, s := range memory.Sentences(w.said) {
		q := question{s.Text, l}
		if s.Asks && !q.toCharacter() && (meEN.MatchString(s.Text) || strings.Contains(s.Text, "我") || len(people(c.thread.Facts(false)).mentioned(q, nil)) > 0) {
			return false
		}
	}
	return true
}
