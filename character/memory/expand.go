package memory

import (
	"strings"

	"kuai/character/memory/index"
	"kuai/character/memory/term"
	"kuai/companion/fact"
)

// rolesEN and rolesZH are what people are to a speaker, and animals.
var (
	rolesEN = wordSet(`mother father mom mum dad sister brother son daughter husband wife partner girlfriend boyfriend fiancé
		grandmother grandfather grandma grandpa grandson granddaughter aunt uncle cousin nephew niece friend roommate flatmate
		colleague boss neighbor neighbour landlord landlady teacher coach trainer doctor dentist hairdresser classmate tutor twin stepmother stepfather
		dog cat parrot rabbit hamster turtle goldfish pony canary hedgehog gecko lizard iguana snake ferret budgie duck hen goat horse tortoise`)
	rolesZH = strings.Fields(`妈妈 爸爸 姐姐 妹妹 哥哥 弟弟 儿子 女儿 丈夫 妻子 老公 老婆 男朋友 女朋友 奶奶 爷爷 外婆 外公 孙子 孙女 姑姑 舅舅 阿姨 叔叔 表妹 表弟 表姐 表哥
		朋友 室友 同事 老板 邻居 房东 老师 教练 医生 同学 婆婆 公公 狗 猫 鹦鹉 兔子 仓鼠 乌龟 金鱼 小马 金丝雀 刺猬 壁虎 豚鼠 蜥蜴 蛇`)
)

// nameTurns is how many turns that say a name are looked through.
const nameTurns = 8

// expand adds to a question's terms what it means but does not say: who is
// meant by a name. (Other words for the same kind of fact were tried beside it,
// and lost more than they found.)
func (t *Thread) expand(query string, add func(term uint64, weight float32)) {
	var names []index.Weighted
	docs := t.turns.Docs()
	for _, w := range t.made.words.Words(query) {
		rare := t.turns.Frequency(w.Hash)*200 < docs+2000
		if !w.Stop && rare && (w.Capital && !w.First || w.Pair) {
			names = append(names, index.Weighted{Term: w.Hash, Weight: 1})
		}
	}
	for _, role := range t.rolesOf(names) {
		for _, w := range t.made.words.Words(role) {
			if !w.Stop {
				add(w.Hash, t.tune.Role)
			}
		}
	}
}

// rolesOf finds who somebody is: a role beside the name in a turn of the user's.
func (t *Thread) rolesOf(names []index.Weighted) (roles []string) {
	if len(names) == 0 {
		return nil
	}
	seen := map[string]bool{}
	hits := t.turns.Search(index.Query{Terms: names, Accept: t.path.Has}, nameTurns)
	for _, h := range hits {
		r, err := t.log.Get(h.Key)
		if err != nil || r.Name != fact.User {
			continue
		}
		for _, role := range rolesIn(r.Text) {
			if !seen[role] && len(roles) < 3 {
				seen[role] = true
				roles = append(roles, role)
			}
		}
	}
	return roles
}

func rolesIn(text string) (roles []string) {
	if term.Chinese(text) {
		for _, r := range rolesZH {
			if strings.Contains(text, r) {
				roles = append(roles, r)
			}
		}
		return roles
	}
	for w := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' }) {
		if rolesEN[w] {
			roles = append(roles, w)
		}
	}
	return roles
}
