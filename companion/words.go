package companion

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// Pieces of made-up names, titles and companies: values that no model has met.
var (
	onsets    = strings.Fields("b br c d dr f fl g gr h j k kr l m n p pr qu r s sh st t tr v w z")
	vowels    = strings.Fields("a e i o u a e i o ai ei ia io ou")
	codas     = strings.Fields("l m n r s t x th nd rk lt sk")
	titleHow  = []value{{"Silent", "寂静"}, {"Golden", "金色"}, {"Last", "最后"}, {"Hidden", "隐秘"}, {"Broken", "破碎"}, {"Distant", "遥远"}, {"Little", "小小"}, {"Frozen", "冰封"}, {"Burning", "燃烧"}, {"Forgotten", "被遗忘"}, {"Secret", "秘密"}, {"Wandering", "流浪"}, {"Crimson", "绯红"}, {"Lonely", "孤独"}, {"Hollow", "空心"}, {"Endless", "无尽"}, {"Sleeping", "沉睡"}, {"Paper", "纸"}, {"Glass", "玻璃"}, {"Salt", "盐"}}
	titleWhat = []value{{"River", "河流"}, {"Garden", "花园"}, {"Lighthouse", "灯塔"}, {"Orchard", "果园"}, {"Winter", "冬天"}, {"Mirror", "镜子"}, {"Harbor", "港湾"}, {"Clockmaker", "钟表匠"}, {"Island", "岛屿"}, {"Train", "列车"}, {"Window", "窗"}, {"Mountain", "山"}, {"Letter", "信"}, {"Bridge", "桥"}, {"Fox", "狐狸"}, {"Castle", "城堡"}, {"Library", "图书馆"}, {"Ocean", "海"}, {"Forest", "森林"}, {"Star", "星"}}
	troupes   = []value{{"Foxes", "狐狸"}, {"Tigers", "老虎"}, {"Lanterns", "灯笼"}, {"Pilots", "飞行员"}, {"Sailors", "水手"}, {"Wolves", "野狼"}, {"Bears", "大熊"}, {"Robots", "机器人"}, {"Comets", "彗星"}, {"Turtles", "海龟"}, {"Pianos", "钢琴"}, {"Swallows", "燕子"}, {"Giants", "巨人"}, {"Kites", "风筝"}, {"Owls", "猫头鹰"}, {"Engines", "引擎"}}
	surnames  = []rune("赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜谢邹苏潘葛范彭鲁韦马方任袁柳唐罗薛安常乐于傅齐康伍余顾孟黄穆萧尹姚邵湛汪祁毛米贝明臧计成戴宋庞熊纪舒屈项祝董梁")
	givens    = []rune("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰飞鹏辉玲红建文波斌宇浩凯健俊帆雪琳晨欣怡佳雨梓轩涵诗琪语嫣若曦昊天子墨思远嘉懿煜城志泽立果建辉鸿煊博文")
	sounds    = []rune("阿巴贝布达德迪多尔法菲弗加格古哈赫卡科克拉莱勒里卢洛马米莫纳尼诺帕佩皮罗萨塞斯索塔特图瓦维乌亚伊泽兹")
	firmTails = []value{{"Labs", "实验室"}, {"Works", "工坊"}, {"Foods", "食品"}, {"Logistics", "物流"}, {"Design", "设计"}, {"Media", "传媒"}, {"Tools", "工具"}, {"Systems", "科技"}}
)

// writer draws one sample.
type writer struct {
	r     *rand.Rand
	split Split
	tune  bool // phrases that training does not show, where there are some
	lang  fact.Language
	// anySmallTalk lets grammar's small talk be of both splits, for lives: what
	// is asked and told there is held out, the chatter between need not be.
	anySmallTalk bool
	wild         float64 // share of values that stand in no list
}

// newWriter returns a writer of any split, Tune too.
func newWriter(r *rand.Rand, split Split) *writer {
	if split == Tune {
		return &writer{r: r, split: Train, tune: true}
	}
	return &writer{r: r, split: split}
}

func (w *writer) chance(p float64) bool { return w.r.Float64() < p }

