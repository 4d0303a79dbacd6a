package account

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/db"
)

// Key is what a program authenticates with, without its secret.
type Key struct {
	ID        string         `json:"id"`
	Org       string         `json:"organisation"`
	Project   string         `json:"project"`
	User      string         `json:"user,omitempty" doc:"whose key it is; none for a service's"`
	Name      string         `json:"name"`
	Hint      string         `json:"hint" doc:"the secret's first characters"`
	Scopes    []string       `json:"scopes" doc:"what it may use; none listed: everything but accounts"`
	Models    []string       `json:"models" doc:"which models it may use; none listed: all"`
	Networks  []netip.Prefix `json:"networks" doc:"from where it counts, as CIDR; none listed: everywhere"`
	Operator  bool           `json:"operator,omitempty" doc:"runs the installation"`
	CreatedBy string         `json:"created_by"`
	CreatedAt time.Time      `json:"created_at"`
	ExpiresAt time.Time      `json:"expires_at,omitzero"`
	RevokedAt time.Time      `json:"revoked_at,omitzero"`
	UsedAt    time.Time      `json:"used_at,omitzero" doc:"to half a minute"`
	OldUntil  time.Time      `json:"old_until,omitzero" doc:"how long the secret before the last rotation counts"`
}

// NewKey is what a key is to be.
type NewKey struct {
	Project   string
	User      string // whose; "" for a service's
	Name      string
	Scopes    []string
	Models    []string
	Networks  []string // CIDR or single addresses
	ExpiresAt time.Time
	Operator  bool
}

const (
	maxKeys     = 10_000 // of an organisation that are not revoked
	maxEntries  = 100    // of a key's lists
	maxModel    = 200    // bytes of a model's name
	maxGrace    = 30 * 24 * time.Hour
	maxUserKeys = 100 // of one person in one organisation
)

const keyColumns = "id, org, project, user_id, name, hint, scopes, models, networks, operator, created_by, created_at, expires_at, revoked_at, used_at, old_until"

func scanKey(row db.Scanner) (Key, error) {
	var k Key
	var scopes, models, networks string
	var operator, created, expires, revoked, used, old int64
	if err := row.Scan(&k.ID, &k.Org, &k.Project, &k.User, &k.Name, &k.Hint, &scopes, &models, &networks, &operator, &k.CreatedBy, &created, &expires, &revoked, &used, &old); err != nil {
		return k, err
	}
	k.Operator = operator != 0
	k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.UsedAt, k.OldUntil = db.Time(created), db.Time(expires), db.Time(revoked), db.Time(used), db.Time(old)
	if err := json.Unmarshal([]byte(scopes), &k.Scopes); err != nil {
		return k, err
	}
	if err := json.Unmarshal([]byte(models), &k.Models); err != nil {
		return k, err
	}
	return k, json.Unmarshal([]byte(networks), &k.Networks)
}

// normal checks what a key is to be and brings it into one form.
func (n *NewKey) normal(now time.Time) ([]netip.Prefix, error) {
	name, err := checkName(n.Name)
	if err != nil {
		return nil, err
	}
	n.Name = name
	if len(n.Scopes) > maxEntries || len(n.Models) > maxEntries || len(n.Networks) > maxEntries {
		return nil, fault.New(fault.Invalid, "a list of a key has at most %d entries", maxEntries)
	}
	n.Scopes, n.Models = sorted(n.Scopes), sorted(n.Models)
	for _, s := range n.Scopes {
		if !slices.Contains(Scopes(), s) {
			return nil, fault.Param("scopes", "scope %q is none of %s", s, strings.Join(Scopes(), " "))
		}
	}
	for _, m := range n.Models {
		if m == "" || len(m) > maxModel {
			return nil, fault.Param("models", "a model's name has 1 to %d bytes", maxModel)
		}
	}
	if !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(now) {
		return nil, fault.Param("expires_at", "expires_at lies in the past")
	}
	networks := make([]netip.Prefix, len(n.Networks))
	for i, text := range n.Networks {
		if networks[i], err = ParseNetwork(text); err != nil {
			return nil, fault.Param("networks", "%q is no address and no CIDR such as 192.0.2.0/24", text)
		}
	}
	return networks, nil
}

// ParseNetwork reads CIDR or a single address.
func ParseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return p, fault.Param("networks", "no network")
	}
	return p.Masked(), nil
}

// sorted is a list in order, each entry once; never nil.
func sorted(list []string) []string {
	list = append([]string{}, list...)
	slices.Sort(list)
	return slices.Compact(list)
}

