package ledger

import (
	"fmt"
	"slices"
	"time"

	"kuai/fault"
	"kuai/platform/money"
	"kuai/platform/price"
)

// action is what an operation does to a reservation.
type action int

const (
	reserve action = iota
	settle
	release
	expire
	extend
)

// operation is one call of somebody, and its outcome.
type operation struct {
	action action
	id     string // of the reservation
	digest string // of the request to reserve

	request Request       // to reserve
	usage   price.Usage   // to settle
	life    time.Duration // to extend: from now
	reason  string        // to release
	result  Reservation   // the outcome
	bill    price.Bill    // of a settlement
	err     error         // of this operation alone: nothing of it happened
	prices  priceOf       // to reserve
}

// priceOf returns what a model costs in a currency.
type priceOf func(money.Currency) (*price.Snapshot, error)

// state is what the operations of one transaction know, and what they have
// decided. Deciding reads and writes nothing else.
type state struct {
	now          time.Time
	accounts     map[string]*account
	reservations map[string]*Reservation
	snapshots    map[string]*price.Snapshot
	used         map[string]*used // of the owners that have a limit of spending

	made     []*Reservation   // in this transaction
	ended    map[string]State // what they were before, of those that were there
	entries  []entry          // postings
	events   []event          // usage
	spend    map[ownerDay]tally
	touched  map[string]bool // accounts
	snapshot map[string]bool // that new reservations name
}

// used is what an owner has spent and holds, today and in this month.
type used struct{ day, month money.Amount }

type ownerDay struct {
	owner string
	day   int64
}

// tally is what is added to a row of spending.
type tally struct{ spent, held money.Amount }

// entry is the postings of one step of a reservation, or of a change.
type entry struct {
	id, kind, org string
	postings      []posting
}

// event is a line of a bill.
type event struct {
	reservation *Reservation
	line        price.Line
}

// waived is the dimension of the event that takes back what is not charged.
const waived price.Dimension = "waived"

// decide does one operation. An operation that fails has changed nothing.
func (s *state) decide(o *operation) {
	if o.action == reserve {
		o.err = s.reserve(o)
		return
	}
	r := s.reservations[o.id]
	if r == nil {
		o.err = fmt.Errorf("%w: %s", ErrNoReservation, o.id)
		return
	}
	switch o.action {
	case settle:
		o.err = s.settle(r, o)
	case release:
		o.err = s.giveBack(r, o, Released)
	case expire:
		if r.State == Open && r.ExpiresAt.After(s.now) {
			o.result = *r // it was extended meanwhile
			return
		}
		o.err = s.giveBack(r, o, Expired)
	case extend:
		o.err = s.extend(r, o)
	}
}

func (s *state) reserve(o *operation) error {
	q := &o.request
	if r := s.reservations[o.id]; r != nil {
		if r.digest != o.digest {
			return fault.New(fault.Conflict, "the idempotency key was used for another request")
		}
		o.result = *r
		o.result.Repeated = true
		return nil
	}
	a := s.accounts[q.Org]
	snapshot, err := o.prices(a.currency)
	if err != nil {
		return err
	}
	bill, err := snapshot.Bill(q.Estimate)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "what it will use cannot be paid")
	}
	if len(bill.Unpriced) > 0 {
		return fault.New(fault.Unsupported, "%s of model %q have no price in %s", bill.Unpriced[0], q.Model, a.currency)
	}
	if err := s.capped(q, bill.Total); err != nil {
		return err
	}
	after, postings, ofPromo, ok, err := a.hold(bill.Total)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NoBalance, "this needs %s %s, and %s are left", bill.Total, a.currency, a.available())
	}
	life := q.Life
	if life == 0 {
		life = usualLife
	}
	r := &Reservation{
		ID: o.id, Org: q.Org, Project: q.Project, User: q.User, Key: q.Key, Model: q.Model, Job: q.Job,
		IdempotencyKey: q.IdempotencyKey, Amount: bill.Total, State: Open, CreatedAt: s.now, ExpiresAt: s.now.Add(life),
		promo: ofPromo, snapshot: snapshot.ID, digest: o.digest,
	}
	if err := s.count(r, tally{held: r.Amount}, dayOf(s.now)); err != nil {
		return err
	}
	s.post(a, after, entry{r.ID, "reserve", r.Org, postings})
	s.reservations[r.ID] = r
	s.snapshots[snapshot.ID] = snapshot
	s.snapshot[snapshot.ID] = true
	s.made = append(s.made, r)
	o.result = *r
	return nil
}

// capped refuses what goes beyond a limit of spending.
func (s *state) capped(q *Request, amount money.Amount) error {
	for _, c := range q.Caps {
		u := s.used[owner(c.Level, q.subject(c.Level))]
		soFar, ends := u.day, s.now.Truncate(24*time.Hour).AddDate(0, 0, 1)
		if c.Period == Month {
			y, m, _ := s.now.Date()
			soFar, ends = u.month, time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
		}
		total, err := soFar.Add(amount)
		if err != nil {
			return err
		}
		if total > c.Most && amount > 0 {
			e := fault.New(fault.NoBalance, "the %s's limit of %s a %s: %s are spent or reserved, this needs %s", c.Level, c.Most, c.Period, soFar, amount)
			e.RetryAfter = ends.Sub(s.now)
			return e
		}
	}
	return nil
}

