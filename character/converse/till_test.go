package converse

import (
	"context"
	"errors"
	"testing"

	"kuai/character/builtin"
	"kuai/character/card"
	"kuai/companion/fact"
	"kuai/serve/chat"
	"kuai/serve/upstream"
)

// cashbox writes down what it is asked for and how that ended.
type cashbox struct {
	most    []chat.Usage
	paid    []chat.Usage
	dropped int
	refuse  error
}

func (b *cashbox) Open(_ context.Context, most chat.Usage) (Bill, error) {
	b.most = append(b.most, most)
	return b, b.refuse
}
func (b *cashbox) Pay(_ context.Context, used chat.Usage) { b.paid = append(b.paid, used) }
func (b *cashbox) Drop(context.Context, string)           { b.dropped++ }

// TestTill has every kind of speaker tell of what it uses: once for a reply, within
// what it asked for, and nothing for what memory alone answers.
func TestTill(t *testing.T) {
	t.Parallel()
	e, far := abroad(t, func([]upstream.Message) string { return "And how was your day?" })
	var err error
	for name, s := range map[string]Speaker{"companion": small(t), "served": served(t), "upstream": far} {
		b := &cashbox{}
		c := begin(t, t.TempDir(), s)
		c.Till, c.Sampling.Seed = b, 3
		if c.Card, err = card.ParseJSON([]byte(`{"name": "Ann"}`)); err != nil { // with no words of her own
			t.Fatal(err)
		}
		for _, text := range []string{"The quarterly swap matured against a rolling basis.", "The ledgers reconcile to the third decimal."} {
			sayTo(t, c, text)
		}
		if _, err := c.Again(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if len(b.most) == 0 || len(b.paid)+b.dropped != len(b.most) {
			t.Errorf("%s: asked for %v, paid %v, dropped %d", name, b.most, b.paid, b.dropped)
		}
		for _, u := range b.paid {
			if m := b.most[0]; u.Prompt < 10 || u.Completion < 1 || u.Completion > m.Completion {
				t.Errorf("%s: used %+v of %+v", name, u, b.most)
			}
		}
		if c.account != nil {
			t.Errorf("%s: an account that is open", name)
		}
	}
	if n := len(e.asked); n != 3 {
		t.Errorf("another server was asked %d times", n)
	}
}

// TestTillRefuses checks that nothing is written or kept where the till refuses.
func TestTillRefuses(t *testing.T) {
	t.Parallel()
	broke := errors.New("no money")
	e, far := abroad(t, always("Hm."))
	lin, _ := builtin.Card("lin", fact.English)
	c, err := OpenWith(t.TempDir(), far, lin, fact.English)
	if err != nil {
		t.Fatal(err)
	}
	c.Till = &cashbox{refuse: broke}
	if _, err := c.Say(t.Context(), "Hello", nil); !errors.Is(err, broke) {
		t.Errorf("%v, want %v", err, broke)
	}
	if n := c.Memory().Stats().Turns; n != 0 || len(e.asked) != 0 {
		t.Errorf("%d turns are kept, the model was asked %d times", n, len(e.asked))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
