package ledger

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/money"
	"kuai/platform/price"
)

// Limits of a request.
const (
	maxName = 200 // bytes of an identifier or a model
	maxKey  = 256 // bytes of an idempotency key
	// maxLife of a reservation: no job takes longer.
	maxLife = 60 * 24 * time.Hour
	// usualLife of one: no chat takes longer.
	usualLife = time.Hour
)

// Level is what a limit of spending is for.
type Level string

// Levels.
const (
	Org     Level = "org"
	Project Level = "project"
	User    Level = "user"
	Key     Level = "key"
)

// Period is the time that a limit of spending is for, in UTC.
type Period string

// Periods.
const (
	Day   Period = "day"
	Month Period = "month"
)

// Cap is a limit of spending: what is spent and held of the request's own key,
// user, project or organisation, together with the request, is at most Most.
type Cap struct {
	Level  Level
	Period Period
	Most   money.Amount
}

// Request is what work will cost at most, and who pays for it.
type Request struct {
	Org, Project, User, Key string // identifiers; only Org must be there
	Model                   string
	Job                     string // the job or the request
	// IdempotencyKey makes a second Reserve of the organisation return the
	// first one's reservation. "" is none.
	IdempotencyKey string
	Estimate       price.Usage
	Life           time.Duration // until it expires; 0 is an hour
	Caps           []Cap
}

// State of a reservation.
type State string

// States.
const (
	Open     State = "open"
	Settled  State = "settled"
	Released State = "released"
	Expired  State = "expired"
)

// Reservation is money set aside for work, and how that ended.
type Reservation struct {
	ID                      string
	Org, Project, User, Key string
	Model, Job              string
	IdempotencyKey          string
	Amount                  money.Amount // the most that is charged without overdraft
	State                   State
	Charged                 money.Amount
	Waived                  money.Amount // used beyond what may be charged
	Overdrawn               money.Amount // charged beyond Amount
	Reason                  string       // of a release
	CreatedAt               time.Time
	ExpiresAt               time.Time
	EndedAt                 time.Time // zero while open
	// Repeated says that an earlier call did it, and that this is its outcome.
	Repeated bool

	promo    money.Amount // the part of Amount that is held of promo
	snapshot string
	digest   string
}

// check refuses a request that cannot be.
func (r *Request) check() error {
	if r.Org == "" {
		return fault.Param("org", "who pays?")
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{
		{"org", r.Org, maxName},
		{"project", r.Project, maxName},
		{"user", r.User, maxName},
		{"key", r.Key, maxName},
		{"model", r.Model, maxName},
		{"job", r.Job, maxName},
		{"idempotency_key", r.IdempotencyKey, maxKey},
	} {
		if err := checkText(f.name, f.value, f.most); err != nil {
			return err
		}
	}
	if err := r.Estimate.Check(); err != nil {
		return fault.Wrap(err, fault.Invalid, "what it will use cannot be")
	}
	if r.Life < 0 || r.Life > maxLife {
		return fault.Param("life", "a reservation lives at most %v", maxLife)
	}
	for _, c := range r.Caps {
		if c.Most < 0 || (c.Period != Day && c.Period != Month) || r.subject(c.Level) == "" {
			return fault.New(fault.Internal, "a limit of spending for %s and %s cannot be", c.Level, c.Period)
		}
	}
	return nil
}

// checkText refuses text that a database would not keep as it is.
func checkText(name, s string, most int) error {
	if len(s) > most {
		return fault.Param(name, "%s has %d bytes, at most %d", name, len(s), most)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fault.Param(name, "%s has characters that cannot be read", name)
	}
	return nil
}

// subject is the identifier at a level.
func (r *Request) subject(l Level) string {
	switch l {
	case Org:
		return r.Org
	case Project:
		return r.Project
	case User:
		return r.User
	case Key:
		return r.Key
	}
	return ""
}

// owner names a row of what was spent.
func owner(l Level, subject string) string { return string(l) + ":" + subject }

// owners are whose spending a reservation counts to.
func (r *Reservation) owners() []string {
	all := []string{owner(Org, r.Org)}
	for _, o := range []struct {
		level   Level
		subject string
	}{{Project, r.Project}, {User, r.User}, {Key, r.Key}} {
		if o.subject != "" {
			all = append(all, owner(o.level, o.subject))
		}
	}
	return all
}

var idText = base32.HexEncoding.WithPadding(base32.NoPadding)

// id is the reservation's identifier. With an idempotency key it is the key's
// own, so that there can be one only.
func (r *Request) id() string {
	if r.IdempotencyKey == "" {
		return db.NewID("rsv")
	}
	sum := sha256.Sum256([]byte(r.Org + "\x00" + r.IdempotencyKey))
	return "rsv_k" + strings.ToLower(idText.EncodeToString(sum[:16]))
}

// sum tells whether two requests with one idempotency key are the same.
func (r *Request) sum() string {
	if r.IdempotencyKey == "" {
		return ""
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q", r.Project, r.Model) // a hash takes everything
	for _, d := range price.Dimensions {
		_, _ = fmt.Fprintf(h, " %d", r.Estimate[d])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
