package converse

import (
	"strings"
	"testing"

	"kuai/character/memory"
	"kuai/companion/fact"
)

// TestFits checks that a reply to a turn that tells nothing notes nothing.
func TestFits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		told  []string
		reply string
		want  bool
	}{
		{nil, "Okay, tin. I'll remember.", false},
		{nil, "Oh no, and then?", true},
		{[]string{"Oslo"}, "Okay, Oslo. I'll remember.", true},
		{[]string{"Oslo"}, "Okay, tin. I'll remember.", false},
	} {
		said := turn{said: "The bus from Oslo was as full as a tin.", l: fact.English, told: tt.told, seen: "The bus from Oslo was as full as a tin."}
		if got := said.fits(tt.reply); got != tt.want {
			t.Errorf("told %v, %q fits: %v", tt.told, tt.reply, got)
		}
	}
}

// TestClaims checks that what nobody told is not said of the user, and that what
// is bad is not thought nice.
func TestClaims(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		said, reply string
		l           fact.Language
		want        bool
	}{
		{"What makes you happy?", "Your favorite dish is salsa.", fact.English, false},
		{"I'm thinking of learning the violin.", "Your profession is bad bad.", fact.English, false},
		{"What makes you happy?", "You're allergic to honey.", fact.English, false},
		{"What makes you happy?", "Oh! Your sister lives in Oslo.", fact.English, false},
		{"My train is late.", "Third time! Your train has a gift for drama.", fact.English, true},
		{"My roommate never cleans.", "Your roommate's favorite is cleans.", fact.English, false},
		{"It's raining cats and dogs here.", "I'm glad you looked up in time.", fact.English, true},
		{"I just got a promotion!!", "Congratulations! What did you do?", fact.English, true},
		{"I just got a promotion!!", "Do you like your work?", fact.English, true},
		{"The bus was late again.", "Oh, how nice!", fact.English, false},
		{"The bus was on time.", "Oh, how nice!", fact.English, true},
		{"我想我奶奶了", "你奶奶受不了早起。", fact.Chinese, false},
		{"给我讲个笑话吧", "你在写一个爱好。", fact.Chinese, false},
		{"什么事会让你开心？", "看到你来就很开心。", fact.Chinese, true},
		{"手机屏幕摔碎了", "真好！快跟我说说。", fact.Chinese, false},
		{"昨晚看了个章鱼的纪录片", "屏幕最会偷时间了。", fact.Chinese, true},
	} {
		if got := (turn{said: tt.said, l: tt.l, seen: tt.said, asks: strings.ContainsAny(tt.said, "?？")}).fits(tt.reply); got != tt.want {
			t.Errorf("to %q, %q fits: %v", tt.said, tt.reply, got)
		}
	}
}

// TestBad checks that bad news are not left to the small model.
func TestBad(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]bool{"My grandfather is in hospital.": true, "nobody came to my birthday": true, "爷爷住院了": true, "跟我爸吵了一架": true, "someone stole my bike": true, "I made a cake.": false, "I lost 5 kilos!": false, "Found it by accident.": false, "I'm not tired at all.": false, "笑死我了": false, "今天玩得真痛快": false, "今天天气真好": false} {
		l := fact.English
		if hasHan(said) {
			l = fact.Chinese
		}
		if got := (turn{said: said, l: l}).bad(); got != want {
			t.Errorf("%q is bad: %v", said, got)
		}
	}
	for aside, want := range map[bool]bool{true: true, false: false} { // that there is a cat, and what one is allergic to
		if got := (turn{said: "The cat is sick again.", l: fact.English, told: []string{"cat"}, aside: aside}).bad(); got != want {
			t.Errorf("told by the way %v: bad %v", aside, got)
		}
	}
}

// TestToDo checks that what somebody likes to do is kept as such.
func TestToDo(t *testing.T) {
	t.Parallel()
	facts := fact.ParseLines("user | likes | hiking\nuser | likes | read\nuser | lives_in | Oslo\nuser | likes | concerts")
	toDo("I love hiking, I like to read, moved to Oslo, and love going to concerts.", facts)
	if facts[0].Object != "hiking" || facts[1].Object != "to read" || facts[2].Object != "Oslo" || facts[3].Object != "concerts" {
		t.Errorf("%v", facts)
	}
}

// TestSpoken checks that signs which nobody sees are not kept.
func TestSpoken(t *testing.T) {
	t.Parallel()
	if got, err := spoken(" my cat is Mi\x00lo\u200b,\r\nand I\tlike 👩‍👧\xff "); err != nil || got != "my cat is Milo,\nand I\tlike 👩‍👧" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := spoken("\x00 \u200b"); err != ErrEmpty { //nolint:errorlint // returned as it is
		t.Errorf("nothing seen: %v", err)
	}
}

// TestIdea tells turns that wish for an idea, which need nothing remembered, from
// those that ask for what was told.
func TestIdea(t *testing.T) {
	t.Parallel()
	food := fact.Query{Subject: fact.User, Predicate: "favorite_food"}
	none, known := memory.Pack{Asked: []memory.Found{{Query: food}}}, memory.Pack{Asked: []memory.Found{{Query: food, Facts: []fact.Fact{{Object: "soup"}}}}}
	for said, want := range map[string]bool{
		"What should I cook? I have eggs.": true, "any ideas for a gift?": true, "What could I give my mum?": true, "今晚吃什么好？": true, "我妈生日送什么？": true,
		"What is my favorite food?": false, "Could you tell me where my sister lives?": false, "我最喜欢吃的是哪道菜？": false,
	} {
		if got := idea(said, none); got != want {
			t.Errorf("%q wishes for an idea: %v", said, got)
		}
		if idea(said, known) {
			t.Errorf("%q: what is known is not asked", said)
		}
	}
}

// TestSuits keeps joy from bad news and condolences from good ones.
func TestSuits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		l           fact.Language
		said, reply string
		want        bool
	}{
		{fact.English, "I passed my exam!", "Oh no, I'm so sorry.", false},
		{fact.English, "I passed my exam!", "Congratulations!", true},
		{fact.English, "My grandfather passed away", "I'm so sorry.", true},
		{fact.English, "My grandfather passed away", "Congratulations!", false},
		{fact.English, "It won't start", "Oh no! Is it the battery?", true},
		{fact.English, "My grandfather is in hospital", "What a relief!", false},
		{fact.Chinese, "我考过了", "别难过，下次再来。", false},
		{fact.Chinese, "没被录取", "别难过，下次再来。", true},
		{fact.Chinese, "爷爷住院了", "太好了！", false},
	} {
		if got := (turn{said: tt.said, l: tt.l}).suits(tt.reply); got != tt.want {
			t.Errorf("%q, %q: %v", tt.said, tt.reply, got)
		}
	}
}