// value draws a value of a kind, or one of none.
func (w *writer) value(kind string) value {
	if len(files().kin[kind]) > 0 && (w.tune && w.chance(kinShare) || w.wild > 0 && kinOf[kind] == "" && w.chance(valueShare)) {
		return w.kin(kind)
	}
	v := w.listed(kind)
	if (kind == "relation" || kind == "animal") && w.chance(w.wild) {
		return w.stranger(kind, v)
	}
	if w.wild == 0 || !w.chance(w.wild) || slices.Contains(tame, kind) {
		return v
	}
	return w.wildValue(kind, v)
}

// kinShare is that of values of the lexicons' that are drawn from kin.txt and
// values.txt instead, for training and tuning; one in kinTune is for tuning alone.
const (
	kinShare   = 0.4
	valueShare = 0.6 // of values.txt in training
	kinTune    = 6
)

// kin draws what somebody is to the user, or another value, that no list of the
// evaluation has.
func (w *writer) kin(kind string) value {
	all, h := files().kin[kind], theHoard()
	for {
		if v := all[w.r.IntN(len(all))]; held("tune"+v[0], kinTune) == w.tune && !h.holds(v) {
			return v
		}
	}
}

// listed draws a value of a kind as the lists have them.
func (w *writer) listed(kind string) value {
	switch kind {
	case "company":
		return w.made(func() value {
			tail := firmTails[w.r.IntN(len(firmTails))]
			return value{w.syllables(2) + " " + tail[0], w.sound(2) + tail[1]}
		})
	case "title":
		return w.made(func() value {
			a, b := titleHow[w.r.IntN(len(titleHow))], titleWhat[w.r.IntN(len(titleWhat))]
			return value{"The " + a[0] + " " + b[0], a[1] + "的" + b[1]}
		})
	case "band", "team":
		return w.made(func() value { return w.troupe(kind) })
	case "date":
		day := time.Date(2024, 1, 1+w.r.IntN(366), 0, 0, 0, 0, time.UTC)
		return value{day.Format("January 2"), day.Format("1月2日")}
	case "number":
		return plain(strconv.Itoa(6 + w.r.IntN(90)))
	case "digits":
		return w.made(func() value { return plain(fmt.Sprintf("%04d", w.r.IntN(10_000))) })
	case "size":
		return plain(strconv.Itoa(34 + w.r.IntN(13)))
	case "clock":
		return plain(fmt.Sprintf("%d:%02d", 4+w.r.IntN(8), 5*w.r.IntN(12)))
	case "name":
		if w.chance(0.5) {
			return w.made(w.person)
		}
	case "city":
		if w.chance(0.15) {
			return w.made(func() value { return value{w.syllables(2 + w.r.IntN(2)), w.sound(2 + w.r.IntN(2))} })
		}
	case "petname":
		if w.chance(0.3) {
			return w.made(func() value { return value{w.syllables(2), w.sound(2)} })
		}
	}
	return choose(w.r, w.split, files().lexicon[kind], fewValues, func(v value) bool { return held(kind+v[0], heldValues) })
}

// troupe makes the name of a band, or of a team, which has a town before it.
func (w *writer) troupe(kind string) value {
	a, b := titleHow[w.r.IntN(len(titleHow))], troupes[w.r.IntN(len(troupes))]
	if kind == "team" {
		return value{w.syllables(2) + " " + b[0], w.sound(2) + b[1]}
	}
	return value{"The " + a[0] + " " + b[0], a[1] + b[1]}
}

func plain(s string) value { return value{s, s} }

// made draws until the value is in the split's share.
func (w *writer) made(draw func() value) value {
	for {
		if v := draw(); held(v[w.lang], heldValues) == (w.split == Test) {
			return v
		}
	}
}

func (w *writer) syllables(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(onsets[w.r.IntN(len(onsets))])
		b.WriteString(vowels[w.r.IntN(len(vowels))])
		if i == n-1 && w.chance(0.6) {
			b.WriteString(codas[w.r.IntN(len(codas))])
		}
	}
	s := b.String()
	return strings.ToUpper(s[:1]) + s[1:]
}

func (w *writer) sound(n int) string {
	s := make([]rune, n)
	for i := range s {
		s[i] = sounds[w.r.IntN(len(sounds))]
	}
	return string(s)
}

// person makes a name.
func (w *writer) person() value {
	var zh strings.Builder
	zh.WriteString(string(surnames[w.r.IntN(len(surnames))]))
	for range 1 + w.r.IntN(2) {
		zh.WriteString(string(givens[w.r.IntN(len(givens))]))
	}
	return value{w.syllables(2), zh.String()}
}

