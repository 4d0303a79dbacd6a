package speech

import (
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"kuai/companion/fact"
)

var numbers = [...][2]string{{"none", "零"}, {"one", "一"}, {"two", "两"}, {"three", "三"}, {"four", "四"}, {"five", "五"}, {"six", "六"}}

// Number writes a small number as a word.
func Number(l fact.Language, n int) string {
	if n < len(numbers) {
		return numbers[n][l]
	}
	return strconv.Itoa(n)
}

// Enumerate joins a list as one says it.
func Enumerate(l fact.Language, list []string) string {
	if l == fact.Chinese {
		return strings.Join(list, "、")
	}
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// measures are the Chinese measure words of things that are not counted with 个.
var measures = map[string]string{
	"把": "雨伞 扶手椅 面包刀 扫帚 锤子 水壶", "条": "围巾 毯子 手链 地毯 皮带 连衣裙 项链 金鱼 玉米蛇 狗", "副": "手套 墨镜 耳机 象棋 桌游",
	"张": "书桌 海报 瑜伽垫 吊床 拼图", "件": "雨衣 毛衣 大衣 泳衣", "台": "电饭锅 相机 键盘 烤面包机 平板电脑 打印机 风扇 暖风机",
	"盏": "台灯", "面": "镜子", "顶": "帽子 帐篷 头盔", "块": "手表 滑板", "枚": "戒指", "支": "钢笔 麦克风", "本": "笔记本 日记本", "只": "猫 鹦鹉 兔子 仓鼠 乌龟 豚鼠 金丝雀 刺猬 壁虎 " +
		"雪貂 虎皮鹦鹉 凤头鹦鹉 龙猫 鬣蜥 陆龟 山羊 鸭子 母鸡 鸽子 蜗牛 沙鼠 小狗 小猫 绵羊", "匹": "小马", "头": "毛驴 小猪",
}

var measureOf = sync.OnceValue(func() map[string]string {
	of := map[string]string{}
	for m, things := range measures {
		for t := range strings.FieldsSeq(things) {
			of[t] = m
		}
	}
	return of
})

// Measure is the word by which a thing is counted in Chinese.
func Measure(thing string) string {
	if m := measureOf()[thing]; m != "" {
		return m
	}
	return "个"
}

// Day writes a date as people do.
func Day(l fact.Language, t time.Time) string {
	if l == fact.Chinese {
		return t.Format("2006年1月2日")
	}
	return t.Format("January 2, 2006")
}

// Dates are ways to write a day.
func Dates(t time.Time, year bool) []string {
	out := []string{t.Format("January 2"), t.Format("2 January"), t.Format("Jan 2"), t.Format("2 Jan"), t.Format("1月2日"), t.Format("1月2号"), t.Format("January 2") + Ordinal(t.Day())}
	if year {
		out = append(out, t.Format(time.DateOnly))
	}
	return out
}

// Ordinal is the ending of a number in a date: st, nd, rd, th.
func Ordinal(n int) string {
	switch {
	case n%10 == 1 && n != 11:
		return "st"
	case n%10 == 2 && n != 12:
		return "nd"
	case n%10 == 3 && n != 13:
		return "rd"
	}
	return "th"
}

// Units cuts a line into words in small letters, or into Chinese characters
// with runs of other letters and digits whole.
func Units(l fact.Language, line string) []string {
	var out []string
	var b strings.Builder
	end := func() {
		if b.Len() > 0 {
			out = append(out, b.String())
			b.Reset()
		}
	}
	for _, r := range strings.ToLower(line) {
		switch {
		case l == fact.Chinese && unicode.Is(unicode.Han, r):
			end()
			out = append(out, string(r))
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '\'':
			b.WriteRune(r)
		default:
			end()
		}
	}
	end()
	return out
}
