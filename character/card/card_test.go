package card

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const v2 = `{"spec":"chara_card_v2","spec_version":"2.0","vendor":{"x":[1,2.50]},"data":{
 "name":"Lin","description":"A baker.","personality":"warm","scenario":"","first_mes":"Hello, {{user}}!","mes_example":"<START>",
 "creator_notes":"for people","system_prompt":"{{original}} Be kind.","post_history_instructions":"","alternate_greetings":["Hi!"],
 "tags":["bread"],"creator":"me","character_version":"1.2","extensions":{"depth_prompt":{"depth":4,"big":12345678901234567890}},
 "unknown":{"keep":[null,true,"é"]},
 "character_book":{"name":"town","extensions":{"a":1},"token_budget":100,"recursive_scanning":true,"entries":[
  {"keys":["oven"],"content":"@@depth 3\n@@role system\nThe oven is old.","extensions":{},"enabled":true,"insertion_order":2,"selective":true,"secondary_keys":["fire"],"mystery":7}]}}}`

func object(t *testing.T, data []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRoundTrip checks that a card of version 2 goes out as it came in, and as
// version 3 with nothing lost.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	c, err := ParseJSON([]byte(v2))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "Lin" || c.Spec != SpecV2 || c.Greetings[0] != "Hi!" || c.Book.Entries[0].Content != "The oven is old." || !c.Book.Recursive {
		t.Errorf("got %+v", c)
	}
	out, err := c.JSON(SpecV2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(object(t, []byte(v2)), object(t, out)); diff != "" {
		t.Error(diff)
	}
	out, err = c.JSON(SpecV3)
	if err != nil {
		t.Fatal(err)
	}
	data := object(t, out)["data"].(map[string]any)
	if object(t, out)["spec"] != SpecV3 || data["group_only_greetings"] == nil || data["unknown"] == nil {
		t.Errorf("got %s", out)
	}
	again, err := ParseJSON(out)
	if err != nil || again.Description != c.Description || again.Version != "3.0" {
		t.Errorf("%v %+v", err, again)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"name":"Old","description":"flat","first_mes":"hi","extra":1}`:                          "Old",
		`{"spec":"chara_card_v3","spec_version":3.1,"data":{"name":"New","nickname":"Nu"}}`:       "Nu",
		"\xef\xbb\xbf" + `{"spec":"chara_card_v9","spec_version":"9.0","data":{"name":"Future"}}`: "Future",
	} {
		c, err := ParseJSON([]byte(in))
		if err != nil || c.CharName() != want {
			t.Errorf("%s: %v %+v", in, err, c)
			continue
		}
		if _, err := c.JSON(SpecV3); err != nil {
			t.Error(err)
		}
	}
	for _, in := range []string{``, `[]`, `{}`, `{"name":7}`, `{"spec":"chara_card_v2"}`, `{"spec":"chara_card_v2","data":[]}`, `{"name":"x","tags":"no"}`} {
		if _, err := ParseJSON([]byte(in)); err == nil {
			t.Errorf("%s: no error", in)
		}
	}
	if _, err := ParseJSON([]byte(`{"title":"not a card"}`)); !errors.Is(err, ErrNoCard) {
		t.Errorf("got %v", err)
	}
}

// TestPNG writes a card into a portrait and reads it, and keeps other chunks.
func TestPNG(t *testing.T) {
	t.Parallel()
	c, err := ParseJSON([]byte(v2))
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.PNG()
	if err != nil {
		t.Fatal(err)
	}
	chunks, err := readChunks(out)
	if err != nil {
		t.Fatal(err)
	}
	last := len(chunks) - 1
	chunks = append(chunks[:last:last], chunk{"tEXt", []byte("Author\x00somebody")}, chunks[last])
	path := filepath.Join(t.TempDir(), "lin.png")
	if err := os.WriteFile(path, writeChunks(chunks), 0o600); err != nil {
		t.Fatal(err)
	}
	back, err := Open(path)
	if err != nil || back.Spec != SpecV3 || back.Name != "Lin" {
		t.Fatalf("%v %+v", err, back)
	}
	back.Name = "Lina"
	if out, err = back.PNG(); err != nil || !bytes.Contains(out, []byte("Author\x00somebody")) || bytes.Count(out, []byte("tEXtchara\x00")) != 1 {
		t.Errorf("the other chunks were lost: %v", err)
	}
	if again, err := Parse(out); err != nil || again.Name != "Lina" {
		t.Errorf("%v %+v", err, again)
	}
	damaged := bytes.Clone(out)
	damaged[len(pngMagic)+10] ^= 1
	for name, data := range map[string][]byte{"damaged": damaged, "cut": out[:len(out)-5], "no card": blank()} {
		if _, err := Parse(data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestArchive reads and writes a charx, and refuses traps.
func TestArchive(t *testing.T) {
	t.Parallel()
	pack := func(files map[string][]byte) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for name, data := range files {
			w, err := z.Create(name)
			if err == nil {
				_, err = w.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	card := []byte(`{"spec":"chara_card_v3","spec_version":"3.0","data":{"name":"Zip","assets":[{"type":"icon","uri":"embedded://assets/main.png","name":"main","ext":"png","q":1}]}}`)
	c, err := Parse(pack(map[string][]byte{"card.json": card, "assets/main.png": blank()}))
	if err != nil || !bytes.Equal(c.Portrait, blank()) {
		t.Fatalf("%v %+v", err, c)
	}
	out, err := c.Archive()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(out); err != nil || len(again.files) != 1 || again.Assets[0].Name != "main" || string(again.Assets[0].rest["q"]) != "1" {
		t.Errorf("%v %+v", err, again)
	}
	spelled := bytes.ReplaceAll(card, []byte("embedded://"), []byte("embeded://")) //nolint:misspell // as the specification has it
	if c, err := Parse(pack(map[string][]byte{"card.json": spelled, "assets/main.png": blank()})); err != nil || c.Portrait == nil || !c.HasFiles() {
		t.Errorf("in the specification's spelling: %v", err)
	}
	for name, files := range map[string]map[string][]byte{
		"a bomb":     {"card.json": card, "x": make64(64 << 20)},
		"a climber":  {"card.json": card, "../../x": nil},
		"no card":    {"readme": nil},
		"a bad card": {"card.json": []byte("{")},
	} {
		if _, err := Parse(pack(files)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func make64(n int) []byte { return bytes.Repeat([]byte{0}, n) }

func TestBook(t *testing.T) {
	t.Parallel()
	b, err := ParseBook(json.RawMessage(`{"scan_depth":2,"recursive_scanning":true,"entries":{"0":{"key":["Oven"],"content":"The oven burns peat.","order":5},
		"1":{"keys":["peat"],"content":"Peat comes from the moor.","insertion_order":1},
		"2":{"keys":["/ba(k|c)er/i"],"use_regex":true,"content":"@@activate_only_after 3\nBakers rise early.","insertion_order":9},
		"3":{"constant":true,"content":"@@unknown 1\n@@@depth 2\nAlways here.","insertion_order":0},
		"4":{"keys":["oven"],"secondary_keys":["gas"],"selective":true,"content":"Gas ovens."},
		"5":{"keys":["oven"],"content":"@@exclude_keys cold, dark\nHot."},
		"6":{"keys":["oven"],"content":"Off.","disable":true}}}`))
	if err != nil {
		t.Fatal(err)
	}
	active := func(turns int, messages ...string) string {
		var names []string
		for _, e := range b.Active(Scene{Messages: messages, Turns: turns}) {
			names = append(names, e.Content)
		}
		return strings.Join(names, " ")
	}
	if got, want := active(1, "the old OVEN", "yes"), "Always here. Hot. Peat comes from the moor. The oven burns peat."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := active(3, "oven", "far away", "a baCer in the dark"), "Always here. Bakers rise early."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := active(0, "a gas oven, cold"), "Always here. Gas ovens. Peat comes from the moor. The oven burns peat."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if d, ok := b.Entries[3].Decorator("depth"); !ok || d != "2" {
		t.Errorf("the fallback was not taken: %q", d)
	}
	count := func(s string) int { return len(strings.Fields(s)) }
	if got := b.Active(Scene{Messages: []string{"oven"}, Budget: 3, Count: count}); len(got) != 2 {
		t.Errorf("a budget of three words keeps %d entries", len(got))
	}
}

// TestDecorators checks those decorators that look back, or give way.
func TestDecorators(t *testing.T) {
	t.Parallel()
	b, err := ParseBook(json.RawMessage(`{"scan_depth":1,"entries":[
		{"keys":["oven"],"content":"@@keep_activate_after_match\nIt stays."},
		{"keys":["oven"],"content":"@@dont_activate_after_match\nOnce."},
		{"keys":["oven"],"content":"@@is_user_icon cat\nFor a cat."},
		{"keys":["oven"],"content":"@@disable_ui_prompt\n@@ignore_on_max_context\nGives way.","priority":99}]}`))
	if err != nil {
		t.Fatal(err)
	}
	active := func(s Scene) string {
		var all []string
		for _, e := range b.Active(s) {
			all = append(all, e.Content)
		}
		return strings.Join(all, " ")
	}
	words := func(s string) int { return len(strings.Fields(s)) }
	for name, c := range map[string]struct {
		scene Scene
		want  string
	}{
		"at once": {Scene{Messages: []string{"hello", "the oven"}}, "It stays. Once. Gives way."},
		"later":   {Scene{Messages: []string{"the oven", "and then"}}, "It stays."},
		"again":   {Scene{Messages: []string{"the oven", "the oven"}}, "It stays. Gives way."},
		"a cat":   {Scene{Messages: []string{"oven"}, UserIcon: "Cat"}, "It stays. Once. For a cat. Gives way."},
		"no room": {Scene{Messages: []string{"oven"}, Budget: 3, Count: words}, "It stays. Once."},
		"nothing": {Scene{Messages: nil}, ""},
	} {
		if got := active(c.scene); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestAbout checks what a character says of itself, and how old it is.
func TestAbout(t *testing.T) {
	t.Parallel()
	c, err := ParseJSON([]byte(`{"spec":"chara_card_v3","spec_version":"3.0","data":{"name":"Ann","description":"A 44-year-old smith.","extensions":{"kuai":{"about":{"drinks":"Ale."}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.About("drinks") != "Ale." || c.About("age") != "" || c.Age() != "44" {
		t.Errorf("%q, %q, %q", c.About("drinks"), c.About("age"), c.Age())
	}
	for in, want := range map[string]string{"她今年19岁。": "19", "Aged 7, shy": "7", "5 feet tall": "", "": ""} {
		if got := (&Card{Description: in}).Age(); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestMacros(t *testing.T) {
	t.Parallel()
	m := Macros{Char: "Lin", User: "Ada", Original: "Be good.", Rand: rand.New(rand.NewPCG(1, 1)), Pick: 3}
	for in, want := range map[string]string{
		"{{CHAR}} and {{User}}":                    "Lin and Ada",
		"{{original}} {{// a note}}{{comment: x}}": "Be good. ",
		"{{reverse:abc}} {{roll:1}}":               "cba 1",
		"{{unknown}} {{":                           "{{unknown}} {{",
		"{{pick:a,a}}{{random:b:b}}":               "ab",
		"{{char{{user}}":                           "{{char{{user}}",
	} {
		if got := m.Expand(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(v2))
	c, err := ParseJSON([]byte(v2))
	if err != nil {
		f.Fatal(err)
	}
	for _, write := range []func() ([]byte, error){c.PNG, c.Archive} {
		data, err := write()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add(append(bytes.Clone(pngMagic), base64.StdEncoding.EncodeToString([]byte("x"))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		out, err := c.JSON(SpecV3)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseJSON(out)
		if err != nil || again.Name != c.Name || again.Description != c.Description {
			t.Errorf("%v: %+v became %+v", err, c, again)
		}
		if c.Book != nil {
			c.Book.Active(Scene{Messages: []string{"a", c.Name}})
		}
	})
}