// within refuses a key that may do more than the one that makes it.
func (n *NewKey) within(p Principal, networks []netip.Prefix) error {
	if n.Operator && !p.Admin {
		return fault.New(fault.Forbidden, "only an operator makes keys of operators")
	}
	if p.Key == "" || p.Admin {
		return nil
	}
	use, accounts := access(n.Scopes)
	more := accounts > p.Accounts || (p.Scopes != nil && (use == nil || !subset(use, p.Scopes)))
	more = more || (p.Models != nil && (len(n.Models) == 0 || !subset(n.Models, p.Models)))
	more = more || (!p.Expires.IsZero() && (n.ExpiresAt.IsZero() || n.ExpiresAt.After(p.Expires)))
	if p.Networks != nil {
		more = more || len(networks) == 0
		for _, inner := range networks {
			more = more || !slices.ContainsFunc(p.Networks, func(outer netip.Prefix) bool {
				return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
			})
		}
	}
	if more {
		return fault.New(fault.Forbidden, "a key cannot make a key that may do more than itself, in scopes, models, networks or time")
	}
	return nil
}

func subset(inner, outer []string) bool {
	for _, s := range inner {
		if !slices.Contains(outer, s) {
			return false
		}
	}
	return true
}

// CreateKey makes a key and returns its secret, which is not kept. Members
// make keys for themselves, administrators for anyone and for services. When
// the same creation is repeated under its idempotency key, the key comes back
// without its secret.
func (s *Store) CreateKey(ctx context.Context, by Caller, org string, n NewKey) (Key, string, error) {
	networks, err := n.normal(s.now())
	if err != nil {
		return Key{}, "", err
	}
	if err := n.within(by.Principal, networks); err != nil {
		return Key{}, "", err
	}
	if slices.Contains(n.Scopes, ScopeUrgent) && !by.Principal.Admin {
		return Key{}, "", fault.Param("scopes", "only operators give the scope %s", ScopeUrgent)
	}
	if n.User != by.Principal.User || n.User == "" {
		if !by.Principal.RoleIn(org).AtLeast(RoleAdmin) {
			return Key{}, "", fault.Param("user", "members make keys for themselves alone")
		}
	}
	var k Key
	var secret string
	err = s.change(ctx, func(tx *db.Tx) error {
		id, again, err := s.once(ctx, tx, by, "key", org, n)
		if err != nil {
			return err
		}
		if again {
			k, err = keyByID(ctx, tx, org, id)
			return err
		}
		k, secret, err = s.insertKey(ctx, tx, by, org, id, n, networks)
		return err
	})
	return k, secret, err
}

// insertKey adds a key to a project that is there, for a member if for anyone.
func (s *Store) insertKey(ctx context.Context, tx *db.Tx, by Caller, org, id string, n NewKey, networks []netip.Prefix) (Key, string, error) {
	if _, err := projectByID(ctx, tx, org, n.Project); err != nil {
		return Key{}, "", err
	}
	if n.User != "" {
		if _, err := roleOf(ctx, tx, org, n.User); err != nil {
			return Key{}, "", err
		}
		if err := room(ctx, tx, maxUserKeys, "keys of this person", "SELECT COUNT(*) FROM api_keys WHERE org = ? AND user_id = ? AND revoked_at = 0", org, n.User); err != nil {
			return Key{}, "", err
		}
	}
	if err := room(ctx, tx, maxKeys, "keys", "SELECT COUNT(*) FROM api_keys WHERE org = ? AND revoked_at = 0", org); err != nil {
		return Key{}, "", err
	}
	secret, hash, hint := newSecret(KeyPrefix)
	scopes, models, nets, err := lists(n.Scopes, n.Models, networks)
	if err != nil {
		return Key{}, "", err
	}
	operator := 0
	if n.Operator {
		operator = 1
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO api_keys (id, org, project, user_id, name, hint, hash, scopes, models, networks, operator, created_by, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, org, n.Project, n.User, n.Name, hint, hash, scopes, models, nets, operator, by.Principal.Actor(), db.Micros(s.now()), db.Micros(n.ExpiresAt)); err != nil {
		return Key{}, "", err
	}
	if err := s.record(ctx, tx, by, org, "key.create", id, map[string]any{"name": n.Name, "project": n.Project, "user": n.User, "hint": hint, "scopes": n.Scopes, "models": n.Models, "networks": networks}); err != nil {
		return Key{}, "", err
	}
	k, err := keyByID(ctx, tx, org, id)
	return k, secret, err
}

// lists are the lists of a key as columns keep them, never null.
func lists(scopes, models []string, networks []netip.Prefix) (s, m, n string, err error) {
	out := make([]string, 3)
	for i, v := range []any{append([]string{}, scopes...), append([]string{}, models...), append([]netip.Prefix{}, networks...)} {
		b, err := json.Marshal(v)
		if err != nil {
			return "", "", "", err
		}
		out[i] = string(b)
	}
	return out[0], out[1], out[2], nil
}

func keyByID(ctx context.Context, tx *db.Tx, org, id string) (Key, error) {
	return db.One(ctx, tx, scanKey, "SELECT "+keyColumns+" FROM api_keys WHERE id = ? AND org = ?", id, org)
}

// Keys lists those of an organisation: all, or only one person's.
func (s *Store) Keys(ctx context.Context, org, user string, page Page) (Listed[Key], error) {
	query, args := "SELECT "+keyColumns+" FROM api_keys WHERE org = ? AND id > ?", []any{org, page.After}
	if user != "" {
		query, args = query+" AND user_id = ?", append(args, user)
	}
	var all []Key
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		all, err = db.List(ctx, tx, scanKey, query+" ORDER BY id LIMIT ?", append(args, page.size())...)
		return err
	})
	return pageOf(all, page), err
}

