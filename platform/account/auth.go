package account

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"kuai/fault"
	"kuai/platform/db"
)

// errSecret is one answer for a secret that is unknown, revoked, expired, of
// somebody suspended, or used from elsewhere.
func errSecret() *fault.Error {
	return fault.New(fault.Unauthenticated, "the API key or session is not valid")
}

// Authenticate says who a secret stands for: a key's or a session's. What it
// found holds for some seconds in memory, until something changes here. The
// error is Unauthenticated whatever is wrong, or Overloaded while the database
// is away.
func (s *Store) Authenticate(ctx context.Context, secret string, ip netip.Addr) (Principal, error) {
	isKey := wellFormed(secret, KeyPrefix)
	if !isKey && !wellFormed(secret, SessionPrefix) {
		return Principal{}, errSecret()
	}
	hash, now := hashSecret(secret), s.now()
	p, until, ok := s.cache.get(hash, now)
	if !ok {
		generation := s.cache.generation()
		err := s.view(ctx, func(tx *db.Tx) (err error) {
			if isKey {
				p, until, err = keyPrincipal(ctx, tx, hash, now)
			} else {
				p, until, err = sessionPrincipal(ctx, tx, hash, now)
			}
			return err
		})
		if e, isFault := errors.AsType[*fault.Error](err); isFault && e.Code == fault.NotFound {
			return Principal{}, errSecret()
		}
		if err != nil {
			return Principal{}, err
		}
		s.cache.put(hash, p, until, now, generation)
	}
	if !fromWithin(p.Networks, ip) {
		return Principal{}, errSecret()
	}
	if p.Key != "" {
		s.cache.used(p.Key, now)
	}
	return p, nil
}