// someone is a subject of facts.
type someone struct {
	role value // sister; the zero value is the user
	pet  bool
	of   *someone // whose it is, nil for the user's
	name value    // set where the sentence calls them by it
	// again is set where the sentence calls them by a pronoun.
	again *pronoun
}

func (s *someone) self() bool { return s.role == value{} }

// key is the subject of lines.
func (s *someone) key(l fact.Language) string {
	switch {
	case s.name != value{}:
		return s.name[l]
	case s.self():
		return fact.User
	case s.of != nil && l == fact.Chinese:
		return s.of.role[l] + "的" + s.role[l]
	case s.of != nil:
		return s.of.role[l] + "'s " + s.role[l]
	}
	return s.role[l]
}

// voice is who speaks a sentence.
type voice uint8

const (
	byUser    voice = iota // I, my sister
	byFriend               // you, your sister
	byNeither              // the user, the user's sister
)

var (
	mineEN = [...]string{"my", "your", "the user's"}
	mineZH = [...]string{"我", "你", "用户的"}
	selfEN = [...][4]string{{"I", "my", "me", "myself"}, {"you", "your", "you", "yourself"}, {"the user", "the user's", "the user", "the user"}}
	selfZH = [...]string{"我", "你", "用户"}
)

// words returns subject, possessive, object and reflexive.
func (s *someone) words(l fact.Language, v voice) [4]string {
	if s.again != nil {
		return s.again.words
	}
	if l == fact.Chinese {
		who := selfZH[v]
		switch {
		case s.name != value{}:
			who = s.name[l]
		case s.of != nil:
			who = mineZH[v] + s.of.role[l] + "的" + s.role[l]
		case s.pet && v != byNeither:
			who = mineZH[v] + "家" + s.role[l]
		case !s.self():
			who = mineZH[v] + s.role[l]
		}
		return [4]string{who, who + "的", who, "自己"}
	}
	if s.name == (value{}) && s.self() {
		return selfEN[v]
	}
	who := mineEN[v] + " " + s.role[l]
	if s.of != nil {
		who = mineEN[v] + " " + s.of.role[l] + "'s " + s.role[l]
	}
	if s.name != (value{}) {
		who = s.name[l]
	}
	return [4]string{who, who + "'s", who, who}
}

// theirs is the possessive of a subject that the sentence has already named.
func (s *someone) theirs(l fact.Language, v voice) string {
	if own := s.words(l, v)[1]; l == fact.Chinese || s.form(v) < 2 || s.again != nil {
		return own
	}
	if s.pet {
		return "its"
	}
	return "their"
}

// form is which of [am|are|is] a subject takes.
func (s *someone) form(v voice) int {
	if s.again != nil && s.again.plural {
		return int(byFriend) // they are, as you are
	}
	if !s.self() || s.name != (value{}) {
		return 2
	}
	return int(v)
}

// render fills a phrase in, as a sentence.
func render(l fact.Language, phrase string, v voice, s *someone, slots map[string]string) string {
	text := filled(l, phrase, v, s, slots)
	if l == fact.English {
		return speech.Sentence(text)
	}
	return strings.ReplaceAll(text, "的的", "的")
}

// filled fills a phrase in. slots beside the subject's: v, a, d, q, n, list.
func filled(l fact.Language, phrase string, v voice, s *someone, slots map[string]string) string {
	words := s.words(l, v)
	var b strings.Builder
	for i := 0; i < len(phrase); {
		c := phrase[i]
		end := -1
		switch c {
		case '{':
			end = strings.IndexByte(phrase[i:], '}')
		case '[':
			end = strings.IndexByte(phrase[i:], ']')
		}
		if end < 0 {
			b.WriteByte(c)
			i++
			continue
		}
		in := phrase[i+1 : i+end]
		i += end + 1
		if c == '[' {
			b.WriteString(speech.Agree(in, s.form(v)))
			continue
		}
		switch in {
		case "S":
			b.WriteString(words[0])
		case "P":
			b.WriteString(words[1])
		case "T": // whose, said of somebody for the second time
			b.WriteString(s.theirs(l, v))
		case "S:o":
			b.WriteString(words[2])
		case "S:r":
			b.WriteString(words[3])
		case "a":
			b.WriteString(speech.WithArticle(slots["v"]))
		default:
			b.WriteString(slots[in])
		}
	}
	return b.String()
}