// Key returns one that the caller may see: administrators all, others theirs.
func (s *Store) Key(ctx context.Context, by Caller, org, id string) (Key, error) {
	var k Key
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		k, err = s.ownKey(ctx, tx, by, org, id)
		return err
	})
	return k, err
}

// FindKey returns a key of whatever organisation, for operators.
func (s *Store) FindKey(ctx context.Context, id string) (Key, error) {
	var k Key
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		k, err = db.One(ctx, tx, scanKey, "SELECT "+keyColumns+" FROM api_keys WHERE id = ?", id)
		return err
	})
	return k, err
}

func (s *Store) ownKey(ctx context.Context, tx *db.Tx, by Caller, org, id string) (Key, error) {
	k, err := keyByID(ctx, tx, org, id)
	if err != nil {
		return k, err
	}
	if !by.Principal.RoleIn(org).AtLeast(RoleAdmin) && (k.User == "" || k.User != by.Principal.User) {
		return Key{}, notFound()
	}
	return k, nil
}

// RevokeKey ends a key at once. Doing it again changes nothing.
func (s *Store) RevokeKey(ctx context.Context, by Caller, org, id string) (Key, error) {
	var k Key
	err := s.change(ctx, func(tx *db.Tx) (err error) {
		if k, err = s.ownKey(ctx, tx, by, org, id); err != nil || !k.RevokedAt.IsZero() {
			return err
		}
		if k.Operator && !by.Principal.Admin {
			return fault.New(fault.Forbidden, "only an operator revokes keys of operators")
		}
		if _, err := tx.ExecContext(ctx, "UPDATE api_keys SET revoked_at = ?, old_until = 0 WHERE id = ?", db.Micros(s.now()), id); err != nil {
			return err
		}
		tx.OnCommit(s.cache.clear)
		if err := s.record(ctx, tx, by, org, "key.revoke", id, nil); err != nil {
			return err
		}
		k, err = keyByID(ctx, tx, org, id)
		return err
	})
	return k, err
}

// RotateKey gives a key a new secret. The old one counts until the grace
// period is over; that of an earlier rotation ends now.
func (s *Store) RotateKey(ctx context.Context, by Caller, org, id string, grace time.Duration) (Key, string, error) {
	if grace < 0 || grace > maxGrace {
		return Key{}, "", fault.Param("grace_seconds", "the grace period is at most %d days", int(maxGrace/(24*time.Hour)))
	}
	var k Key
	var secret string
	err := s.change(ctx, func(tx *db.Tx) (err error) {
		if k, err = s.ownKey(ctx, tx, by, org, id); err != nil {
			return err
		}
		if !k.RevokedAt.IsZero() {
			return fault.New(fault.Conflict, "the key was revoked")
		}
		if by.Principal.Key != "" && by.Principal.Key != id {
			n := NewKey{Scopes: k.Scopes, Models: k.Models, ExpiresAt: k.ExpiresAt, Operator: k.Operator}
			if err := n.within(by.Principal, k.Networks); err != nil {
				return err
			}
		} else if k.Operator && !by.Principal.Admin {
			return fault.New(fault.Forbidden, "only an operator rotates keys of operators")
		}
		var hash, hint string
		secret, hash, hint = newSecret(KeyPrefix)
		if _, err := tx.ExecContext(ctx, "UPDATE api_keys SET old_hash = hash, old_until = ?, hash = ?, hint = ? WHERE id = ?", db.Micros(s.now().Add(grace)), hash, hint, id); err != nil {
			return err
		}
		tx.OnCommit(s.cache.clear)
		if err := s.record(ctx, tx, by, org, "key.rotate", id, map[string]any{"hint": hint, "grace_seconds": int(grace.Seconds())}); err != nil {
			return err
		}
		k, err = keyByID(ctx, tx, org, id)
		return err
	})
	return k, secret, err
}