// fromWithin says whether an address lies in one of the networks; none listed
// is everywhere.
func fromWithin(networks []netip.Prefix, ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return networks == nil || slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// secretRow is what a key's secret leads to.
type secretRow struct {
	key        Key
	hash, old  string
	orgStatus  string
	userStatus sql.NullString // NULL for a service's key
	role       sql.NullString // NULL for who has left
}

const keyQuery = `SELECT %s, k.hash, k.old_hash, o.status, u.status, m.role
	FROM api_keys k JOIN organisations o ON o.id = k.org JOIN projects p ON p.id = k.project
	LEFT JOIN users u ON u.id = k.user_id LEFT JOIN memberships m ON m.org = k.org AND m.user_id = k.user_id
	WHERE (k.hash = ? OR k.old_hash = ?) AND k.revoked_at = 0 AND o.deleted_at = 0 AND p.deleted_at = 0`

// keyPrincipal finds the key of a hash, and until when the answer can hold.
// sql.ErrNoRows says that there is none that counts.
func keyPrincipal(ctx context.Context, tx *db.Tx, hash string, now time.Time) (Principal, time.Time, error) {
	columns := "k." + strings.ReplaceAll(keyColumns, ", ", ", k.")
	r, err := db.One(ctx, tx, scanSecret, strings.Replace(keyQuery, "%s", columns, 1), hash, hash)
	if err != nil {
		return Principal{}, time.Time{}, err
	}
	k, until := r.key, r.key.ExpiresAt
	switch {
	case sameHash(r.hash, hash):
	case sameHash(r.old, hash) && now.Before(k.OldUntil):
		if until.IsZero() || k.OldUntil.Before(until) {
			until = k.OldUntil
		}
	default:
		return Principal{}, time.Time{}, sql.ErrNoRows
	}
	if r.orgStatus != Active || (!until.IsZero() && !now.Before(until)) {
		return Principal{}, time.Time{}, sql.ErrNoRows
	}
	role := RoleAdmin // of a service's key, which only administrators make
	if k.User != "" {
		role = Role(r.role.String)
		if r.userStatus.String != Active || !role.AtLeast(RoleMember) {
			return Principal{}, time.Time{}, sql.ErrNoRows
		}
	}
	use, accounts := access(k.Scopes)
	p := Principal{Org: k.Org, Project: k.Project, User: k.User, Key: k.ID, Scopes: use, Accounts: accounts, Roles: map[string]Role{k.Org: role}, Admin: k.Operator, Urgent: slices.Contains(k.Scopes, ScopeUrgent), Expires: k.ExpiresAt}
	if len(k.Models) > 0 {
		p.Models = k.Models
	}
	if len(k.Networks) > 0 {
		p.Networks = k.Networks
	}
	return p, until, nil
}

// scanSecret reads a key with what decides whether it counts.
func scanSecret(row db.Scanner) (secretRow, error) {
	var r secretRow
	k, err := scanKey(scannerFunc(func(dest ...any) error {
		return row.Scan(append(dest, &r.hash, &r.old, &r.orgStatus, &r.userStatus, &r.role)...)
	}))
	r.key = k
	return r, err
}

type scannerFunc func(dest ...any) error

func (f scannerFunc) Scan(dest ...any) error { return f(dest...) }

// sessionPrincipal finds the session of a hash. Its organisation and project
// are the person's first: what the studio makes belongs there.
func sessionPrincipal(ctx context.Context, tx *db.Tx, hash string, now time.Time) (Principal, time.Time, error) {
	var p Principal
	var known, status string
	var expires, operator int64
	if err := tx.QueryRowContext(ctx, `SELECT s.id, s.hash, s.expires_at, u.id, u.status, u.operator FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.hash = ? AND s.revoked_at = 0 AND s.expires_at > ?`, hash, db.Micros(now)).Scan(&p.Session, &known, &expires, &p.User, &status, &operator); err != nil {
		return p, time.Time{}, err
	}
	if !sameHash(known, hash) || status != Active {
		return p, time.Time{}, sql.ErrNoRows
	}
	p.Accounts, p.Admin, p.Roles, p.Expires = Write, operator != 0, map[string]Role{}, db.Time(expires)
	memberships, err := db.List(ctx, tx, func(row db.Scanner) (m [2]string, err error) {
		err = row.Scan(&m[0], &m[1])
		return m, err
	}, `SELECT m.org, m.role FROM memberships m JOIN organisations o ON o.id = m.org
		WHERE m.user_id = ? AND o.status = ? AND o.deleted_at = 0 ORDER BY m.created_at, m.org LIMIT ?`, p.User, Active, maxMemberships)
	if err != nil {
		return p, time.Time{}, err
	}
	for _, m := range memberships {
		p.Roles[m[0]] = Role(m[1])
	}
	if len(memberships) > 0 {
		p.Org = memberships[0][0]
		err = tx.QueryRowContext(ctx, "SELECT id FROM projects WHERE org = ? AND deleted_at = 0 ORDER BY id LIMIT 1", p.Org).Scan(&p.Project)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil // all projects were deleted: the person can look, and make one
		}
		if p.Roles[p.Org] == RoleViewer {
			p.Scopes = []string{}
		}
	}
	return p, p.Expires, err
}

// maxMemberships of one person are looked at.
const maxMemberships = 1000

// cache remembers answers of Authenticate and when keys were used.
type cache struct {
	mu      sync.Mutex
	holds   time.Duration
	entries map[string]cached // by hash
	uses    map[string]time.Time
	gen     uint64 // counts clears
}

type cached struct {
	p     Principal
	until time.Time
}

// maxCached bounds the memory of the cache to some megabytes.
const maxCached = 20_000

func newCache(holds time.Duration) *cache {
	return &cache{holds: holds, entries: map[string]cached{}, uses: map[string]time.Time{}}
}

func (c *cache) get(hash string, now time.Time) (Principal, time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[hash]
	if !ok || !now.Before(e.until) {
		return Principal{}, time.Time{}, false
	}
	return e.p, e.until, true
}

// generation is to be taken before the database is asked, for put.
func (c *cache) generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gen
}

// put keeps an answer, unless something has changed since it was asked for.
func (c *cache) put(hash string, p Principal, until, now time.Time, generation uint64) {
	end := now.Add(c.holds)
	if !until.IsZero() && until.Before(end) {
		end = until
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen != generation {
		return
	}
	if len(c.entries) >= maxCached {
		clear(c.entries)
	}
	c.entries[hash] = cached{p, end}
}

// clear forgets all answers: something has changed.
func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	clear(c.entries)
}

func (c *cache) used(key string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses[key] = now
}

// takeUses empties the list of used keys.
func (c *cache) takeUses() map[string]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	uses := c.uses
	c.uses = map[string]time.Time{}
	return uses
}
