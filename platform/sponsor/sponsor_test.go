package sponsor

import (
	"strings"
	"testing"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSponsor walks a slot's life on both databases.
func TestSponsor(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		do := func(f func(tx *db.Tx) error) error { t.Helper(); return d.Tx(ctx, f) }
		slot := Slot{Sponsor: "Bakery", Body: " Fresh bread ", Link: "https://example.com/bread", Weight: 3, From: noon}
		other := Slot{Sponsor: "Tea", Body: "Green tea", Link: "https://example.com/tea", Weight: 1, From: noon.Add(time.Hour), Until: noon.Add(2 * time.Hour)}
		var v View
		var ok bool
		ask := func(at time.Time, drawn int64) {
			t.Helper()
			must(t, do(func(tx *db.Tx) (err error) {
				v, ok, err = Ask(ctx, tx, at, func(n int64) int64 { return min(drawn, n-1) })
				return err
			}))
		}
		must(t, do(func(tx *db.Tx) (err error) {
			if slot, err = Create(ctx, tx, noon, slot); err == nil {
				other, err = Create(ctx, tx, noon, other)
			}
			return err
		}))
		if ask(noon, 0); ok {
			t.Error("shown though nobody switched it on")
		}
		must(t, do(func(tx *db.Tx) error { return Enable(ctx, tx, true) }))
		if ask(noon.Add(-time.Hour), 0); ok {
			t.Error("shown before its time")
		}
		if ask(noon, 99); !ok || v.Slot.ID != slot.ID || v.Slot.Body != "Fresh bread" {
			t.Errorf("%+v, %v", v, ok)
		}
		for range 2 { // each counts once
			must(t, do(func(tx *db.Tx) error { return Seen(ctx, tx, noon, v.ID) }))
			must(t, do(func(tx *db.Tx) error { return Clicked(ctx, tx, noon, v.ID) }))
		}
		late := noon.Add(90 * time.Minute)
		if ask(late, 0); v.Slot.ID != other.ID { // the later one stands first in the list
			t.Errorf("drew %+v", v.Slot)
		}
		if ask(late, 1); v.Slot.ID != slot.ID {
			t.Errorf("drew %+v", v.Slot)
		}
		must(t, do(func(tx *db.Tx) error { return Seen(ctx, tx, late, v.ID) }))
		must(t, do(func(tx *db.Tx) error { return End(ctx, tx, late, slot.ID) }))
		if err := do(func(tx *db.Tx) error { return End(ctx, tx, late, slot.ID) }); fault.From(err).Code != fault.NotFound {
			t.Errorf("ended twice: %v", err)
		}
		if ask(noon.Add(3*time.Hour), 0); ok {
			t.Errorf("shown after its end: %+v", v)
		}
		if err := do(func(tx *db.Tx) error { return Seen(ctx, tx, noon, "view_none") }); fault.From(err).Code != fault.NotFound {
			t.Errorf("no such view: %v", err)
		}
		must(t, d.Read(ctx, func(tx *db.Tx) error {
			all, err := Slots(ctx, tx)
			if err != nil || len(all) != 2 || all[1].Seen != 2 || all[1].Clicked != 1 || all[0].Seen != 0 {
				t.Errorf("%+v, %v", all, err)
			}
			asked, filled, err := Fill(ctx, tx, noon, noon)
			if asked != 5 || filled != 3 {
				t.Errorf("asked %d, filled %d", asked, filled)
			}
			return err
		}))
	})
}

// TestCheck looks at slots that nobody should see.
func TestCheck(t *testing.T) {
	t.Parallel()
	good := Slot{Sponsor: "S", Body: "text", Link: "https://example.com", Weight: 1, From: noon}
	must(t, good.Check())
	for name, change := range map[string]func(*Slot){
		"sponsor": func(s *Slot) { s.Sponsor = " " },
		"text":    func(s *Slot) { s.Body = strings.Repeat("字", maxBody+1) },
		"text\n":  func(s *Slot) { s.Body = "a\nb" },
		"link":    func(s *Slot) { s.Link = "javascript:alert(1)" },
		"link 2":  func(s *Slot) { s.Link = "https://user:pass@example.com" },
		"link 3":  func(s *Slot) { s.Link = "//example.com" },
		"weight":  func(s *Slot) { s.Weight = 0 },
		"until":   func(s *Slot) { s.Until = noon },
	} {
		s := good
		change(&s)
		if err := s.Check(); fault.From(err).Code != fault.Invalid || fault.From(err).Param != strings.Fields(name)[0] {
			t.Errorf("%s: %v", name, err)
		}
	}
}
