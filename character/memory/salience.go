package memory

import (
	"strconv"
	"strings"

	"kuai/character/memory/term"
	"kuai/character/memory/when"
)

func itoa(n int) string { return strconv.Itoa(n) }

// words that mark what people tell of their own lives, and what they do not.
var (
	selfWords = wordSet("i my me mine we our us i'm i've i'd")
	lifeWords = wordSet(`mother father mom dad sister brother son daughter husband wife partner girlfriend boyfriend friend friends
		family kids children child parents grandma grandpa aunt uncle cousin dog cat puppy kitten pet pets
		job boss colleague school class college university degree exam interview promotion team project
		home house apartment moved move birthday wedding married engaged divorced pregnant baby
		trip vacation travel visited hike camping beach concert festival tournament competition race marathon
		doctor hospital sick hurt injury injured surgery allergic therapy
		favorite favourite love loved hate proud excited scared nervous happy sad worried grateful
		started finished bought won lost found met joined signed learned made built painted wrote cooked baked
		dream goal plan plans hobby hobbies book guitar piano violin painting pottery garden`)
	lifeHan = []string{
		"我", "妈", "爸", "姐", "妹", "哥", "弟", "儿子", "女儿", "老公", "老婆", "朋友", "家", "狗", "猫", "生日", "结婚", "工作", "公司",
		"学校", "考试", "面试", "搬", "买", "去了", "喜欢", "讨厌", "过敏", "害怕", "昨天", "上周", "去年", "医院", "旅行",
	}
)

func wordSet(s string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		m[w] = true
	}
	return m
}

// salience is how much a turn seems to tell of somebody's life, 0 to
// maxSalience, by its words alone: who and what belongs to the speaker, when
// it was, names; less for mere questions and for short answers.
func salience(turn Turn) uint8 {
	text := turn.Text
	score := 0
	if term.Chinese(text) {
		for _, w := range lifeHan {
			if strings.Contains(text, w) {
				score += 3
			}
		}
	} else {
		score = salienceEnglish(text)
	}
	if when.Has(text) {
		score += 5
	}
	if isQuestion(text) {
		score -= 6
	}
	return uint8(max(0, min(score, maxSalience)))
}

func salienceEnglish(text string) int {
	self, life, names, content := 0, 0, 0, 0
	lower := strings.ToLower(text)
	for w := range strings.FieldsFuncSeq(lower, func(r rune) bool { return (r < 'a' || r > 'z') && r != '\'' }) {
		switch {
		case selfWords[w]:
			self++
		case lifeWords[w]:
			life++
		}
		if len(w) > 3 {
			content++
		}
	}
	inside := false // of a sentence
	for w := range strings.FieldsSeq(text) {
		if c := w[0]; inside && c >= 'A' && c <= 'Z' && len(w) > 2 && !strings.HasPrefix(w, "I'") {
			names++
		}
		inside = !strings.ContainsAny(w[len(w)-1:], ".!?")
	}
	return 2*min(self, 4) + 3*min(life, 4) + 2*min(names, 3) + min(content, 12)/2
}
