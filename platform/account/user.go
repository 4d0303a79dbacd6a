package account

import (
	"context"
	"database/sql"
	"errors"
	"net/mail"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/db"
)

// User is a person. One may belong to several organisations.
type User struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Operator  bool      `json:"operator,omitempty" doc:"runs the installation"`
	Status    string    `json:"status" enum:"active,disabled"`
	CreatedAt time.Time `json:"created_at"`
}

// Member is a user in an organisation.
type Member struct {
	User
	Role Role `json:"role" enum:"owner,admin,member,viewer"`
}

const (
	userColumns = "id, email, name, operator, status, created_at"
	maxEmail    = 254 // bytes, as SMTP has it
	maxMembers  = 10_000
)

func scanUser(row db.Scanner) (User, error) {
	var u User
	var operator, created int64
	err := row.Scan(&u.ID, &u.Email, &u.Name, &operator, &u.Status, &created)
	u.Operator, u.CreatedAt = operator != 0, db.Time(created)
	return u, err
}

func scanMember(row db.Scanner) (Member, error) {
	var m Member
	var operator, created int64
	err := row.Scan(&m.ID, &m.Email, &m.Name, &operator, &m.Status, &created, &m.Role)
	m.Operator, m.CreatedAt = operator != 0, db.Time(created)
	return m, err
}

// normalEmail is an address in lower case, without a name around it.
func normalEmail(email string) (string, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > maxEmail {
		return "", fault.Param("email", "this is no e-mail address")
	}
	return email, nil
}

// NewUser is what a user is to be.
type NewUser struct {
	Email, Name string
	Password    string // "" for one who logs in elsewhere
	Operator    bool
}

// CreateUser makes a user. Others come by invitation.
func (s *Store) CreateUser(ctx context.Context, by Caller, n NewUser) (User, error) {
	var u User
	hash, err := s.prepare(ctx, &n)
	if err != nil {
		return u, err
	}
	err = s.change(ctx, func(tx *db.Tx) error {
		id, again, err := s.once(ctx, tx, by, "usr", n.Email, n.Name, n.Operator)
		if err != nil {
			return err
		}
		if again {
			u, err = userByID(ctx, tx, id)
			return err
		}
		u, err = s.insertUser(ctx, tx, by, id, n, hash)
		return err
	})
	return u, err
}

// prepare checks a user and hashes the password, which takes too long for a
// transaction.
func (s *Store) prepare(ctx context.Context, n *NewUser) (hash string, err error) {
	if n.Email, err = normalEmail(n.Email); err != nil {
		return "", err
	}
	if n.Name, err = checkName(n.Name); err != nil {
		return "", err
	}
	if n.Password == "" {
		return "", nil
	}
	if err := checkPassword(n.Password); err != nil {
		return "", err
	}
	return s.hashPassword(ctx, n.Password)
}

func (s *Store) insertUser(ctx context.Context, tx *db.Tx, by Caller, id string, n NewUser, hash string) (User, error) {
	var taken int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM users WHERE email = ?", n.Email).Scan(&taken); err != nil {
		return User{}, err
	}
	if taken > 0 {
		return User{}, fault.New(fault.Conflict, "there is a user with this e-mail address")
	}
	operator := 0
	if n.Operator {
		operator = 1
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO users (id, email, name, password, operator, status, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
		id, n.Email, n.Name, hash, operator, Active, db.Micros(s.now())); err != nil {
		return User{}, err
	}
	if err := s.record(ctx, tx, by, "", "user.create", id, map[string]any{"email": n.Email, "operator": n.Operator}); err != nil {
		return User{}, err
	}
	return userByID(ctx, tx, id)
}

func userByID(ctx context.Context, tx *db.Tx, id string) (User, error) {
	return db.One(ctx, tx, scanUser, "SELECT "+userColumns+" FROM users WHERE id = ?", id)
}

// User returns one, found by identifier or e-mail address.
func (s *Store) User(ctx context.Context, id string) (User, error) {
	column := "id"
	if strings.Contains(id, "@") {
		column, id = "email", strings.ToLower(id)
	}
	var u User
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		u, err = db.One(ctx, tx, scanUser, "SELECT "+userColumns+" FROM users WHERE "+column+" = ?", id)
		return err
	})
	return u, err
}

// Users lists all of the installation, for operators.
func (s *Store) Users(ctx context.Context, page Page) (Listed[User], error) {
	var all []User
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		all, err = db.List(ctx, tx, scanUser, "SELECT "+userColumns+" FROM users WHERE id > ? ORDER BY id LIMIT ?", page.After, page.size())
		return err
	})
	return pageOf(all, page), err
}

