// Package account knows who may do what: organisations with their projects,
// people with their roles, keys of programs, sessions of browsers.
//
// A secret is 32 random bytes behind a prefix that tells its kind (sk-kuai- a
// key, ss-kuai- a session, in-kuai- an invitation). It is shown once and kept
// as its SHA-256, which suffices for a secret that nobody can guess; passwords
// are kept as argon2id. Every change stands in the audit log of the same
// transaction.
package account

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kuai/fault"
	"kuai/platform/audit"
	"kuai/platform/db"
)

// Options of a store. The zero value is what a server uses.
type Options struct {
	Now      func() time.Time // the clock; time.Now if nil
	CacheFor time.Duration    // how long an answer of Authenticate holds; 5 s if 0
	Hash     HashCost         // what a password's hash costs; OWASP's advice if zero
}

// Store keeps accounts in the database. Goroutines may share it.
type Store struct {
	db    *db.DB
	now   func() time.Time
	cache *cache
	cost  HashCost
	slots chan struct{} // passwords that are hashed at the same time
}

const defaultCacheFor = 5 * time.Second

// New makes a store.
func New(d *db.DB, o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CacheFor == 0 {
		o.CacheFor = defaultCacheFor
	}
	if o.Hash == (HashCost{}) {
		o.Hash = defaultCost
	}
	return &Store{db: d, now: o.Now, cache: newCache(o.CacheFor), cost: o.Hash, slots: make(chan struct{}, maxHashing)}
}

// Caller is on whose behalf something changes.
type Caller struct {
	Principal Principal
	IP        netip.Addr
	Once      string // idempotency key of a creation; "" for none
}

// Operator is who runs the installation, at its command line.
var Operator = Caller{Principal: Principal{User: "operator", Admin: true, Accounts: Write}}

// record writes a change into the audit log.
func (s *Store) record(ctx context.Context, tx *db.Tx, by Caller, org, action, object string, detail any) error {
	ip := ""
	if by.IP.IsValid() {
		ip = by.IP.String()
	}
	return audit.Append(ctx, tx, s.now(), audit.Entry{Org: org, Actor: by.Principal.Actor(), Action: action, Object: object, IP: ip, Detail: detail})
}

// change runs a write transaction whose error is for clients.
func (s *Store) change(ctx context.Context, f func(tx *db.Tx) error) error {
	return clientError(s.db.Tx(ctx, f))
}

// view runs a read whose error is for clients.
func (s *Store) view(ctx context.Context, f func(tx *db.Tx) error) error {
	return clientError(s.db.Read(ctx, f))
}

// retryAfter is when to try again what the database could not do.
const retryAfter = 2 * time.Second

// clientError is an error as a client may see it.
func clientError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	if errors.Is(err, sql.ErrNoRows) {
		return notFound()
	}
	return fault.From(err)
}

// notFound is the one answer for what is not there and for what is others'.
func notFound() *fault.Error {
	return fault.New(fault.NotFound, "there is nothing with this id that you may see")
}

// maxName bounds names in characters, maxID identifiers in bytes.
const (
	maxName = 100
	maxID   = 64
)

// checkName trims a name and refuses what could not be shown in a line.
func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > maxName || !utf8.ValidString(name) {
		return "", fault.Param("name", "name must have 1 to %d characters", maxName)
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return "", fault.Param("name", "name must be one line of text")
	}
	return name, nil
}

// Page is where a list begins and how much of it is wanted.
type Page struct {
	After string // the last identifier of the page before; "" for the first
	Limit int    // 1 to MaxPage; 0 for DefaultPage
}

// Sizes of pages.
const (
	DefaultPage = 50
	MaxPage     = 200
)

// size is one more than the page, which tells whether more follows.
func (p Page) size() int {
	if p.Limit <= 0 {
		return DefaultPage + 1
	}
	return min(p.Limit, MaxPage) + 1
}

// Listed is a page of a list.
type Listed[T any] struct {
	Data []T  `json:"data"`
	More bool `json:"has_more"`
}

// pageOf cuts the row too many.
func pageOf[T any](all []T, p Page) Listed[T] {
	if n := p.size() - 1; len(all) > n {
		return Listed[T]{all[:n], true}
	}
	if all == nil {
		all = []T{}
	}
	return Listed[T]{all, false}
}
