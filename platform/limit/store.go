package limit

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"kuai/fault"
	"kuai/platform/account"
	"kuai/platform/audit"
	"kuai/platform/db"
)

// Store keeps rules, and what was used of days and months, in the database,
// and a limiter in step with it. Goroutines may share it.
type Store struct {
	*Limiter
	db  *db.DB
	now func() time.Time
}

// NewStore makes a store; now is the clock, time.Now if nil.
func NewStore(d *db.DB, l *Limiter, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{Limiter: l, db: d, now: now}
}

const ruleColumns = "org, level, subject, kind, amount"

func scanRule(row db.Scanner) (Rule, error) {
	var r Rule
	err := row.Scan(&r.Org, &r.Level, &r.Subject, &r.Kind, &r.Amount)
	return r, err
}

// Rules lists those of an organisation; "*" is all of them.
func (s *Store) Rules(ctx context.Context, org string) ([]Rule, error) {
	where, args := "", []any{}
	if org != "*" {
		where, args = " WHERE org = ?", []any{org}
	}
	rules := []Rule{}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		found, err := db.List(ctx, tx, scanRule, "SELECT "+ruleColumns+" FROM limits"+where+" ORDER BY org, level, subject, kind", args...)
		if found != nil {
			rules = found
		}
		return err
	})
	return rules, wrap(err)
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "there is nothing with this id that you may see")
	}
	return fault.From(err)
}

// subjectQueries say whether a subject belongs to an organisation.
var subjectQueries = map[Level]string{
	Organisation: "SELECT COUNT(*) FROM organisations WHERE id = ? AND id = ? AND deleted_at = 0",
	Project:      "SELECT COUNT(*) FROM projects WHERE id = ? AND org = ? AND deleted_at = 0",
	User:         "SELECT COUNT(*) FROM memberships WHERE user_id = ? AND org = ?",
	Key:          "SELECT COUNT(*) FROM api_keys WHERE id = ? AND org = ? AND revoked_at = 0",
}

// mayRule refuses callers that may not set a rule: an organisation's is its
// operator's business, since who pays does not set what may be spent on them.
func mayRule(by account.Caller, r Rule) error {
	if r.Level == Organisation && !by.Principal.Admin {
		return fault.New(fault.Forbidden, "only an operator sets the limits of an organisation")
	}
	if !by.Principal.RoleIn(r.Org).AtLeast(account.RoleAdmin) {
		return fault.New(fault.Forbidden, "your role does not allow that")
	}
	return nil
}

// checkRule refuses a rule that cannot be, or whose subject is not there.
func checkRule(ctx context.Context, tx *db.Tx, r Rule) error {
	query, ok := subjectQueries[r.Level]
	if !ok {
		return fault.Param("level", "level is %q, want one of %v", r.Level, Levels())
	}
	if err := r.Kind.check(r.Amount); err != nil {
		return fault.Param("amount", "%s", err)
	}
	var n int
	if err := tx.QueryRowContext(ctx, query, r.Subject, r.Org).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return sql.ErrNoRows
	}
	return nil
}

