package sense

import (
	"slices"
	"strings"
	"testing"
)

// shared is whether two words have a thing above both.
func shared(a, b []uint32) bool {
	return slices.ContainsFunc(a, func(x uint32) bool { return slices.Contains(b, x) })
}

// TestOf checks that words of a kind share what is known of them, in both
// languages, and those of others do not.
func TestOf(t *testing.T) {
	t.Parallel()
	d := theDictionary()
	dog, person := known(ofThing, int(d.find("dog")[0])), known(ofThing, int(d.find("person")[0]))
	for _, c := range []struct {
		turn string
		at   int
		has  uint32
		want bool
	}{
		{"my terriers sleep", 1, dog, true},
		{"my tutor sleeps", 1, person, true},
		{"my hairdresser sleeps", 1, person, true},
		{"my teapot sleeps", 1, dog, false},
		{"my teapot sleeps", 1, person, false},
		{"我 的 徒 弟 来 了", 2, person, true},
		{"我 的 徒 弟 来 了", 3, person, true},
		{"我 的 茶 壶 来 了", 3, person, false},
	} {
		got := Of(strings.Fields(c.turn))
		if slices.Contains(got[c.at], c.has) != c.want {
			t.Errorf("%q, word %d: known is not %v", c.turn, c.at, c.want)
		}
	}
	got := Of(strings.Fields("i got a stick insect and a beetle \x02"))
	if !shared(got[3], got[4]) || !shared(got[3], got[7]) || len(got[8]) > 0 || slices.Contains(got[3], dog) {
		t.Errorf("a stick insect is %v, %v; a beetle %v; what is hidden %v", got[3], got[4], got[7], got[8])
	}
	if lived, resides := Of([]string{"lived"}), Of([]string{"resides"}); !shared(lived[0], resides[0]) {
		t.Errorf("lived %v, resides %v", lived, resides)
	}
}

// TestCut checks where words of Chinese begin and end.
func TestCut(t *testing.T) {
	t.Parallel()
	for turn, want := range map[string]string{
		"我见不得藏青色打折": "我 见 不得 藏青色 打折",
		"我家拉布拉多爱上了": "我家 拉布拉多 爱 上 了",
	} {
		chars := strings.Split(turn, "")
		var got strings.Builder
		for i, all := range Of(chars) {
			begins := false
			for later := range 3 {
				begins = begins || slices.Contains(all, known(ofPlace, 4*later))
			}
			if begins && i > 0 {
				got.WriteByte(' ')
			}
			got.WriteString(chars[i])
		}
		if got.String() != want {
			t.Errorf("%s, want %s", got.String(), want)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("my labrador 我家拉布拉多 \x00 ' -")
	f.Fuzz(func(t *testing.T, s string) {
		for _, words := range [][]string{strings.Fields(s), strings.Split(s, "")} {
			if got := Of(words); len(got) != len(words) {
				t.Errorf("%d of %d", len(got), len(words))
			}
		}
	})
}

func BenchmarkOf(b *testing.B) {
	words := strings.Fields("my sister has been living in oslo with a stick insect since last year")
	for b.Loop() {
		Of(words)
	}
}

// TestSomeone checks how many words name somebody.
func TestSomeone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"book club friend is": 3, "adopted son put": 2, "next - door neighbour had": 4, "mother - in - law is": 5, "boss 's car": 1, "sister": 1,
		"favourite teacher says": 2, "parents": 1, "team leader": 2,
		"favorite color": 0, "dog food": 0, "birthday is": 0, "name is": 0, "house": 0, "hobby": 0, "and my sister": 0, "": 0,
		"养 子 抽 血": 2, "健 身 搭 子 小 时": 4, "继 母 爱 跳 舞": 2, "钢 琴 老 师 喜 欢": 4, "狗": 1, "远 房 表 哥": 4,
		"生 日": 0, "怕 老 师": 0, "叫 小 明": 0, "是 学 生": 0, "家": 0, "前 天": 0,
	} {
		if got := Someone(strings.Fields(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// TestEnds checks which Chinese words end with a particle that belongs to them.
func TestEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"多 哈": true, "那 家 酒 吧": true, "彭 红 喔": false, "测 量 员 哈": false, "喔": false} {
		if got := Ends(strings.Fields(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestThing checks which words are things, and which characters hold a word.
func TestThing(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]bool{"voice": true, "initials": true, "stories": true, "sister": false, "dogs": false, "mira": false} {
		if got := Thing(word); got != want {
			t.Errorf("%q: %v", word, got)
		}
	}
	for word, want := range map[string]bool{"居然还": true, "以前": true, "职业现": true, "小强": false, "小芸": false} {
		if got := HasWord(word); got != want {
			t.Errorf("%q: %v", word, got)
		}
	}
}
