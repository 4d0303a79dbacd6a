package account

import (
	"context"
	"time"

	"kuai/fault"
	"kuai/platform/db"
)

// Organisation is a customer: who pays, and whose people see each other.
type Organisation struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Status    string    `json:"status" enum:"active,suspended"`
	CreatedAt time.Time `json:"created_at"`
}

// Statuses of an organisation. A suspended one is there, but its keys are not.
const (
	Active    = "active"
	Suspended = "suspended"
	Disabled  = "disabled" // of a user
)

// Project is what keys and their work belong to, within an organisation.
type Project struct {
	ID        string    `json:"id"`
	Org       string    `json:"organisation"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

const (
	orgColumns     = "id, name, status, created_at"
	projectColumns = "id, org, name, created_at"
)

func scanOrg(row db.Scanner) (Organisation, error) {
	var o Organisation
	var created int64
	err := row.Scan(&o.ID, &o.Name, &o.Status, &created)
	o.CreatedAt = db.Time(created)
	return o, err
}

func scanProject(row db.Scanner) (Project, error) {
	var p Project
	var created int64
	err := row.Scan(&p.ID, &p.Org, &p.Name, &created)
	p.CreatedAt = db.Time(created)
	return p, err
}

// CreateOrganisation makes an organisation with a project named default.
func (s *Store) CreateOrganisation(ctx context.Context, by Caller, name string) (Organisation, error) {
	name, err := checkName(name)
	if err != nil {
		return Organisation{}, err
	}
	var o Organisation
	err = s.change(ctx, func(tx *db.Tx) error {
		id, again, err := s.once(ctx, tx, by, "org", name)
		if again || err != nil {
			if err == nil {
				o, err = orgByID(ctx, tx, id)
			}
			return err
		}
		o, _, err = s.insertOrg(ctx, tx, by, id, name)
		return err
	})
	return o, err
}

// insertOrg adds an organisation and its first project.
func (s *Store) insertOrg(ctx context.Context, tx *db.Tx, by Caller, id, name string) (Organisation, Project, error) {
	now := s.now()
	o := Organisation{ID: id, Name: name, Status: Active, CreatedAt: now.UTC().Truncate(time.Microsecond)}
	if _, err := tx.ExecContext(ctx, "INSERT INTO organisations (id, name, status, created_at) VALUES (?, ?, ?, ?)", o.ID, o.Name, o.Status, db.Micros(now)); err != nil {
		return o, Project{}, err
	}
	if err := s.record(ctx, tx, by, o.ID, "organisation.create", o.ID, map[string]string{"name": name}); err != nil {
		return o, Project{}, err
	}
	p, err := s.insertProject(ctx, tx, by, o.ID, db.NewID("prj"), "default")
	return o, p, err
}

func orgByID(ctx context.Context, tx *db.Tx, id string) (Organisation, error) {
	return db.One(ctx, tx, scanOrg, "SELECT "+orgColumns+" FROM organisations WHERE id = ? AND deleted_at = 0", id)
}

// Organisation returns one.
func (s *Store) Organisation(ctx context.Context, id string) (Organisation, error) {
	var o Organisation
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		o, err = orgByID(ctx, tx, id)
		return err
	})
	return o, err
}

// Organisations lists those that a principal may see.
func (s *Store) Organisations(ctx context.Context, p Principal, page Page) (Listed[Organisation], error) {
	query := "SELECT " + orgColumns + " FROM organisations WHERE deleted_at = 0 AND id > ?"
	args := []any{page.After}
	switch {
	case p.Admin:
	case p.Key != "":
		query, args = query+" AND id = ?", append(args, p.Org)
	default:
		query, args = query+" AND id IN (SELECT org FROM memberships WHERE user_id = ?)", append(args, p.User)
	}
	var all []Organisation
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		all, err = db.List(ctx, tx, scanOrg, query+" ORDER BY id LIMIT ?", append(args, page.size())...)
		return err
	})
	return pageOf(all, page), err
}

// RenameOrganisation gives it another name.
func (s *Store) RenameOrganisation(ctx context.Context, by Caller, org, name string) (Organisation, error) {
	name, err := checkName(name)
	if err != nil {
		return Organisation{}, err
	}
	return s.updateOrg(ctx, by, org, "organisation.rename", "name = ?", name)
}

// SuspendOrganisation stops its keys and sessions, or lets them count again.
func (s *Store) SuspendOrganisation(ctx context.Context, by Caller, org string, suspended bool) (Organisation, error) {
	status := Active
	if suspended {
		status = Suspended
	}
	return s.updateOrg(ctx, by, org, "organisation.status", "status = ?", status)
}

func (s *Store) updateOrg(ctx context.Context, by Caller, org, action, set, value string) (Organisation, error) {
	var o Organisation
	err := s.change(ctx, func(tx *db.Tx) error {
		if err := changed(tx.ExecContext(ctx, "UPDATE organisations SET "+set+" WHERE id = ? AND deleted_at = 0", value, org)); err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, org, action, org, map[string]string{"to": value}); err != nil {
			return err
		}
		tx.OnCommit(s.cache.clear)
		var err error
		o, err = orgByID(ctx, tx, org)
		return err
	})
	return o, err
}

// DeleteOrganisation ends an organisation and all of its keys. Its name and
// what it did stay in the books.
func (s *Store) DeleteOrganisation(ctx context.Context, by Caller, org string) error {
	return s.change(ctx, func(tx *db.Tx) error {
		if err := spareOperators(ctx, tx, by, "org", org); err != nil {
			return err
		}
		now := db.Micros(s.now())
		if err := changed(tx.ExecContext(ctx, "UPDATE organisations SET deleted_at = ? WHERE id = ? AND deleted_at = 0", now, org)); err != nil {
			return err
		}
		for _, q := range []string{
			"UPDATE api_keys SET revoked_at = ? WHERE org = ? AND revoked_at = 0",
			"UPDATE projects SET deleted_at = ? WHERE org = ? AND deleted_at = 0",
			"UPDATE invitations SET revoked_at = ? WHERE org = ? AND revoked_at = 0",
		} {
			if _, err := tx.ExecContext(ctx, q, now, org); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM memberships WHERE org = ?", org); err != nil {
			return err
		}
		tx.OnCommit(s.cache.clear)
		return s.record(ctx, tx, by, org, "organisation.delete", org, nil)
	})
}

// spareOperators refuses to end what an operator's key belongs to, unless an
// operator asks.
func spareOperators(ctx context.Context, tx *db.Tx, by Caller, column, id string) error {
	if by.Principal.Admin {
		return nil
	}
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM api_keys WHERE "+column+" = ? AND operator = 1 AND revoked_at = 0", id).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return fault.New(fault.Forbidden, "an operator's key belongs to it; only an operator ends it")
	}
	return nil
}

// maxProjects of an organisation, so that one cannot fill the disk.
const maxProjects = 1000

// CreateProject makes a project.
func (s *Store) CreateProject(ctx context.Context, by Caller, org, name string) (Project, error) {
	name, err := checkName(name)
	if err != nil {
		return Project{}, err
	}
	var p Project
	err = s.change(ctx, func(tx *db.Tx) error {
		id, again, err := s.once(ctx, tx, by, "prj", org, name)
		if err != nil {
			return err
		}
		if again {
			p, err = projectByID(ctx, tx, org, id)
			return err
		}
		if _, err := orgByID(ctx, tx, org); err != nil {
			return err
		}
		if err := room(ctx, tx, maxProjects, "projects", "SELECT COUNT(*) FROM projects WHERE org = ? AND deleted_at = 0", org); err != nil {
			return err
		}
		p, err = s.insertProject(ctx, tx, by, org, id, name)
		return err
	})
	return p, err
}

// room says whether an organisation may have one more of something.
func room(ctx context.Context, tx *db.Tx, most int, what, count string, args ...any) error {
	var n int
	if err := tx.QueryRowContext(ctx, count, args...).Scan(&n); err != nil {
		return err
	}
	if n >= most {
		return fault.New(fault.Conflict, "there are %d %s already, the most that there can be", n, what)
	}
	return nil
}

func (s *Store) insertProject(ctx context.Context, tx *db.Tx, by Caller, org, id, name string) (Project, error) {
	now := s.now()
	p := Project{ID: id, Org: org, Name: name, CreatedAt: now.UTC().Truncate(time.Microsecond)}
	if _, err := tx.ExecContext(ctx, "INSERT INTO projects (id, org, name, created_at) VALUES (?, ?, ?, ?)", p.ID, p.Org, p.Name, db.Micros(now)); err != nil {
		return p, err
	}
	return p, s.record(ctx, tx, by, org, "project.create", p.ID, map[string]string{"name": name})
}

func projectByID(ctx context.Context, tx *db.Tx, org, id string) (Project, error) {
	return db.One(ctx, tx, scanProject, "SELECT "+projectColumns+" FROM projects WHERE id = ? AND org = ? AND deleted_at = 0", id, org)
}

// Project returns one of an organisation.
func (s *Store) Project(ctx context.Context, org, id string) (Project, error) {
	var p Project
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		p, err = projectByID(ctx, tx, org, id)
		return err
	})
	return p, err
}

// FindProject returns a project of whatever organisation, for operators.
func (s *Store) FindProject(ctx context.Context, id string) (Project, error) {
	var p Project
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		p, err = db.One(ctx, tx, scanProject, "SELECT "+projectColumns+" FROM projects WHERE id = ? AND deleted_at = 0", id)
		return err
	})
	return p, err
}

// Projects lists those of an organisation.
func (s *Store) Projects(ctx context.Context, org string, page Page) (Listed[Project], error) {
	var all []Project
	err := s.view(ctx, func(tx *db.Tx) (err error) {
		all, err = db.List(ctx, tx, scanProject, "SELECT "+projectColumns+" FROM projects WHERE org = ? AND deleted_at = 0 AND id > ? ORDER BY id LIMIT ?", org, page.After, page.size())
		return err
	})
	return pageOf(all, page), err
}

// RenameProject gives it another name.
func (s *Store) RenameProject(ctx context.Context, by Caller, org, id, name string) (Project, error) {
	name, err := checkName(name)
	if err != nil {
		return Project{}, err
	}
	var p Project
	err = s.change(ctx, func(tx *db.Tx) error {
		if err := changed(tx.ExecContext(ctx, "UPDATE projects SET name = ? WHERE id = ? AND org = ? AND deleted_at = 0", name, id, org)); err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, org, "project.rename", id, map[string]string{"to": name}); err != nil {
			return err
		}
		var err error
		p, err = projectByID(ctx, tx, org, id)
		return err
	})
	return p, err
}

// DeleteProject ends a project and its keys.
func (s *Store) DeleteProject(ctx context.Context, by Caller, org, id string) error {
	return s.change(ctx, func(tx *db.Tx) error {
		if err := spareOperators(ctx, tx, by, "project", id); err != nil {
			return err
		}
		now := db.Micros(s.now())
		if err := changed(tx.ExecContext(ctx, "UPDATE projects SET deleted_at = ? WHERE id = ? AND org = ? AND deleted_at = 0", now, id, org)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE api_keys SET revoked_at = ? WHERE project = ? AND revoked_at = 0", now, id); err != nil {
			return err
		}
		tx.OnCommit(s.cache.clear)
		return s.record(ctx, tx, by, org, "project.delete", id, nil)
	})
}