func (s *state) settle(r *Reservation, o *operation) error {
	if r.State == Settled || r.State == Released {
		o.result = *r
		o.result.Repeated = true
		return nil
	}
	bill, err := s.snapshots[r.snapshot].Bill(o.usage)
	if err != nil {
		return fmt.Errorf("ledger: settle %s: %w", r.ID, err)
	}
	a := s.accounts[r.Org]
	charged := s.charged(r, a, bill.Total)
	var after account
	var postings []posting
	kind := "settle"
	if r.State == Expired {
		kind = "late"
		after, postings, err = a.take(charged)
	} else {
		after, postings, err = a.charge(r.Amount, r.promo, charged)
	}
	if err != nil {
		return err
	}
	next := *r
	next.State, next.EndedAt, next.Reason = Settled, s.now, ""
	next.Charged, next.Waived, next.Overdrawn = charged, bill.Total-charged, max(0, charged-r.Amount)
	if err := s.end(r, next, tally{spent: charged}); err != nil {
		return err
	}
	s.post(a, after, entry{r.ID, kind, r.Org, postings})
	for _, l := range bill.Lines {
		s.events = append(s.events, event{r, l})
	}
	if w := r.Waived; w > 0 {
		s.events = append(s.events, event{r, price.Line{Dimension: waived, Quantity: 1, Price: -w, Per: 1, Amount: -w}})
	}
	o.result, o.bill = *r, bill
	return nil
}

// charged is how much of a bill may be charged: all of it where the
// organisation allows overdraft, else no more than was reserved, and when the
// reservation has expired no more than there is.
func (s *state) charged(r *Reservation, a *account, bill money.Amount) money.Amount {
	if a.overdraft {
		return bill
	}
	if r.State == Expired {
		return min(bill, r.Amount, a.available())
	}
	return min(bill, r.Amount)
}

// giveBack ends an open reservation without a charge.
func (s *state) giveBack(r *Reservation, o *operation, as State) error {
	if r.State != Open {
		o.result = *r
		o.result.Repeated = true
		return nil
	}
	a := s.accounts[r.Org]
	after, postings, err := a.unhold(r.Amount, r.promo)
	if err != nil {
		return err
	}
	next := *r
	next.State, next.EndedAt, next.Reason = as, s.now, o.reason
	if err := s.end(r, next, tally{}); err != nil {
		return err
	}
	kind := "release"
	if as == Expired {
		kind = "expire"
	}
	s.post(a, after, entry{r.ID, kind, r.Org, postings})
	o.result = *r
	return nil
}

func (s *state) extend(r *Reservation, o *operation) error {
	if r.State != Open {
		return fault.New(fault.Conflict, "reservation %s is %s", r.ID, r.State)
	}
	if o.life <= 0 || o.life > maxLife {
		return fault.Param("life", "a reservation lives at most %v", maxLife)
	}
	if until := s.now.Add(o.life); until.After(r.ExpiresAt) {
		s.change(r)
		r.ExpiresAt = until
	}
	o.result = *r
	return nil
}

// end changes a reservation into what it has become, and counts what that
// spends.
func (s *state) end(r *Reservation, next Reservation, t tally) error {
	held := money.Amount(0)
	if r.State == Open {
		held = -r.Amount
	}
	if err := s.count(r, t, dayOf(s.now)); err != nil {
		return err
	}
	if err := s.count(r, tally{held: held}, dayOf(r.CreatedAt)); err != nil {
		return err
	}
	s.change(r)
	*r = next
	return nil
}

// change remembers what a reservation was before, once.
func (s *state) change(r *Reservation) {
	if slices.Contains(s.made, r) {
		return // it will be written as it is at the end
	}
	if _, ok := s.ended[r.ID]; !ok {
		s.ended[r.ID] = r.State
	}
}

func (s *state) post(a *account, after account, e entry) {
	*a = after
	if len(e.postings) > 0 {
		s.touched[a.org] = true
		s.entries = append(s.entries, e)
	}
}

// count adds to what the owners of a reservation spend and hold on a day.
func (s *state) count(r *Reservation, t tally, day int64) error {
	if t == (tally{}) {
		return nil
	}
	for _, o := range r.owners() {
		k := ownerDay{o, day}
		sum := s.spend[k]
		var err error
		if sum.spent, err = sum.spent.Add(t.spent); err != nil {
			return err
		}
		if sum.held, err = sum.held.Add(t.held); err != nil {
			return err
		}
		s.spend[k] = sum
		if u := s.used[o]; u != nil {
			u.add(s.now, day, t.spent+t.held)
		}
	}
	return nil
}

// add counts what was spent or held on a day, if that is in this month.
func (u *used) add(now time.Time, day int64, n money.Amount) {
	if day == dayOf(now) {
		u.day += n
	}
	if day >= monthOf(now) && day <= dayOf(now) {
		u.month += n
	}
}
