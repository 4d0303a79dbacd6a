package account

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"kuai/fault"
	"kuai/platform/db"
)

// Invitation lets one person join an organisation once, without its secret.
type Invitation struct {
	ID         string    `json:"id"`
	Org        string    `json:"organisation"`
	Email      string    `json:"email"`
	Role       Role      `json:"role" enum:"owner,admin,member,viewer"`
	CreatedBy  string    `json:"created_by"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	AcceptedAt time.Time `json:"accepted_at,omitzero"`
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
}

const (
	inviteFor         = 7 * 24 * time.Hour
	maxInvitations    = 1000 // of an organisation that are open
	invitationColumns = "id, org, email, role, created_by, created_at, expires_at, accepted_at, revoked_at"
)

func scanInvitation(row db.Scanner) (Invitation, error) {
	var i Invitation
	var created, expires, accepted, revoked int64
	err := row.Scan(&i.ID, &i.Org, &i.Email, &i.Role, &i.CreatedBy, &created, &expires, &accepted, &revoked)
	i.CreatedAt, i.ExpiresAt, i.AcceptedAt, i.RevokedAt = db.Time(created), db.Time(expires), db.Time(accepted), db.Time(revoked)
	return i, err
}

// Invite makes an invitation for an e-mail address and returns its secret,
// which the caller sends there. Nobody invites into a role above their own.
func (s *Store) Invite(ctx context.Context, by Caller, org, email string, role Role) (Invitation, string, error) {
	email, err := normalEmail(email)
	if err != nil {
		return Invitation{}, "", err
	}
	if !role.Valid() {
		return Invitation{}, "", fault.Param("role", "role is %q, want owner, admin, member or viewer", role)
	}
	if mine := by.Principal.RoleIn(org); !mine.AtLeast(RoleAdmin) || !mine.AtLeast(role) {
		return Invitation{}, "", fault.New(fault.Forbidden, "your role does not allow that")
	}
	var i Invitation
	var secret string
	err = s.change(ctx, func(tx *db.Tx) error {
		id, again, err := s.once(ctx, tx, by, "inv", org, email, role)
		if err != nil {
			return err
		}
		if again {
			i, err = invitationByID(ctx, tx, org, id)
			return err
		}
		if _, err := orgByID(ctx, tx, org); err != nil {
			return err
		}
		now := db.Micros(s.now())
		if err := room(ctx, tx, maxInvitations, "open invitations",
			"SELECT COUNT(*) FROM invitations WHERE org = ? AND accepted_at = 0 AND revoked_at = 0 AND expires_at > ?", org, now); err != nil {
			return err
		}
		var hash string
		secret, hash, _ = newSecret(InvitationPrefix)
		if _, err := tx.ExecContext(ctx, "INSERT INTO invitations (id, org, email, role, hash, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			id, org, email, string(role), hash, by.Principal.Actor(), now, db.Micros(s.now().Add(inviteFor))); err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, org, "invitation.create", id, map[string]any{"email": email, "role": role}); err != nil {
			return err
		}
		i, err = invitationByID(ctx, tx, org, id)
		return err
	})
	return i, secret, err
}

func invitationByID(ctx context.Context, tx *db.Tx, org, id string) (Invitation, error) {
	return db.One(ctx, tx, scanInvitation, "SELECT "+invitationColumns+" FROM invitations WHERE id = ? AND org = ?", id, org)
}

// Invitations lists those of an organisation.
func (s *Store) Invitations(ctx context.Context, org string, page Page) (Listed[Invitation], error) {
	var all []Invitation
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		all, err = db.List(ctx, tx, scanInvitation, "SELECT "+invitationColumns+" FROM invitations WHERE org = ? AND id > ? ORDER BY id LIMIT ?", org, page.After, page.size())
		return err
	})
	return pageOf(all, page), err
}

// RevokeInvitation takes an invitation back that nobody has accepted.
func (s *Store) RevokeInvitation(ctx context.Context, by Caller, org, id string) error {
	return s.change(ctx, func(tx *db.Tx) error {
		if err := changed(tx.ExecContext(ctx, "UPDATE invitations SET revoked_at = ? WHERE id = ? AND org = ? AND accepted_at = 0 AND revoked_at = 0", db.Micros(s.now()), id, org)); err != nil {
			return err
		}
		return s.record(ctx, tx, by, org, "invitation.revoke", id, nil)
	})
}

// errInvitation is one answer for all that can be wrong with an invitation.
func errInvitation() *fault.Error {
	return fault.New(fault.NotFound, "this invitation does not count: it is unknown, was used, taken back, or is too old")
}

// openInvitation finds an invitation that still counts by its hash.
func (s *Store) openInvitation(ctx context.Context, tx *db.Tx, hash string) (Invitation, error) {
	i, err := db.One(ctx, tx, scanInvitation, "SELECT "+invitationColumns+` FROM invitations
		WHERE hash = ? AND accepted_at = 0 AND revoked_at = 0 AND expires_at > ?`, hash, db.Micros(s.now()))
	if errors.Is(err, sql.ErrNoRows) {
		return i, errInvitation()
	}
	return i, err
}

// Accept lets whom an invitation was sent to join: with a new password, or with
// the one that this person already has. It begins a session.
func (s *Store) Accept(ctx context.Context, from From, secret, name, password string) (Session, string, error) {
	if !wellFormed(secret, InvitationPrefix) {
		return Session{}, "", errInvitation()
	}
	var i Invitation
	if err := s.view(ctx, func(tx *db.Tx) (err error) {
		i, err = s.openInvitation(ctx, tx, hashSecret(secret))
		return err
	}); err != nil {
		return Session{}, "", err
	}
	user, known, status, err := s.passwordOf(ctx, i.Email)
	if err != nil {
		return Session{}, "", err
	}
	n := NewUser{Email: i.Email, Name: name, Password: password}
	hash := ""
	if user == "" {
		if password == "" {
			return Session{}, "", checkPassword(password)
		}
		hash, err = s.prepare(ctx, &n)
	} else {
		err = s.prove(ctx, known, status, password)
	}
	if err != nil {
		return Session{}, "", err
	}
	var session Session
	var token string
	err = s.change(ctx, func(tx *db.Tx) error {
		i, err := s.openInvitation(ctx, tx, hashSecret(secret)) // it may have been used since
		if err != nil {
			return err
		}
		id := user
		if id == "" {
			id = db.NewID("usr")
			by := Caller{Principal: Principal{User: id}, IP: from.IP}
			if _, err := s.insertUser(ctx, tx, by, id, n, hash); err != nil {
				return err
			}
		}
		if err := s.join(ctx, tx, from, i, id); err != nil {
			return err
		}
		session, token, err = s.insertSession(ctx, tx, from, id, "invitation")
		return err
	})
	return session, token, err
}

// prove checks the password of a person who is there already.
func (s *Store) prove(ctx context.Context, hash, status, password string) error {
	ok, err := s.samePassword(ctx, hash, password)
	if err != nil {
		return clientError(err)
	}
	if !ok || status != Active {
		return errLogin()
	}
	return nil
}

// passwordOf finds a person by address; no identifier says that there is none.
func (s *Store) passwordOf(ctx context.Context, email string) (user, hash, status string, err error) {
	err = s.view(ctx, func(tx *db.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT id, password, status FROM users WHERE email = ?", email).Scan(&user, &hash, &status)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return user, hash, status, err
}

// join uses an invitation up. A stronger role that the person has stays.
func (s *Store) join(ctx context.Context, tx *db.Tx, from From, i Invitation, user string) error {
	if _, err := orgByID(ctx, tx, i.Org); err != nil {
		return err
	}
	if err := changed(tx.ExecContext(ctx, "UPDATE invitations SET accepted_at = ? WHERE id = ? AND accepted_at = 0", db.Micros(s.now()), i.ID)); err != nil {
		return err
	}
	by := Caller{Principal: Principal{User: user}, IP: from.IP}
	if err := s.record(ctx, tx, by, i.Org, "invitation.accept", i.ID, nil); err != nil {
		return err
	}
	old, err := roleOf(ctx, tx, i.Org, user)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if old.AtLeast(i.Role) {
		return nil
	}
	return s.putRole(ctx, tx, by, i.Org, user, i.Role)
}
