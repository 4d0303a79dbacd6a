package account

import (
	"context"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"kuai/fault"
	"kuai/platform/db"
)

// Session is a person's browser that is logged in, without its secret.
type Session struct {
	ID        string    `json:"id"`
	User      string    `json:"user"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	IP        string    `json:"ip"`
	Agent     string    `json:"agent"`
}

// From is where a login comes from.
type From struct {
	IP    netip.Addr
	Agent string // what the browser says it is
}

const (
	sessionFor  = 14 * 24 * time.Hour
	maxSessions = 50  // of a person; the oldest ends for a new one
	maxAgent    = 200 // bytes that are kept
)

// errLogin is one answer for an unknown address, a wrong password and a person
// who was disabled.
func errLogin() *fault.Error {
	return fault.New(fault.Unauthenticated, "this e-mail address and password do not belong together")
}

// Login begins a session of a person with a password, and returns its secret.
func (s *Store) Login(ctx context.Context, from From, email, password string) (Session, string, error) {
	email, err := normalEmail(email)
	if err != nil {
		email = "" // nobody's; it still takes its time
	}
	user, hash, status, err := s.passwordOf(ctx, email)
	if err != nil {
		return Session{}, "", err
	}
	if err := s.prove(ctx, hash, status, password); err != nil {
		return Session{}, "", err
	}
	return s.begin(ctx, from, user, "password")
}

// begin makes a session of a user.
func (s *Store) begin(ctx context.Context, from From, user, how string) (session Session, secret string, err error) {
	err = s.change(ctx, func(tx *db.Tx) error {
		session, secret, err = s.insertSession(ctx, tx, from, user, how)
		return err
	})
	return session, secret, err
}

func (s *Store) insertSession(ctx context.Context, tx *db.Tx, from From, user, how string) (Session, string, error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	secret, hash, _ := newSecret(SessionPrefix)
	n := Session{ID: db.NewID("ses"), User: user, CreatedAt: now, ExpiresAt: now.Add(sessionFor), Agent: agentText(from.Agent)}
	if from.IP.IsValid() {
		n.IP = from.IP.String()
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE user_id = ? AND (expires_at < ? OR revoked_at > 0)", user, db.Micros(now)); err != nil {
		return n, "", err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE user_id = ? AND id NOT IN
		(SELECT id FROM sessions WHERE user_id = ? ORDER BY id DESC LIMIT ?)`, user, user, maxSessions-1); err != nil {
		return n, "", err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO sessions (id, user_id, hash, created_at, expires_at, ip, agent) VALUES (?, ?, ?, ?, ?, ?, ?)",
		n.ID, user, hash, db.Micros(n.CreatedAt), db.Micros(n.ExpiresAt), n.IP, n.Agent); err != nil {
		return n, "", err
	}
	by := Caller{Principal: Principal{User: user}, IP: from.IP}
	return n, secret, s.record(ctx, tx, by, "", "session.begin", n.ID, map[string]string{"by": how})
}

// agentText is the part of a browser's name that can be kept.
func agentText(agent string) string {
	agent = strings.ToValidUTF8(agent, "")
	for len(agent) > maxAgent {
		_, size := utf8.DecodeLastRuneInString(agent)
		agent = agent[:len(agent)-size]
	}
	return strings.ReplaceAll(agent, "\x00", "")
}

// Sessions lists a person's.
func (s *Store) Sessions(ctx context.Context, user string) ([]Session, error) {
	var all []Session
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		all, err = db.List(ctx, tx, func(row db.Scanner) (n Session, err error) {
			var created, expires int64
			err = row.Scan(&n.ID, &n.User, &created, &expires, &n.IP, &n.Agent)
			n.CreatedAt, n.ExpiresAt = db.Time(created), db.Time(expires)
			return n, err
		}, "SELECT id, user_id, created_at, expires_at, ip, agent FROM sessions WHERE user_id = ? AND revoked_at = 0 AND expires_at > ? ORDER BY id DESC LIMIT ?",
			user, db.Micros(s.now()), maxSessions)
		return err
	})
	return all, err
}

// Logout ends one session of a person.
func (s *Store) Logout(ctx context.Context, by Caller, id string) error {
	return s.endSessions(ctx, by, by.Principal.User, " AND id = ?", id)
}

// LogoutAll ends all sessions of a person.
func (s *Store) LogoutAll(ctx context.Context, by Caller, user string) error {
	return s.endSessions(ctx, by, user, "")
}

func (s *Store) endSessions(ctx context.Context, by Caller, user, where string, args ...any) error {
	return s.change(ctx, func(tx *db.Tx) error {
		query := "UPDATE sessions SET revoked_at = ? WHERE user_id = ? AND revoked_at = 0" + where
		if _, err := tx.ExecContext(ctx, query, append([]any{db.Micros(s.now()), user}, args...)...); err != nil {
			return err
		}
		tx.OnCommit(s.cache.clear)
		return s.record(ctx, tx, by, "", "session.end", user, nil)
	})
}

// SetPassword changes a person's password and ends all of their sessions. The
// old password must be right, unless an operator sets it for somebody else.
func (s *Store) SetPassword(ctx context.Context, by Caller, user, old, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	var known string
	if err := s.view(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT password FROM users WHERE id = ?", user).Scan(&known)
	}); err != nil {
		return err
	}
	if !by.Principal.Admin || by.Principal.User == user {
		ok, err := s.samePassword(ctx, known, old)
		if err != nil {
			return clientError(err)
		}
		if !ok {
			return fault.Param("old_password", "the old password is wrong")
		}
	}
	hash, err := s.hashPassword(ctx, password)
	if err != nil {
		return err
	}
	return s.change(ctx, func(tx *db.Tx) error {
		// Only over the password that was checked: another may have come since.
		if err := changed(tx.ExecContext(ctx, "UPDATE users SET password = ? WHERE id = ? AND password = ?", hash, user, known)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE sessions SET revoked_at = ? WHERE user_id = ? AND revoked_at = 0", db.Micros(s.now()), user); err != nil {
			return err
		}
		tx.OnCommit(s.cache.clear)
		return s.record(ctx, tx, by, "", "user.password", user, nil)
	})
}
