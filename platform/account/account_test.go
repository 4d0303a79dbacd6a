package account_test

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kuai/fault"
	"kuai/platform/account"
	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// world is a store with a clock of its own and one organisation.
type world struct {
	*account.Store
	db    *db.DB
	clock *clock
	first account.First
}

type clock struct{ micros atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMicro(c.micros.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// cheap makes passwords quick to hash.
var cheap = account.HashCost{KiB: 64, Passes: 1, Lanes: 1}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := &world{db: d, clock: &clock{}}
	w.clock.micros.Store(time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC).UnixMicro())
	w.Store = account.New(d, account.Options{Now: w.clock.now, Hash: cheap})
	first, made, err := w.Bootstrap(t.Context())
	if err != nil || !made {
		t.Fatalf("bootstrap: made %t, %v", made, err)
	}
	w.first = first
	return w
}

// both runs a test on both databases.
func both(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.Run(t, func(t *testing.T, d *db.DB) { f(t, newWorld(t, d)) })
}

// person makes a member and a caller who is logged in.
func (w *world) person(t *testing.T, email string, role account.Role) account.Caller {
	t.Helper()
	u, err := w.CreateUser(t.Context(), account.Operator, account.NewUser{Email: email, Name: "Person", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetRole(t.Context(), account.Operator, w.first.Org.ID, u.ID, role); err != nil {
		t.Fatal(err)
	}
	_, secret, err := w.Login(t.Context(), account.From{}, email, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	return account.Caller{Principal: w.must(t, secret)}
}

// must authenticates.
func (w *world) must(t *testing.T, secret string) account.Principal {
	t.Helper()
	p, err := w.Authenticate(t.Context(), secret, netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wants checks the code of an error; "" is none.
func wants(t *testing.T, err error, code fault.Code) {
	t.Helper()
	var got fault.Code
	if err != nil {
		e, ok := errors.AsType[*fault.Error](err)
		if !ok {
			t.Errorf("%v is no fault", err)
			return
		}
		got = e.Code
	}
	if got != code {
		t.Errorf("got %v, want code %q", err, code)
	}
}

// TestBootstrap starts an empty installation several times at once.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		s := account.New(d, account.Options{Hash: cheap})
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				first, ok, err := s.Bootstrap(t.Context())
				if err != nil {
					t.Error(err)
				}
				if !ok {
					return
				}
				made.Add(1)
				p, err := s.Authenticate(t.Context(), first.Secret, netip.Addr{})
				if err != nil || !p.Admin || p.Org != first.Org.ID || p.Project != first.Project.ID || p.Scopes != nil || p.Accounts != account.Write {
					t.Errorf("got %+v, %v", p, err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("made %d times, want once", made.Load())
		}
		if _, err := audit.Verify(t.Context(), d); err != nil {
			t.Error(err)
		}
	})
}

// TestOrganisations makes, lists, renames, suspends and deletes.
func TestOrganisations(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		by := account.Operator
		by.Once = "one"
		a, err := w.CreateOrganisation(ctx, by, " Ärzte 快 ")
		wants(t, err, "")
		again, err := w.CreateOrganisation(ctx, by, "Ärzte 快")
		wants(t, err, "")
		if a != again || a.Name != "Ärzte 快" {
			t.Errorf("got %+v, then %+v", a, again)
		}
		_, err = w.CreateOrganisation(ctx, by, "another")
		wants(t, err, fault.Conflict)
		for _, name := range []string{"", "  ", "a\nb", string(make([]byte, 101)), "\xff"} {
			_, err = w.CreateOrganisation(ctx, account.Operator, name)
			wants(t, err, fault.Invalid)
		}
		projects, err := w.Projects(ctx, a.ID, account.Page{})
		wants(t, err, "")
		if len(projects.Data) != 1 || projects.Data[0].Name != "default" {
			t.Errorf("got %+v", projects)
		}
		for range 3 {
			_, err := w.CreateProject(ctx, account.Operator, a.ID, "more")
			wants(t, err, "")
		}
		seen, after := 0, ""
		for {
			page, err := w.Projects(ctx, a.ID, account.Page{After: after, Limit: 3})
			wants(t, err, "")
			seen += len(page.Data)
			if !page.More {
				break
			}
			after = page.Data[len(page.Data)-1].ID
		}
		if seen != 4 {
			t.Errorf("%d projects over pages, want 4", seen)
		}
		_, err = w.Project(ctx, w.first.Org.ID, projects.Data[0].ID)
		wants(t, err, fault.NotFound) // it is another's
		_, err = w.RenameProject(ctx, account.Operator, a.ID, projects.Data[0].ID, "main")
		wants(t, err, "")

		_, secret, err := w.CreateKey(ctx, account.Operator, a.ID, account.NewKey{Project: projects.Data[0].ID, Name: "k"})
		wants(t, err, "")
		w.must(t, secret)
		_, err = w.SuspendOrganisation(ctx, account.Operator, a.ID, true)
		wants(t, err, "")
		_, err = w.Authenticate(ctx, secret, netip.Addr{})
		wants(t, err, fault.Unauthenticated)
		_, err = w.SuspendOrganisation(ctx, account.Operator, a.ID, false)
		wants(t, err, "")
		w.must(t, secret)
		wants(t, w.DeleteProject(ctx, account.Operator, a.ID, projects.Data[0].ID), "")
		_, err = w.Authenticate(ctx, secret, netip.Addr{})
		wants(t, err, fault.Unauthenticated)
		wants(t, w.DeleteOrganisation(ctx, account.Operator, a.ID), "")
		wants(t, w.DeleteOrganisation(ctx, account.Operator, a.ID), fault.NotFound)
		_, err = w.CreateProject(ctx, account.Operator, a.ID, "late")
		wants(t, err, fault.NotFound)
		if _, err := audit.Verify(ctx, w.db); err != nil {
			t.Error(err)
		}
	})
}

// TestMembers checks roles: nobody climbs, and an owner stays.
func TestMembers(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		ctx, org := t.Context(), w.first.Org.ID
		owner := w.person(t, "Owner@Example.org", account.RoleOwner)
		admin := w.person(t, "admin@example.org", account.RoleAdmin)
		member := w.person(t, "member@example.org", account.RoleMember)

		wants(t, w.SetRole(ctx, admin, org, admin.Principal.User, account.RoleOwner), fault.Forbidden)
		wants(t, w.SetRole(ctx, admin, org, owner.Principal.User, account.RoleViewer), fault.Forbidden)
		wants(t, w.SetRole(ctx, member, org, member.Principal.User, account.RoleAdmin), fault.Forbidden)
		wants(t, w.SetRole(ctx, owner, org, member.Principal.User, "king"), fault.Invalid)
		wants(t, w.SetRole(ctx, owner, org, owner.Principal.User, account.RoleAdmin), fault.Conflict)
		wants(t, w.RemoveMember(ctx, owner, org, owner.Principal.User), fault.Conflict)
		wants(t, w.RemoveMember(ctx, member, org, admin.Principal.User), fault.Forbidden)
		wants(t, w.SetRole(ctx, owner, org, admin.Principal.User, account.RoleOwner), "")
		wants(t, w.RemoveMember(ctx, owner, org, owner.Principal.User), "")

		stranger, err := w.CreateUser(ctx, account.Operator, account.NewUser{Email: "s@example.org", Name: "S"})
		wants(t, err, "")
		admin.Principal.Roles = map[string]account.Role{org: account.RoleOwner}
		wants(t, w.SetRole(ctx, admin, org, stranger.ID, account.RoleViewer), fault.NotFound)

		k, secret, err := w.CreateKey(ctx, member, org, account.NewKey{Project: w.first.Project.ID, Name: "mine", User: member.Principal.User})
		wants(t, err, "")
		if p := w.must(t, secret); p.RoleIn(org) != account.RoleMember || p.Accounts != account.None || p.Key != k.ID {
			t.Errorf("got %+v", p)
		}
		wants(t, w.SetRole(ctx, admin, org, member.Principal.User, account.RoleViewer), "")
		_, err = w.Authenticate(ctx, secret, netip.Addr{})
		wants(t, err, fault.Unauthenticated) // viewers use nothing
		wants(t, w.RemoveMember(ctx, admin, org, member.Principal.User), "")
		k, err = w.Key(ctx, admin, org, k.ID)
		if err != nil || k.RevokedAt.IsZero() {
			t.Errorf("the key of one who left: %+v, %v", k, err)
		}
		members, err := w.Members(ctx, org, account.Page{})
		if err != nil || len(members.Data) != 1 || members.Data[0].Role != account.RoleOwner {
			t.Errorf("got %+v, %v", members, err)
		}
	})
}

