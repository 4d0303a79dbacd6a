// Package sponsor keeps sponsored slots: a line of text with a link, which the
// studio shows in one labelled place, and only where the operator has switched
// that on. Slots with more weight come more often. Who a visitor is plays no
// part, and nothing is noted of one.
//
//	Ask -> a View, if a slot is there -> Seen once -> Clicked once
package sponsor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kuai/fault"
	"kuai/platform/db"
)

const (
	maxBody    = 160 // characters
	maxSponsor = 80
	maxLink    = 2000
	maxWeight  = 1000
	maxSlots   = 1000

	dayMicros = 24 * int64(time.Hour/time.Microsecond)
	viewLife  = 24 * time.Hour
)

// Slot is something that a sponsor wants shown.
type Slot struct {
	ID      string
	Sponsor string // who pays
	Body    string
	Link    string
	Weight  int64
	From    time.Time
	Until   time.Time // zero: for good
	Ended   time.Time // by hand; zero: not
	Created time.Time

	Seen, Clicked int64
}

// Live says whether the slot may be shown.
func (s Slot) Live(now time.Time) bool {
	return s.Ended.IsZero() && !s.From.After(now) && (s.Until.IsZero() || s.Until.After(now))
}

// Check says what is wrong with a slot.
func (s Slot) Check() error {
	for _, f := range []struct {
		name, text string
		most       int
	}{{"sponsor", s.Sponsor, maxSponsor}, {"text", s.Body, maxBody}} {
		if n := utf8.RuneCountInString(strings.TrimSpace(f.text)); n < 1 || n > f.most || !utf8.ValidString(f.text) || strings.ContainsFunc(f.text, unicode.IsControl) {
			return fault.Param(f.name, "%s has 1 to %d characters", f.name, f.most)
		}
	}
	u, err := url.Parse(s.Link)
	if err != nil || len(s.Link) > maxLink || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		return fault.Param("link", "link is an address of the web, such as https://example.com/")
	}
	if s.Weight < 1 || s.Weight > maxWeight {
		return fault.Param("weight", "weight is 1 to %d", maxWeight)
	}
	if s.From.IsZero() || s.From.Unix() < 0 || s.From.Year() > 9999 || !s.Until.IsZero() && !s.Until.After(s.From) || s.Until.Year() > 9999 {
		return fault.Param("until", "until is after from")
	}
	return nil
}

// View is one showing of a slot.
type View struct {
	ID   string
	Slot Slot
}

// Enabled says whether the place is switched on. It is off until somebody does.
func Enabled(ctx context.Context, tx *db.Tx) (bool, error) {
	on, err := db.One(ctx, tx, func(row db.Scanner) (on int64, err error) {
		err = row.Scan(&on)
		return on, err
	}, "SELECT enabled FROM sponsor_switch WHERE one = 'switch'")
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return on != 0, wrap(err)
}

