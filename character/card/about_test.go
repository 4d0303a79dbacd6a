package card

import (
	"strings"
	"testing"
)

// TestTalk makes situations of what a card holds under kuai.talk and of its
// example dialogues.
func TestTalk(t *testing.T) {
	t.Parallel()
	const talk = `{"spec":"chara_card_v2","spec_version":"2.0","data":{"name":"Ann","mes_example":"<START>\n{{char}}: Nobody asked.\n{{user}}: How is the mill?\n{{Char}}: Grinding,\n  as ever, {{user}}.\n{{user}}: Still?\n<START>\n{{user}}: hi\n{{char}}: Oh!",
		"extensions":{"kuai":{"voice":"otto","talk":"@a: b; c\n\nU: {a}\nA: d"}}}}`
	c, err := ParseJSON([]byte(talk))
	if err != nil {
		t.Fatal(err)
	}
	const want = "@a: b; c\n\nU: {a}\nA: d\n\nU: How is the mill?\nA: Grinding, as ever, {{user}}.\n\nU: hi\nA: Oh!"
	if got := c.Talk(); got != want || c.Voice() != "otto" {
		t.Errorf("%q, %q", got, c.Voice())
	}
	for _, odd := range []string{`{"name":"Ann","extensions":{"kuai":{"talk":7}}}`, `{"name":"Ann","mes_example":"{{user}}:\n{{char}}: \n: x"}`} {
		c, err := ParseJSON([]byte(odd))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Talk(); strings.TrimSpace(got) != "" {
			t.Errorf("%s: %q", odd, got)
		}
	}
}
