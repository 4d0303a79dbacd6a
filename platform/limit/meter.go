package limit

import (
	"time"

	"kuai/internal/check"
)

// minuteMicros is the time in which an empty bucket fills, and the unit that a
// bucket counts in: one thing is 60 million of them, so that every microsecond
// adds a whole number.
const minuteMicros = 60_000_000

// meter counts one kind for one subject. Its methods are all that there is to
// deciding: functions of the meter, the rule's amount, the need and the time.
type meter struct {
	span  span
	level int64 // minute: what the bucket holds, negative while use runs ahead
	at    int64 // minute: when it held that, in microseconds
	start int64 // day, month: when it began
	used  int64 // day, month: what was used; held: what is under way
	fresh int64 // day, month: the part of used that the database does not have
}

// newMeter has everything left.
func newMeter(s span, amount int64, now time.Time) *meter {
	m := &meter{span: s, at: now.UnixMicro()}
	if s == minute {
		m.level = amount * minuteMicros
	}
	if s == day || s == month {
		m.start = s.start(now)
	}
	return m
}

// advance lets time pass. A clock that went back lends nothing and takes
// nothing away: a window stays, a bucket goes on from there.
func (m *meter) advance(amount int64, now time.Time) {
	switch m.span {
	case minute:
		t := now.UnixMicro()
		whole := amount * minuteMicros
		if passed := max(t-m.at, 0); amount > 0 && passed < (whole-m.level+amount-1)/amount {
			m.level += passed * amount
		} else if amount > 0 {
			m.level = whole
		}
		m.at = t
	case day, month:
		if s := m.span.start(now); s > m.start {
			m.start, m.used, m.fresh = s, 0, 0
		}
	case held:
	}
}

// left is how many units remain; below zero after use beyond an estimate.
func (m *meter) left(amount int64) int64 {
	if m.span == minute {
		if m.level < 0 {
			return (m.level - minuteMicros + 1) / minuteMicros
		}
		return m.level / minuteMicros
	}
	return amount - m.used
}

// full is how long it takes until everything is left again; for what is held
// nobody knows.
func (m *meter) full(amount int64, now time.Time) time.Duration {
	switch m.span {
	case minute:
		if amount == 0 {
			return time.Minute
		}
		return ceilMicros(amount*minuteMicros-m.level, amount)
	case day, month:
		return m.span.end(now).Sub(now)
	case held:
	}
	return 0
}

// slotWait is when to try again for a slot: nobody knows, so soon.
const slotWait = time.Second

// wait is how long until n fit, and whether they ever do.
func (m *meter) wait(amount, n int64, now time.Time) (time.Duration, bool) {
	if n > amount {
		return 0, false
	}
	switch m.span {
	case minute:
		return ceilMicros(n*minuteMicros-m.level, amount), true
	case held:
		return slotWait, true
	case day, month:
	}
	return m.span.end(now).Sub(now), true
}

// ceilMicros is the time in which a bucket of an amount fills by some units.
func ceilMicros(units, amount int64) time.Duration {
	if units <= 0 {
		return 0
	}
	return time.Duration((units+amount-1)/amount) * time.Microsecond
}

// fits says whether n more may be used. Nothing always fits.
func (m *meter) fits(amount, n int64) bool { return n <= 0 || n <= m.left(amount) }

// maxUse bounds what one request can be charged, far above any rule.
const maxUse = 2 * MaxAmount

// take uses n, or gives back where n is negative. More than is left can be
// taken: what has been used counts.
func (m *meter) take(amount, n int64) {
	switch m.span {
	case minute:
		m.level = min(m.level-min(max(n, -maxUse), maxUse)*minuteMicros, amount*minuteMicros)
		m.level = max(m.level, -maxUse*minuteMicros)
	case held:
		m.used += n
		check.True(m.used >= 0, "limit: %d slots are held", m.used)
	case day, month:
		n = max(n, -m.used) // another node's count can be less than what this one gives back
		m.used += n
		m.fresh += n
	}
}

// resize follows a rule that was changed: what was used stays used.
func (m *meter) resize(before, after int64) {
	if m.span == minute {
		m.level = max(m.level+(after-before)*minuteMicros, min(m.level, 0)) // a smaller rule makes no debt
	}
}

// idle says whether a new meter would do as well.
func (m *meter) idle(amount int64, now time.Time) bool {
	m.advance(amount, now)
	switch m.span {
	case minute:
		return m.level == amount*minuteMicros
	case day, month:
		return m.used == 0 && m.fresh == 0
	case held:
	}
	return m.used == 0
}