// DisableUser ends all sessions and keys of a person, or lets the person log
// in again; keys stay revoked.
func (s *Store) DisableUser(ctx context.Context, by Caller, id string, disabled bool) (User, error) {
	status := Active
	if disabled {
		status = Disabled
	}
	var u User
	err := s.change(ctx, func(tx *db.Tx) error {
		if err := changed(tx.ExecContext(ctx, "UPDATE users SET status = ? WHERE id = ?", status, id)); err != nil {
			return err
		}
		if disabled {
			now := db.Micros(s.now())
			if _, err := tx.ExecContext(ctx, "UPDATE api_keys SET revoked_at = ? WHERE user_id = ? AND revoked_at = 0", now, id); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "UPDATE sessions SET revoked_at = ? WHERE user_id = ? AND revoked_at = 0", now, id); err != nil {
				return err
			}
		}
		tx.OnCommit(s.cache.clear)
		if err := s.record(ctx, tx, by, "", "user.status", id, map[string]string{"to": status}); err != nil {
			return err
		}
		var err error
		u, err = userByID(ctx, tx, id)
		return err
	})
	return u, err
}

// roleOf is a user's role in an organisation, sql.ErrNoRows if none.
func roleOf(ctx context.Context, tx *db.Tx, org, user string) (role Role, err error) {
	err = tx.QueryRowContext(ctx, "SELECT role FROM memberships WHERE org = ? AND user_id = ?", org, user).Scan(&role)
	return role, err
}

// Members lists the people of an organisation.
func (s *Store) Members(ctx context.Context, org string, page Page) (Listed[Member], error) {
	var all []Member
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		all, err = db.List(ctx, tx, scanMember, `SELECT u.id, u.email, u.name, u.operator, u.status, u.created_at, m.role
			FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.org = ? AND u.id > ? ORDER BY u.id LIMIT ?`, org, page.After, page.size())
		return err
	})
	return pageOf(all, page), err
}

// SetRole makes a user a member with a role, or changes the role. Nobody gives
// or takes a role above their own, and the last owner stays one.
func (s *Store) SetRole(ctx context.Context, by Caller, org, user string, role Role) error {
	if !role.Valid() {
		return fault.Param("role", "role is %q, want owner, admin, member or viewer", role)
	}
	return s.change(ctx, func(tx *db.Tx) error {
		if _, err := orgByID(ctx, tx, org); err != nil {
			return err
		}
		old, err := roleOf(ctx, tx, org, user)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if old == "" && !by.Principal.Admin {
			return notFound() // others come by invitation
		}
		if err := mayChange(ctx, tx, by, org, old, role); err != nil {
			return err
		}
		return s.putRole(ctx, tx, by, org, user, role)
	})
}

func (s *Store) putRole(ctx context.Context, tx *db.Tx, by Caller, org, user string, role Role) error {
	if _, err := userByID(ctx, tx, user); err != nil {
		return err
	}
	if err := room(ctx, tx, maxMembers, "members", "SELECT COUNT(*) FROM memberships WHERE org = ? AND user_id <> ?", org, user); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO memberships (org, user_id, role, created_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (org, user_id) DO UPDATE SET role = excluded.role`, org, user, string(role), db.Micros(s.now())); err != nil {
		return err
	}
	tx.OnCommit(s.cache.clear)
	return s.record(ctx, tx, by, org, "member.role", user, map[string]any{"role": role})
}

// mayChange refuses to touch a role above the caller's, and to leave an
// organisation without an owner.
func mayChange(ctx context.Context, tx *db.Tx, by Caller, org string, old, role Role) error {
	mine := by.Principal.RoleIn(org)
	if !mine.AtLeast(RoleAdmin) || (old != "" && !mine.AtLeast(old)) || (role != "" && !mine.AtLeast(role)) {
		return fault.New(fault.Forbidden, "your role does not allow that")
	}
	if old != RoleOwner || role == RoleOwner {
		return nil
	}
	var owners int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM memberships WHERE org = ? AND role = ?", org, string(RoleOwner)).Scan(&owners); err != nil {
		return err
	}
	if owners < 2 {
		return fault.New(fault.Conflict, "an organisation keeps at least one owner; make another one first")
	}
	return nil
}

// RemoveMember takes a person and their keys out of an organisation. Everyone
// may leave by themselves.
func (s *Store) RemoveMember(ctx context.Context, by Caller, org, user string) error {
	return s.change(ctx, func(tx *db.Tx) error {
		old, err := roleOf(ctx, tx, org, user)
		if err != nil {
			return err
		}
		as := by
		if user == by.Principal.User && by.Principal.Key == "" {
			as.Principal.Admin = true // to leave needs no role, but a last owner stays
		}
		if err := mayChange(ctx, tx, as, org, old, ""); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM memberships WHERE org = ? AND user_id = ?", org, user); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE api_keys SET revoked_at = ? WHERE org = ? AND user_id = ? AND revoked_at = 0", db.Micros(s.now()), org, user); err != nil {
			return err
		}
		tx.OnCommit(s.cache.clear)
		return s.record(ctx, tx, by, org, "member.remove", user, nil)
	})
}
