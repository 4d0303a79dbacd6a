package term

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"My sister Lena moved to Oslo.", "sister Lena! moved Oslo!"},
		{"Don't worry, it's Melanie’s dog's", "worry Melanie! dog"},
		{"我的姐姐莉娜", "我的 的姐 姐 姐姐 姐 姐莉 莉 莉娜 娜"}, // a pair before its second character
		{"去Paris玩3天", "Paris! 玩 3 天"},
		{"", ""},
		{"\xff\xfe", ""},
	} {
		got := []string{}
		var a Analyzer
		for _, w := range a.Words(c.text) {
			if w.Stop {
				continue
			}
			s := w.Text
			if w.Capital {
				s = strings.ToUpper(s[:1]) + s[1:] + "!"
			}
			got = append(got, s)
		}
		want := strings.Fields(c.want)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, d)
		}
	}
}

func TestStemsMeet(t *testing.T) {
	t.Parallel()
	var a Analyzer
	for _, c := range [][]string{
		{"go", "went", "gone", "going"},
		{"move", "moved", "moving"},
		{"camp", "camping", "camped"},
		{"children", "kids", "child"},
		{"photo", "pictures"},
		{"adoption", "adopt"},
	} {
		for _, w := range c[1:] {
			if a.Stem(w) != a.Stem(c[0]) {
				t.Errorf("%s and %s differ", c[0], w)
			}
		}
	}
}

func TestChinese(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"hello": false, "你好": true, "我在Oslo": true, "": false, "the word 你 means you": false} {
		if Chinese(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("My sister’s 姐姐 in Oslo")
	f.Fuzz(func(t *testing.T, text string) {
		var a Analyzer
		for _, w := range a.Words(text) {
			if w.At < 0 || w.At >= len(text) {
				t.Errorf("%q at %d of %d", w.Text, w.At, len(text))
			}
		}
	})
}
