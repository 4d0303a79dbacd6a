package tavern

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/character/memory"
)

const chat = `{"user_name":"You","character_name":"Lin","create_date":"2023-6-19 @14h 20m 5s 123ms","chat_metadata":{"x":1}}
{"name":"Lin","is_user":false,"send_date":"June 19, 2023 2:20pm","mes":"Hello!","swipes":["Hello!","Hi."],"swipe_id":0}
{"name":"You","is_user":true,"send_date":1687184460000,"mes":"My cat is called Mochi.","extra":{}}
{"name":"System","is_system":true,"mes":"a note"}

{"name":"Lin","send_date":"2023-06-19T14:22:00.000Z","mes":"A sweet name.","swipes":["","A sweet name.","Mochi!"],"swipe_id":1}
`

func TestKeepAndTake(t *testing.T) {
	t.Parallel()
	c, err := Read(strings.NewReader(chat))
	if err != nil {
		t.Fatal(err)
	}
	if c.User != "You" || c.Character != "Lin" || len(c.Messages) != 3 || c.Messages[0].Time.Year() != 2023 || !c.Messages[1].Time.Equal(time.UnixMilli(1687184460000)) {
		t.Fatalf("%+v", c)
	}
	th, err := memory.Open(t.TempDir(), memory.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = th.Close() }()
	n, err := Keep(t.Context(), th, c, time.Now())
	if err != nil || n != 5 {
		t.Fatalf("%d turns: %v", n, err)
	}
	found, err := th.Search(t.Context(), "What is my cat called?", time.Now(), 3)
	if err != nil || len(found) == 0 || !strings.Contains(found[0].Item.Text, "Mochi") {
		t.Errorf("%v: %v", found, err)
	}
	back, err := Take(th, "You", "Lin")
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := Write(&file, back); err != nil {
		t.Fatal(err)
	}
	again, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	want := c
	want.Messages[0].Swipes, want.Messages[0].Present = []string{"Hi.", "Hello!"}, 1 // the chosen one was kept last
	want.Messages[2].Swipes, want.Messages[2].Present = []string{"Mochi!", "A sweet name."}, 1
	sameTime := cmp.Comparer(func(x, y time.Time) bool { return x.UnixMilli() == y.UnixMilli() })
	if d := cmp.Diff(want, again, sameTime); d != "" {
		t.Errorf("there and back (-want +got):\n%s", d)
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	for _, s := range []string{`"2023-6-19 @14h 20m 5s 123ms"`, `"2023-6-19@14h20m5s"`, `"June 19, 2023 2:20pm"`, `"2023-06-19T14:20:05Z"`, `1687184405000`} {
		if at := parseDate([]byte(s)); at.Year() != 2023 || at.Month() != time.June || at.Day() != 19 {
			t.Errorf("%s: %v", s, at)
		}
	}
	for _, s := range []string{`"soon"`, `null`, `-5`, ``, `{}`} {
		if at := parseDate([]byte(s)); !at.IsZero() {
			t.Errorf("%s: %v", s, at)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(chat)
	f.Add(`{"mes":"x","swipes":["a","b"],"swipe_id":-7}`)
	f.Add("[]")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Read(strings.NewReader(s))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Write(&b, c); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&b)
		if err != nil || len(again.Messages) != len(c.Messages) {
			t.Errorf("%d messages, then %d: %v", len(c.Messages), len(again.Messages), err)
		}
	})
}

// TestGroup keeps and takes a group chat: each message bears a name.
func TestGroup(t *testing.T) {
	t.Parallel()
	const file = `{"user_name":"You","character_name":"unused","chat_metadata":{}}
{"name":"Lin","is_user":false,"send_date":"2023-06-19T14:20:00Z","mes":"Hello!","original_avatar":"Lin.png"}
{"name":"You","is_user":true,"send_date":"2023-06-19T14:21:00Z","mes":"My cat is called Mochi."}
{"name":"Mo","is_user":false,"send_date":"2023-06-19T14:22:00Z","mes":"Arr.","swipes":["Ahoy.","Arr."],"swipe_id":1,"original_avatar":"Mo.png"}
{"name":"user","is_user":false,"send_date":"2023-06-19T14:23:00Z","mes":"I am no user.","original_avatar":"x.png"}
`
	c, err := Read(strings.NewReader(file))
	if err != nil || !c.Group {
		t.Fatalf("%+v: %v", c, err)
	}
	if d := cmp.Diff([]string{"Lin", "Mo", "user"}, c.Names()); d != "" {
		t.Error(d)
	}
	th, err := memory.Open(t.TempDir(), memory.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = th.Close() }()
	if _, err := Keep(t.Context(), th, c, time.Now()); err != nil {
		t.Fatal(err)
	}
	back, err := Take(th, "You", "Tea")
	if err != nil {
		t.Fatal(err)
	}
	back.Group = true
	var out bytes.Buffer
	if err := Write(&out, back); err != nil {
		t.Fatal(err)
	}
	again, err := Read(&out)
	if err != nil || !again.Group || len(again.Messages) != 4 || again.Messages[2].Name != "Mo" || again.Messages[2].Text != "Arr." || len(again.Messages[2].Swipes) != 2 {
		t.Errorf("%+v: %v", again, err)
	}
	if m := again.Messages[3]; m.User || m.Name != "Tea" {
		t.Errorf("a character called user came back as %+v", m)
	}
}