// Enable switches the place on or off.
func Enable(ctx context.Context, tx *db.Tx, on bool) error {
	value := int64(0)
	if on {
		value = 1
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO sponsor_switch (one, enabled) VALUES ('switch', ?) ON CONFLICT (one) DO UPDATE SET enabled = excluded.enabled", value)
	return wrap(err)
}

// Create adds a slot and returns it with its id.
func Create(ctx context.Context, tx *db.Tx, now time.Time, s Slot) (Slot, error) {
	if err := s.Check(); err != nil {
		return s, err
	}
	s.ID, s.Created = db.NewID("slot"), now
	s.Sponsor, s.Body = strings.TrimSpace(s.Sponsor), strings.TrimSpace(s.Body)
	_, err := tx.ExecContext(ctx, "INSERT INTO sponsor_slots (id, sponsor, body, link, weight, valid_from, valid_until, ended, created) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
		s.ID, s.Sponsor, s.Body, s.Link, s.Weight, db.Micros(s.From), db.Micros(s.Until), db.Micros(now))
	return s, wrap(err)
}

// End takes a slot out for good; its figures stay.
func End(ctx context.Context, tx *db.Tx, now time.Time, id string) error {
	res, err := tx.ExecContext(ctx, "UPDATE sponsor_slots SET ended = ? WHERE id = ? AND ended = 0", db.Micros(now), id)
	if err != nil {
		return wrap(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(wrap(err), fault.New(fault.NotFound, "there is no slot %.60s that has not ended", id))
	}
	return nil
}

// Slots lists all, the latest first, with how often they were seen and clicked.
func Slots(ctx context.Context, tx *db.Tx) ([]Slot, error) {
	all, err := db.List(ctx, tx, func(row db.Scanner) (s Slot, err error) {
		var from, until, ended, created int64
		err = row.Scan(&s.ID, &s.Sponsor, &s.Body, &s.Link, &s.Weight, &from, &until, &ended, &created, &s.Seen, &s.Clicked)
		s.From, s.Until, s.Ended, s.Created = db.Time(from), db.Time(until), db.Time(ended), db.Time(created)
		return s, err
	}, `SELECT id, sponsor, body, link, weight, valid_from, valid_until, ended, created,
		COALESCE((SELECT CAST(SUM(seen) AS BIGINT) FROM sponsor_days d WHERE d.slot = s.id), 0),
		COALESCE((SELECT CAST(SUM(clicked) AS BIGINT) FROM sponsor_days d WHERE d.slot = s.id), 0)
		FROM sponsor_slots s ORDER BY id DESC LIMIT ?`, maxSlots)
	return all, wrap(err)
}

// Fill is how often the place was asked for and filled, on the days of a span.
func Fill(ctx context.Context, tx *db.Tx, from, to time.Time) (asked, filled int64, err error) {
	err = tx.QueryRowContext(ctx, "SELECT COALESCE(CAST(SUM(asked) AS BIGINT), 0), COALESCE(CAST(SUM(filled) AS BIGINT), 0) FROM sponsor_days WHERE slot = '' AND day >= ? AND day <= ?",
		from.UnixMicro()/dayMicros, to.UnixMicro()/dayMicros).Scan(&asked, &filled)
	return asked, filled, wrap(err)
}

// Ask chooses a slot for a visitor; ok is false where the place is off or
// nothing is to be shown.
func Ask(ctx context.Context, tx *db.Tx, now time.Time, draw func(n int64) int64) (v View, ok bool, err error) {
	on, err := Enabled(ctx, tx)
	if err != nil || !on {
		return v, false, err
	}
	if draw == nil {
		draw = rand.Int64N
	}
	all, err := Slots(ctx, tx)
	if err != nil {
		return v, false, err
	}
	if v.Slot, ok = choose(all, now, draw); ok {
		v.ID = db.NewID("view")
		if _, err := tx.ExecContext(ctx, "INSERT INTO sponsor_views (id, slot, at, seen, clicked) VALUES (?, ?, ?, 0, 0)", v.ID, v.Slot.ID, db.Micros(now)); err != nil {
			return v, false, wrap(err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM sponsor_views WHERE at < ?", db.Micros(now.Add(-viewLife))); err != nil {
			return v, false, wrap(err)
		}
	}
	return v, ok, count(ctx, tx, now, "", 1, b(ok), 0, 0)
}

// choose draws one of those that are live, by their weights.
func choose(all []Slot, now time.Time, draw func(n int64) int64) (Slot, bool) {
	total := int64(0)
	for _, s := range all {
		if s.Live(now) {
			total += s.Weight
		}
	}
	if total == 0 {
		return Slot{}, false
	}
	at := draw(total)
	for _, s := range all {
		if !s.Live(now) {
			continue
		}
		if at -= s.Weight; at < 0 {
			return s, true
		}
	}
	return Slot{}, false
}

func b(ok bool) int64 {
	if ok {
		return 1
	}
	return 0
}

// count adds to a day's figures.
func count(ctx context.Context, tx *db.Tx, now time.Time, slot string, asked, filled, seen, clicked int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO sponsor_days (slot, day, asked, filled, seen, clicked) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (slot, day) DO UPDATE SET asked = sponsor_days.asked + excluded.asked, filled = sponsor_days.filled + excluded.filled,
		seen = sponsor_days.seen + excluded.seen, clicked = sponsor_days.clicked + excluded.clicked`,
		slot, now.UnixMicro()/dayMicros, asked, filled, seen, clicked)
	return wrap(err)
}

// Seen notes that a view came before somebody's eyes. The second time changes
// nothing.
func Seen(ctx context.Context, tx *db.Tx, now time.Time, view string) error {
	return mark(ctx, tx, now, view, "seen", 1, 0)
}

// Clicked notes that its link was followed.
func Clicked(ctx context.Context, tx *db.Tx, now time.Time, view string) error {
	return mark(ctx, tx, now, view, "clicked", 0, 1)
}

func mark(ctx context.Context, tx *db.Tx, now time.Time, view, column string, seen, clicked int64) error {
	slot, err := db.One(ctx, tx, func(row db.Scanner) (s string, err error) {
		err = row.Scan(&s)
		return s, err
	}, "SELECT slot FROM sponsor_views WHERE id = ?", view)
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no such view")
	}
	if err != nil {
		return wrap(err)
	}
	res, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE sponsor_views SET %s = 1 WHERE id = ? AND %s = 0", column, column), view)
	if err != nil {
		return wrap(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return wrap(err)
	}
	return count(ctx, tx, now, slot, 0, 0, seen, clicked)
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("sponsor: %w", err)
	}
	return nil
}
