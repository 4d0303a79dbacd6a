package limit_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/account"
	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/limit"
)

var noon = time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC)

func codeOf(err error) fault.Code {
	if err == nil {
		return ""
	}
	return fault.From(err).Code
}

// TestStore sets rules, uses them on two nodes, and starts again.
func TestStore(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		now := noon
		clock := func() time.Time { return now }
		first, _, err := account.New(d, account.Options{Now: clock}).Bootstrap(ctx)
		if err != nil {
			t.Fatal(err)
		}
		p := account.Principal{Org: first.Org.ID, Project: first.Project.ID, Key: first.Key.ID, Roles: map[string]account.Role{first.Org.ID: account.RoleAdmin}}
		rule := limit.Rule{Org: first.Org.ID, Level: limit.Organisation, Subject: first.Org.ID, Kind: limit.MoneyMicrosPerDay, Amount: 100}
		a, b := limit.NewStore(d, limit.New(nil), clock), limit.NewStore(d, limit.New(nil), clock)
		admin := account.Caller{Principal: p}
		if got := codeOf(a.Set(ctx, admin, rule)); got != fault.Forbidden {
			t.Errorf("an administrator sets the organisation's limit: %q", got)
		}
		if err := a.Set(ctx, account.Operator, rule); err != nil {
			t.Fatal(err)
		}
		mine := limit.Rule{Org: first.Org.ID, Level: limit.Key, Subject: first.Key.ID, Kind: limit.ImagesPerDay, Amount: 7}
		for _, amount := range []int64{9, 7} {
			mine.Amount = amount
			if err := a.Set(ctx, admin, mine); err != nil {
				t.Fatal(err)
			}
		}
		for name, r := range map[string]limit.Rule{
			"another's key": {Org: first.Org.ID, Level: limit.Key, Subject: "key_x", Kind: limit.ImagesPerDay},
			"no level":      {Org: first.Org.ID, Level: "planet", Subject: first.Key.ID, Kind: limit.ImagesPerDay},
			"no kind":       {Org: first.Org.ID, Level: limit.Key, Subject: first.Key.ID, Kind: "x"},
			"negative":      {Org: first.Org.ID, Level: limit.Key, Subject: first.Key.ID, Kind: limit.ImagesPerDay, Amount: -1},
			"too much":      {Org: first.Org.ID, Level: limit.Key, Subject: first.Key.ID, Kind: limit.TokensPerMinute, Amount: limit.MaxAmount + 1},
			"another org":   {Org: "org_x", Level: limit.Key, Subject: first.Key.ID, Kind: limit.ImagesPerDay},
		} {
			if a.Set(ctx, admin, r) == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		rules, err := a.Rules(ctx, first.Org.ID)
		if diff := cmp.Diff([]limit.Rule{mine, rule}, rules); err != nil || diff != "" {
			t.Error(err, diff)
		}

		if err := b.Load(ctx); err != nil {
			t.Fatal(err)
		}
		spend := func(s *limit.Store, n int64) fault.Code {
			g, e := s.Check(p, limit.Need{MoneyMicros: n}, now)
			if e != nil {
				return e.Code
			}
			s.Commit(g, limit.Need{MoneyMicros: n}, now)
			return ""
		}
		for _, s := range []*limit.Store{a, b, a} {
			if got := spend(s, 30); got != "" {
				t.Errorf("refused: %q", got)
			}
			if err := s.Flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		again := limit.NewStore(d, limit.New(nil), clock) // as after a crash
		if err := again.Load(ctx); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*limit.Store{a, b, again} {
			if got := spend(s, 11); got != fault.NoBalance {
				t.Errorf("101 of 100: %q", got)
			}
		}
		now = now.Add(12 * time.Hour)
		if err := again.Load(ctx); err != nil {
			t.Fatal(err)
		}
		if got := spend(again, 100); got != "" {
			t.Errorf("a new day: %q", got)
		}
		if err := a.Delete(ctx, account.Operator, rule); err != nil {
			t.Fatal(err)
		}
		if got := codeOf(a.Delete(ctx, account.Operator, rule)); got != fault.NotFound {
			t.Errorf("deleted twice: %q", got)
		}
		if got := spend(a, 1000); got != "" {
			t.Errorf("without a rule: %q", got)
		}
		if _, err := audit.Verify(ctx, d); err != nil {
			t.Error(err)
		}
	})
}
