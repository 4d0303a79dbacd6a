package converse

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kuai/character/builtin"
	"kuai/companion"
	"kuai/companion/fact"
)

// exchange is what is said and what the reply must have in it, or must not.
type exchange struct{ said, has, not string }

// inVoice is for one of the replies that were written for the character.
const inVoice = "in her own words"

// golden are conversations with the built-in models. What has is of what the
// code around the model must get right, whatever the model says: has parted by
// | are alternatives.
var golden = map[fact.Language][]exchange{
	fact.English: {
		{"hi there", inVoice, "told me"},
		{"How are you today?", inVoice, "You said"},
		{"What's your name?", "Lin", ""},
		{"How old are you?", "wenty-six", "told"},
		{"What do you do?", "", "haven't"},
		{"My name is Jonas, by the way.", "Jonas", "haven't"},
		{"I live in Porto and I work as a nurse.", "", "haven't"},
		{"I have a sister. Her name is Mira and she lives in Bergen.", "", "haven't"},
		{"Does Mira live in Bergen?", "Yes", ""},
		{"Does Mira live in Oslo?", "No, |Bergen", "Yes"},
		{"Where does Mira live?", "Bergen", "Oslo"},
		{"Who is Mira?", "your sister", "haven't"},
		{"Who is Waldo?", "haven't told me", ""},
		{"Where does my sister live and what's my job?", "Bergen", "haven't"},
		{"I have a dog called Biscuit.", "", "haven't"},
		{"Do I have a dog?", "Yes", "haven't"},
		{"Do I have a cat?", "haven't", "Yes"},
		{"my favourite colour is green", "", "haven't"},
		{"No, I meant blue.", "", "reen"},
		{"What's my favorite color?", "lue", "reen"},
		{"Actually I moved to Lisbon last week.", "", "haven't"},
		{"Do I still live in Porto?", "Lisbon", "Yes"},
		{"Where do I live?", "Lisbon", "Porto"},
		{"Do you like music?", inVoice, "your"},
		{"Where do you live?", "tea room", "Lisbon"},
		{"Are you a robot?", "computer program", ""},
		{"My birthday is on May 3rd.", "", "haven't"},
		{"When's my birthday? And how old am I?", "haven't told me", ""},
		{"What do you know about me?", "Jonas", "Porto"},
		{"I'm allergic to peanuts", "", "haven't"},
		{"Can I eat peanut butter?", "Better not", ""},
		{"My brother Tom is a pilot.", "", "haven't"},
		{"Is Tom my brother?", "Yes", ""},
		{"How many siblings do I have?", "Tom", "haven't"},
		{"thanks!", inVoice, "told me"},
		{"What day is it today?", "Monday, March 2, 2026", ""},
		{"I don't live in Lisbon.", "", "haven't"},
		{"Where do I live?", "", "Lisbon"},
		{"goodbye", inVoice, "told me"},
	},
	fact.Chinese: {
		{"你好", "好|嗨", "没告诉"},
		{"你叫什么名字？", "小林", ""},
		{"你多大了？", "二十六", "没告诉"},
		{"我叫周明。", "", "没告诉"},
		{"我有个姐姐叫小芸，她住在杭州。", "", "没告诉"},
		{"我叫什么？", "周明", "小芸"},
		{"小芸住在杭州吗？", "对", ""},
		{"小芸是谁？", "你姐姐", ""},
		{"我养了一只狗，叫饼干。", "", "没告诉"},
		{"我的狗叫什么？", "饼干", ""},
		{"我有猫吗？", "没告诉", "对"},
		{"我最喜欢绿色。", "", "没告诉"},
		{"不对，我是说蓝色。", "", "绿"},
		{"我最喜欢什么颜色？", "蓝", "绿"},
		{"我上周搬到重庆了。", "", "没告诉"},
		{"我还住在成都吗？", "重庆", "对"},
		{"你住在哪里？", inVoice, "重庆"},
		{"你是机器人吗？", "程序", ""},
		{"我对花生过敏。", "", "没告诉"},
		{"我能吃花生酱吗？", "过敏", ""},
		{"我弟弟小强是飞行员。", "", "没告诉"},
		{"小强是我弟弟吗？", "对", ""},
		{"你知道我什么？", "周明", ""},
		{"谢谢！", inVoice, "没告诉"},
		{"今天几号？", "2026年3月2日", ""},
		{"我不住在重庆了。", "", "没告诉"},
		{"我住在哪里？", "", "重庆"},
		{"再见", inVoice, "没告诉"},
	},
}

// TestGolden holds conversations with the models that come with Kuai.
func TestGolden(t *testing.T) {
	t.Parallel()
	s := small(t)
	for l, all := range golden {
		t.Run([]string{"en", "zh"}[l], func(t *testing.T) {
			t.Parallel()
			lin, _ := builtin.Card("lin", l)
			_, voice := companion.Voice("lin", l)
			c, err := OpenWith(filepath.Join(t.TempDir(), "t"), s, lin, l)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
			c.Now = func() time.Time { at = at.Add(time.Minute); return at }
			c.Sampling.Seed = 1
			for _, x := range all {
				r, err := c.Say(t.Context(), x.said, nil)
				if err != nil {
					t.Fatal(err)
				}
				has := x.has == inVoice && strings.Contains(voice, "A: "+r.Text+"\n")
				for alternative := range strings.SplitSeq(x.has, "|") {
					has = has || strings.Contains(r.Text, alternative)
				}
				if !has || x.not != "" && strings.Contains(r.Text, x.not) {
					t.Errorf("%q: %q, want %q and not %q", x.said, r.Text, x.has, x.not)
				}
			}
		})
	}
}
