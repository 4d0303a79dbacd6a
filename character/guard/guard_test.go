package guard

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kuai/companion/fact"
)

func TestHeard(t *testing.T) {
	t.Parallel()
	r, err := Parse([]byte(`{"blocked": [{"name": "gambling", "words": ["casino", "sports betting", "赌博"], "say": {"en": "Not about that."}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text string
		l    fact.Language
		want string // what the answer begins with
	}{
		{"I want to kill myself.", fact.English, "I'm really glad you told me"},
		{"I don’t want to live any more", fact.English, "I'm really glad"},
		{"ｉ ｗａｎｔ ｔｏ ｄｉｅ", fact.English, "I'm really glad"},
		{"sui\u200bcide", fact.English, "I'm really glad"},
		{"我不 想 活了", fact.Chinese, "谢谢你告诉我"},
		{"最近觉得活着没意思。", fact.Chinese, "谢谢你告诉我"},
		{"Let's go to the CASINO!", fact.English, "Not about that."},
		{"我们去赌博吧", fact.Chinese, "我们聊点别的吧"},
		{"I read about sports, betting aside.", fact.English, "Not about that."},
		{"My sister lives in Oslo.", fact.English, ""},
		{"The casinova was late.", fact.English, ""},
		{"我想去杭州。", fact.Chinese, ""},
		{"I could eat a horse, I'm dying to see it.", fact.English, ""},
	} {
		got, keep := r.Heard(tt.text, tt.l)
		if keep != (tt.want == "" || strings.HasPrefix(tt.want, "I'm") || strings.HasPrefix(tt.want, "谢谢")) {
			t.Errorf("%q: kept %v", tt.text, keep)
		}
		if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := r.Said("The casino is open.", fact.English); got != "Not about that." {
		t.Errorf("said: %q", got)
	}
	if got, _ := (&Rules{NoCrisis: true}).Heard("suicide", fact.English); got != "" {
		t.Errorf("left to the model: %q", got)
	}
	if got, _ := (&Rules{Crisis: Text{Chinese: "拨打热线"}}).Heard("自杀", fact.Chinese); got != "拨打热线" {
		t.Errorf("the owner's words: %q", got)
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	r := &Rules{MinAge: 18}
	if !strings.Contains(r.Asks(fact.Chinese), "18岁") || (&Rules{}).Asks(fact.English) != "" {
		t.Errorf("asks %q", r.Asks(fact.Chinese))
	}
	for answer, want := range map[string]bool{"Yes!": true, "是的": true, "满了": true, "yes I am": true, "no": false, "I'm not": false, "不是": false, "没满": false, "Hello": false, "": false} {
		ok, say := r.OldEnough(answer, fact.English)
		if ok != want || ok == (say != "") {
			t.Errorf("%q: %v, %q", answer, ok, say)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if r, err := Load(filepath.Join(dir, "none.json")); err != nil || r.MinAge != 0 {
		t.Errorf("no file: %v, %v", r, err)
	}
	for what, text := range map[string]string{
		"a misspelt rule": `{"blokced": []}`, "an age": `{"min_age": -1}`, "no words": `{"blocked": [{"name": "x"}]}`, "no word": `{"blocked": [{"words": ["?!"]}]}`, "no JSON": `x`,
	} {
		path := filepath.Join(dir, "rules.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte(`{"blocked": [{"words": ["a b"]}]}`), "a b c")
	f.Fuzz(func(_ *testing.T, data []byte, text string) {
		if r, err := Parse(data); err == nil {
			r.Heard(text, fact.English)
			r.Said(text, fact.Chinese)
			r.OldEnough(text, fact.English)
		}
	})
}
