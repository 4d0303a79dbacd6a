// Package platform opens the rooms that a business needs around the models:
// accounts, limits and money, on one database.
package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/ledger"
	"kuai/platform/limit"
)

// Options say where the platform lives.
type Options struct {
	// Database is a path of SQLite, or postgres://...
	Database string
	// Now is the time on the wall, which may jump; nil is time.Now. All rooms
	// have the same.
	Now func() time.Time
}

// Platform is the open rooms. Close ends what runs in the background.
type Platform struct {
	DB       *db.DB
	Accounts *account.Store
	Limits   *limit.Store
	Ledger   *ledger.Ledger
	Money    *ledger.Batcher // for requests that have no rows of their own

	// First is what an empty installation was given by this Open, with the
	// secret of the operator's key; nil where there was one before.
	First *account.First
	// Home is whom the installation belongs to: who works on its own machine
	// without a key.
	Home account.Principal

	now  func() time.Time
	lock *flock.Flock // that a server works here; nil: on PostgreSQL
	stop context.CancelFunc
	work sync.WaitGroup
}

// Open opens the rooms, brings the database's schema up to date, and gives an
// empty one an organisation, a project and the key of an operator.
func Open(ctx context.Context, o Options) (*Platform, error) {
	d, err := db.Open(ctx, o.Database)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &Platform{DB: d, Accounts: account.New(d, account.Options{Now: o.Now}), Limits: limit.NewStore(d, limit.New(nil), o.Now), now: o.Now, stop: stop}
	err = p.open(ctx)
	if err == nil {
		err = p.serving(ctx, db.SQLitePath(o.Database))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("platform: %w", err), p.Close())
	}
	p.Money = p.Ledger.NewBatcher(run)
	for _, room := range []func(context.Context){
		p.Accounts.Run, p.Limits.Run,
		func(ctx context.Context) {
			p.Ledger.Run(ctx, func(err error) { slog.Error("reservations could not be swept", "error", err) })
		},
	} {
		p.work.Go(func() { room(run) })
	}
	return p, nil
}

func (p *Platform) open(ctx context.Context) (err error) {
	if p.Ledger, err = ledger.New(ctx, p.DB, ledger.Options{Now: p.now}); err != nil {
		return err
	}
	first, made, err := p.Accounts.Bootstrap(ctx)
	if err != nil {
		return err
	}
	if made {
		p.First = &first
	}
	if err := p.Limits.Load(ctx); err != nil {
		return err
	}
	return p.home(ctx)
}

// home finds the first organisation and its first project. The owner's own
// work is counted and never refused, unless an operator has other terms.
func (p *Platform) home(ctx context.Context) error {
	orgs, err := p.Accounts.Organisations(ctx, account.Operator.Principal, account.Page{Limit: 1})
	if err != nil || len(orgs.Data) == 0 {
		return err
	}
	org := orgs.Data[0].ID
	projects, err := p.Accounts.Projects(ctx, org, account.Page{Limit: 1})
	if err != nil || len(projects.Data) == 0 {
		return err
	}
	p.Home = account.Principal{Org: org, Project: projects.Data[0].ID, User: account.Operator.Principal.User, Admin: true, Accounts: account.Write}
	return p.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := p.Ledger.SetTerms(ctx, tx, ledger.Change{
			Org: org, IdempotencyKey: "first", Reason: "the owner's organisation", Actor: account.Operator.Principal.Actor(),
		}, ledger.Terms{CreditLimit: ledger.Unlimited, Overdraft: true})
		return err
	})
}

// OrgOf is the organisation of a project; "" where there is none.
func (p *Platform) OrgOf(ctx context.Context, project string) (org string) {
	err := p.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT org FROM projects WHERE id = ?", project).Scan(&org)
	})
	if err != nil {
		return ""
	}
	return org
}

// Close ends the background work, writes what waits and closes the database.
func (p *Platform) Close() error {
	if p.Money != nil {
		p.Money.Close()
	}
	p.stop()
	p.work.Wait()
	err := p.DB.Close()
	if p.lock != nil {
		err = errors.Join(err, p.lock.Close())
	}
	return err
}