// Set makes or changes a rule.
func (s *Store) Set(ctx context.Context, by account.Caller, r Rule) error {
	if err := mayRule(by, r); err != nil {
		return err
	}
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		if err := checkRule(ctx, tx, r); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO limits (org, level, subject, kind, amount, updated_at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (level, subject, kind) DO UPDATE SET amount = excluded.amount, updated_at = excluded.updated_at`,
			r.Org, string(r.Level), r.Subject, string(r.Kind), r.Amount, db.Micros(s.now())); err != nil {
			return err
		}
		return s.record(ctx, tx, by, "limit.set", r)
	})
	if err != nil {
		return wrap(err)
	}
	return s.Load(ctx)
}

// Delete takes a rule away.
func (s *Store) Delete(ctx context.Context, by account.Caller, r Rule) error {
	if err := mayRule(by, r); err != nil {
		return err
	}
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		done, err := tx.ExecContext(ctx, "DELETE FROM limits WHERE org = ? AND level = ? AND subject = ? AND kind = ?", r.Org, string(r.Level), r.Subject, string(r.Kind))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, sql.ErrNoRows)
		}
		return s.record(ctx, tx, by, "limit.delete", r)
	})
	if err != nil {
		return wrap(err)
	}
	return s.Load(ctx)
}

func (s *Store) record(ctx context.Context, tx *db.Tx, by account.Caller, action string, r Rule) error {
	ip := ""
	if by.IP.IsValid() {
		ip = by.IP.String()
	}
	return audit.Append(ctx, tx, s.now(), audit.Entry{Org: r.Org, Actor: by.Principal.Actor(), Action: action, Object: r.Subject, IP: ip, Detail: r})
}

// Load reads rules and use from the database. A server begins with it.
func (s *Store) Load(ctx context.Context) error {
	rules, err := s.Rules(ctx, "*")
	if err != nil {
		return err
	}
	s.SetRules(rules)
	return s.Flush(ctx)
}

// flushEvery is how far nodes may be apart in what was used of a day.
const (
	flushEvery   = 5 * time.Second
	flushTimeout = 5 * time.Second
	keepUsage    = 62 * 24 * time.Hour // two months, for who looks back
)

// Run keeps memory and database in step until ctx is done, and a last time
// then.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.Load(ctx); err != nil && ctx.Err() == nil {
				slog.Warn("limits could not be brought in step with the database", "error", err)
			}
			s.Sweep(s.now())
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			if err := s.Flush(last); err != nil {
				slog.Warn("what was used of limits could not be written down", "error", err)
			}
			return
		}
	}
}

// usage is what was used of a day or month.
type usage struct {
	subject
	kind          Kind
	start, amount int64
}

// Flush adds what was used here to the database and takes over what all nodes
// used together.
func (s *Store) Flush(ctx context.Context) error {
	now := s.now()
	fresh := s.takeFresh()
	var all []usage
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		for _, u := range fresh {
			if _, err := tx.ExecContext(ctx, `INSERT INTO limit_usage (level, subject, kind, start, amount) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (level, subject, kind, start) DO UPDATE SET amount = limit_usage.amount + excluded.amount`,
				string(u.level), u.id, string(u.kind), u.start, u.amount); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM limit_usage WHERE start < ?", db.Micros(now.Add(-keepUsage))); err != nil {
			return err
		}
		var err error
		all, err = db.List(ctx, tx, func(row db.Scanner) (u usage, err error) {
			err = row.Scan(&u.level, &u.id, &u.kind, &u.start, &u.amount)
			return u, err
		}, "SELECT level, subject, kind, start, amount FROM limit_usage WHERE start >= ?", month.start(now))
		return err
	})
	if err != nil {
		s.giveBack(fresh)
		return wrap(err)
	}
	s.put(all, now)
	return nil
}

// takeFresh returns what the database does not have, and notes that it has.
func (l *Limiter) takeFresh() []usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []usage
	for sub, st := range l.states {
		for i, m := range st.meters {
			if m != nil && m.fresh != 0 {
				all = append(all, usage{sub, specs[i].kind, m.start, m.fresh})
				m.fresh = 0
			}
		}
	}
	return all
}

// giveBack notes that the database has it not after all.
func (l *Limiter) giveBack(all []usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range all {
		st := l.states[u.subject]
		if st == nil {
			continue // the rule is gone
		}
		if m := st.meters[u.kind.index()]; m != nil && m.start == u.start {
			m.fresh += u.amount
		}
	}
}

// put takes over what the database has; what came since is added.
func (l *Limiter) put(all []usage, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range all {
		st, i := l.state(u.subject), u.kind.index()
		if st == nil || i < 0 || st.rule[i] == none || u.start != specs[i].span.start(now) {
			continue
		}
		if m := st.meter(i, now); m.start == u.start {
			m.used = u.amount + m.fresh
		}
	}
}