// TestInvitations accepts, twice, too late, taken back, as somebody else.
func TestInvitations(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		ctx, org := t.Context(), w.first.Org.ID
		admin := w.person(t, "admin@example.org", account.RoleAdmin)
		_, _, err := w.Invite(ctx, admin, org, "x@example.org", account.RoleOwner)
		wants(t, err, fault.Forbidden)
		_, _, err = w.Invite(ctx, admin, org, "Name <x@example.org>", account.RoleMember)
		wants(t, err, fault.Invalid)

		_, secret, err := w.Invite(ctx, admin, org, "New@Example.org", account.RoleMember)
		wants(t, err, "")
		_, _, err = w.Accept(ctx, account.From{}, secret, "New", "short")
		wants(t, err, fault.Invalid)
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 3 { // the one invitation, at the same time
			wg.Go(func() {
				if _, session, err := w.Accept(ctx, account.From{}, secret, "New", "a long password"); err == nil {
					won.Add(1)
					if p := w.must(t, session); p.RoleIn(org) != account.RoleMember || p.Org != org || p.Project != w.first.Project.ID {
						t.Errorf("got %+v", p)
					}
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("accepted %d times, want once", won.Load())
		}

		_, late, err := w.Invite(ctx, admin, org, "late@example.org", account.RoleMember)
		wants(t, err, "")
		back, taken, err := w.Invite(ctx, admin, org, "taken@example.org", account.RoleMember)
		wants(t, err, "")
		wants(t, w.RevokeInvitation(ctx, admin, org, back.ID), "")
		wants(t, w.RevokeInvitation(ctx, admin, org, back.ID), fault.NotFound)
		w.clock.advance(8 * 24 * time.Hour)
		for _, s := range []string{late, taken, secret, "in-kuai-nonsense", ""} {
			_, _, err = w.Accept(ctx, account.From{}, s, "N", "a long password")
			wants(t, err, fault.NotFound)
		}

		// Somebody who is here already proves it, and keeps a stronger role.
		_, known, err := w.Invite(ctx, admin, org, "admin@example.org", account.RoleViewer)
		wants(t, err, "")
		_, _, err = w.Accept(ctx, account.From{}, known, "", "a wrong password")
		wants(t, err, fault.Unauthenticated)
		_, session, err := w.Accept(ctx, account.From{}, known, "", "correct horse")
		wants(t, err, "")
		if got := w.must(t, session).RoleIn(org); got != account.RoleAdmin {
			t.Errorf("role %q after a weaker invitation", got)
		}
	})
}

// TestSessions logs in and out, changes passwords, and disables.
func TestSessions(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		p := w.person(t, "p@example.org", account.RoleMember)
		from := account.From{IP: netip.MustParseAddr("192.0.2.7"), Agent: string(make([]byte, 300)) + "\xff快"}
		for _, bad := range [][2]string{{"p@example.org", "wrong password"}, {"nobody@example.org", "correct horse"}, {"nonsense", ""}, {"p@example.org", string(make([]byte, 5000))}} {
			_, _, err := w.Login(ctx, from, bad[0], bad[1])
			wants(t, err, fault.Unauthenticated)
		}
		one, secret, err := w.Login(ctx, from, "P@example.org", "correct horse")
		wants(t, err, "")
		_, other, err := w.Login(ctx, from, "p@example.org", "correct horse")
		wants(t, err, "")
		if all, err := w.Sessions(ctx, p.Principal.User); err != nil || len(all) != 3 {
			t.Errorf("%d sessions, want 3; %v", len(all), err)
		}
		wants(t, w.Logout(ctx, p, one.ID), "")
		_, err = w.Authenticate(ctx, secret, netip.Addr{})
		wants(t, err, fault.Unauthenticated)
		w.must(t, other)
		wants(t, w.SetPassword(ctx, p, p.Principal.User, "not the old", "a newer password"), fault.Invalid)
		wants(t, w.SetPassword(ctx, p, p.Principal.User, "correct horse", "short"), fault.Invalid)
		wants(t, w.SetPassword(ctx, p, p.Principal.User, "correct horse", "a newer password"), "")
		_, err = w.Authenticate(ctx, other, netip.Addr{})
		wants(t, err, fault.Unauthenticated)
		_, _, err = w.Login(ctx, from, "p@example.org", "correct horse")
		wants(t, err, fault.Unauthenticated)
		_, other, err = w.Login(ctx, from, "p@example.org", "a newer password")
		wants(t, err, "")
		wants(t, w.LogoutAll(ctx, p, p.Principal.User), "")
		_, err = w.Authenticate(ctx, other, netip.Addr{})
		wants(t, err, fault.Unauthenticated)

		_, other, err = w.Login(ctx, from, "p@example.org", "a newer password")
		wants(t, err, "")
		_, err = w.DisableUser(ctx, account.Operator, p.Principal.User, true)
		wants(t, err, "")
		_, err = w.Authenticate(ctx, other, netip.Addr{})
		wants(t, err, fault.Unauthenticated)
		_, _, err = w.Login(ctx, from, "p@example.org", "a newer password")
		wants(t, err, fault.Unauthenticated)
		_, err = w.DisableUser(ctx, account.Operator, p.Principal.User, false)
		wants(t, err, "")
		_, other, err = w.Login(ctx, from, "p@example.org", "a newer password")
		wants(t, err, "")
		w.must(t, other)
		w.clock.advance(15 * 24 * time.Hour)
		_, err = w.Authenticate(ctx, other, netip.Addr{})
		wants(t, err, fault.Unauthenticated)
	})
}
