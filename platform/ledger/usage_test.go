package ledger

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/money"
	"kuai/platform/price"
)

// spendSome makes requests of two keys on two days, and one of another
// organisation.
func spendSome(t *testing.T, f *fixture) {
	t.Helper()
	for _, org := range []string{"a", "b"} {
		f.topUp(t, org, 100*money.Unit)
	}
	for _, q := range []Request{
		{Org: "a", Project: "p", Key: "k1", Job: "=1+1"},
		{Org: "a", Project: "p", Key: "k2", IdempotencyKey: "@once"},
		{Org: "b", Key: "k3"},
	} {
		q.Estimate = price.Usage{price.InputTokens: 10_000, price.OutputTokens: 10_000}
		r, err := f.reserve(t, q)
		if err != nil {
			t.Fatal(err)
		}
		f.pass(90 * time.Minute)
		if _, err := f.settle(t, r.ID, price.Usage{price.InputTokens: 1000, price.OutputTokens: 2000}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d) // 22:00 on the last of March
		from := f.now.Add(-time.Hour)
		spendSome(t, f)
		for _, tt := range []struct {
			name  string
			query Query
			want  []Used
		}{
			{"all of it", Query{}, []Used{{Amount: 6_900_000, Requests: 3}}},
			{"by day", Query{Org: "a", By: []Group{ByDay}}, []Used{
				{Day: "2026-03-31", Amount: 2_300_000, Requests: 1}, {Day: "2026-04-01", Amount: 2_300_000, Requests: 1},
			}},
			{"by key and dimension", Query{Org: "a", Key: "k1", By: []Group{ByKey, ByDimension}}, []Used{
				{Key: "k1", Dimension: price.InputTokens, Quantity: 1000, Amount: 300_000, Requests: 1},
				{Key: "k1", Dimension: price.OutputTokens, Quantity: 2000, Amount: 2_000_000, Requests: 1},
			}},
			{"by organisation and model", Query{By: []Group{ByOrg, ByModel}}, []Used{
				{Org: "a", Model: "m", Amount: 4_600_000, Requests: 2}, {Org: "b", Model: "m", Amount: 2_300_000, Requests: 1},
			}},
			{"nothing", Query{Org: "none", By: []Group{ByProject, ByUser}}, []Used{}},
		} {
			tt.query.From, tt.query.To = from, f.now.Add(time.Hour)
			var got []Used
			f.tx(t, func(tx *db.Tx) (err error) {
				got, err = f.Usage(t.Context(), tx, tt.query)
				return err
			})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
		for _, bad := range []Query{
			{From: f.now, To: f.now},
			{From: from, To: from.AddDate(3, 0, 0)},
			{From: from, To: f.now, By: []Group{"org; DROP TABLE x"}},
			{From: from, To: f.now, By: []Group{ByDay, ByDay}},
		} {
			_, err := f.Usage(t.Context(), nil, bad)
			wantCode(t, "a bad query", err, fault.Invalid)
		}
	})
}

func TestExport(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		q := Query{From: f.now, To: f.now.Add(24 * time.Hour)}
		spendSome(t, f)
		var text bytes.Buffer
		if err := f.Export(t.Context(), &text, CSV, q); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(&text).ReadAll()
		if err != nil || len(lines) != 7 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		got := lines[1]
		got[1], got[8] = "", "" // identifiers
		want := []string{"2026-03-31T23:30:00Z", "", "a", "p", "", "k1", "m", "'=1+1", "", "input_tokens", "1000", "0.30", "1000", "0.30", "USD", ""}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := lines[3][15]; got != "'@once" {
			t.Errorf("the key of a client is %q", got)
		}
		total := money.Amount(0)
		for _, l := range lines[1:] {
			a, err := money.Parse(l[13])
			if err != nil {
				t.Fatal(err)
			}
			total += a
		}
		if total != 6_900_000 {
			t.Errorf("they sum to %v", total)
		}

		text.Reset()
		q.Org = "b"
		if err := f.Export(t.Context(), &text, JSON, q); err != nil {
			t.Fatal(err)
		}
		var events []map[string]any
		if err := json.Unmarshal(text.Bytes(), &events); err != nil || len(events) != 2 {
			t.Fatalf("%s: %v", text.String(), err)
		}
		for _, c := range exportColumns {
			if _, ok := events[0][c]; !ok {
				t.Errorf("the JSON has no %s", c)
			}
		}
		text.Reset()
		q.Org = "none"
		if err := f.Export(t.Context(), &text, JSON, q); err != nil || strings.Join(strings.Fields(text.String()), "") != "[]" {
			t.Errorf("nothing is %q, %v", text.String(), err)
		}
		if err := f.Export(t.Context(), &text, "xml", q); err == nil {
			t.Error("xml was taken")
		}
	})
}

// TestExportPages exports more events than a page has, all at one time.
func TestExportPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.Open(t, dbtest.SQLite(t)))
	f.topUp(t, "o", money.Unit)
	const n = exportPage + 10
	f.tx(t, func(tx *db.Tx) error {
		var all []*operation
		for range n {
			o, err := newReserve(Request{Org: "o", Model: "m", Estimate: micro(1)})
			if err != nil {
				return err
			}
			all = append(all, o)
		}
		if err := f.operate(t.Context(), tx, all); err != nil {
			return err
		}
		var ends []*operation
		for _, o := range all {
			ends = append(ends, &operation{action: settle, id: o.id, usage: micro(1)})
		}
		return f.operate(t.Context(), tx, ends)
	})
	var text bytes.Buffer
	if err := f.Export(t.Context(), &text, CSV, Query{From: f.now, To: f.now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(text.String()) {
		seen[line] = true
	}
	if len(seen) != n+1 {
		t.Errorf("%d different lines, want %d", len(seen), n+1)
	}
	f.audit(t)
}

// TestVouchers redeems codes as they should be, and as they should not.
func TestVouchers(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		create := func(v Voucher) Voucher {
			t.Helper()
			v, err := do(t, f, func(ctx context.Context, tx *db.Tx) (Voucher, error) { return f.CreateVoucher(ctx, tx, v) })
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		redeem := func(org, code string) error {
			_, err := do(t, f, func(ctx context.Context, tx *db.Tx) (Change, error) { return f.Redeem(ctx, tx, org, code, "test") })
			return err
		}
		two := create(Voucher{Amount: 100, Uses: 2})
		if err := redeem("a", " "+strings.ToLower(strings.ReplaceAll(two.Code, "-", " "))); err != nil {
			t.Error(err)
		}
		wantCode(t, "twice", redeem("a", two.Code), fault.Conflict)
		if err := redeem("b", two.Code); err != nil {
			t.Error(err)
		}
		wantCode(t, "used up", redeem("c", two.Code), fault.Conflict)
		wantCode(t, "unknown", redeem("c", "AAAAA-AAAAA-AAAAA-AAAAA"), fault.NotFound)
		wantCode(t, "too long", redeem("c", strings.Repeat("A", 1000)), fault.NotFound)
		short := create(Voucher{Amount: 100, Uses: 2, ExpiresAt: f.clock().Add(time.Hour)})
		wantCode(t, "another currency", redeem("c", create(Voucher{Amount: 1, Uses: 1, Currency: "CNY"}).Code), fault.Conflict)
		gone := create(Voucher{Amount: 100, Uses: 2})
		f.tx(t, func(tx *db.Tx) error { return f.RevokeVoucher(t.Context(), tx, gone.ID) })
		wantCode(t, "taken back", redeem("c", gone.Code), fault.Conflict)
		f.pass(time.Hour)
		wantCode(t, "expired", redeem("c", short.Code), fault.Conflict)

		f.topUp(t, "a", 50)
		r, err := f.reserve(t, Request{Org: "a", Estimate: micro(120)})
		if err != nil {
			t.Fatal(err)
		}
		if b := f.balance(t, "a"); b.Promo != 0 || b.Cash != 30 || b.Held != 120 {
			t.Errorf("promotion is spent first: %+v", b)
		}
		if _, err := f.settle(t, r.ID, micro(70)); err != nil {
			t.Fatal(err)
		}
		if b := f.balance(t, "a"); b.Promo != 30 || b.Cash != 50 {
			t.Errorf("and what is left of it comes back: %+v", b)
		}
		var listed []Voucher
		f.tx(t, func(tx *db.Tx) (err error) {
			listed, err = f.Vouchers(t.Context(), tx, "", 2)
			return err
		})
		if len(listed) != 2 || listed[0].ID != gone.ID || listed[0].Code != "" || listed[0].RevokedAt.IsZero() {
			t.Errorf("%+v", listed)
		}
		f.audit(t)
	})
}

// TestChanges tops up and adjusts, twice with one key.
func TestChanges(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		topUp := func(amount money.Amount, key string) (Change, error) {
			return do(t, f, func(ctx context.Context, tx *db.Tx) (Change, error) {
				return f.TopUp(ctx, tx, Change{Org: "o", Amount: amount, IdempotencyKey: key})
			})
		}
		adjust := func(c Change) error {
			c.Org = "o"
			_, err := do(t, f, func(ctx context.Context, tx *db.Tx) (Change, error) { return f.Adjust(ctx, tx, c) })
			return err
		}
		first, err := topUp(100, "payment 1")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := topUp(100, "payment 1"); err != nil || again.ID != first.ID || !again.Repeated {
			t.Errorf("again: %+v, %v", again, err)
		}
		_, err = topUp(101, "payment 1")
		wantCode(t, "another amount", err, fault.Conflict)
		_, err = topUp(0, "")
		wantCode(t, "nothing", err, fault.Invalid)
		_, err = topUp(money.Max+1, "")
		wantCode(t, "too much", err, fault.Invalid)
		wantCode(t, "without a reason", adjust(Change{Amount: 1}), fault.Invalid)
		wantCode(t, "of another account", adjust(Change{Amount: 1, Reason: "r", Account: revenue}), fault.Invalid)
		wantCode(t, "promotion below nothing", adjust(Change{Amount: -1, Reason: "r", Account: promo}), fault.Conflict)
		if err := adjust(Change{Amount: -150, Reason: "a refund"}); err != nil {
			t.Error(err)
		}
		if b := f.balance(t, "o"); b.Cash != 0 || b.Owed != 50 || b.Available != 0 {
			t.Errorf("%+v", b)
		}
		var all []Change
		f.tx(t, func(tx *db.Tx) (err error) {
			all, err = f.Changes(t.Context(), tx, "o", "", 10)
			return err
		})
		if len(all) != 2 || all[0].Amount != -150 || all[1].ID != first.ID {
			t.Errorf("%+v", all)
		}
		_, err = do(t, f, func(ctx context.Context, tx *db.Tx) (Change, error) {
			return f.SetTerms(ctx, tx, Change{Org: "o"}, Terms{Currency: "CNY"})
		})
		wantCode(t, "another currency", err, fault.Conflict)
		for range 8 {
			if _, err := topUp(money.Max, ""); err != nil {
				t.Fatal(err)
			}
		}
		_, err = topUp(money.Max, "")
		if err == nil {
			_, err = topUp(money.Max, "")
		}
		wantCode(t, "more than an account holds", err, fault.Invalid)
		f.audit(t)
	})
}

// TestLapse takes back what is left of promotion when its time is over, in the
// order in which it ends, once, and never what is held.
func TestLapse(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := newFixture(t, d)
		give := func(org string, amount money.Amount, days int64) {
			t.Helper()
			v, err := do(t, f, func(ctx context.Context, tx *db.Tx) (Voucher, error) {
				return f.CreateVoucher(ctx, tx, Voucher{Amount: amount, Uses: 1, Days: days})
			})
			if err != nil {
				t.Fatal(err)
			}
			f.tx(t, func(tx *db.Tx) error {
				_, err := f.Redeem(t.Context(), tx, org, v.Code, "test")
				return err
			})
		}
		spend := func(org string, amount int64) {
			t.Helper()
			r, err := f.reserve(t, Request{Org: org, Estimate: micro(amount)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.settle(t, r.ID, micro(amount)); err != nil {
				t.Fatal(err)
			}
		}
		after := func(what, org string, days int, grants int, want money.Amount) {
			t.Helper()
			f.pass(time.Duration(days) * 24 * time.Hour)
			if n, err := f.Lapse(t.Context()); err != nil || n != grants {
				t.Errorf("%s: %d grants, want %d: %v", what, n, grants, err)
			}
			if b := f.balance(t, org); b.Promo != want {
				t.Errorf("%s: %s of promotion, want %s", what, b.Promo, want)
			}
			f.audit(t)
		}
		give("a", 100, 10)
		give("a", 50, 20)
		give("a", 7, 0) // for good
		spend("a", 30)
		after("before its end", "a", 9, 0, 127)
		after("what was not spent of the first", "a", 1, 1, 57)
		spend("a", 20)
		after("of the second", "a", 10, 1, 7)
		after("never what is for good", "a", 100, 0, 7)

		give("b", 100, 1)
		held, err := f.reserve(t, Request{Org: "b", Estimate: micro(60), Life: 10 * 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		after("but for what is held", "b", 1, 1, 0)
		if _, err := f.settle(t, held.ID, micro(25)); err != nil {
			t.Fatal(err)
		}
		after("which comes back", "b", 1, 0, 35)
		give("c", 100, 1)
		spend("c", 100)
		after("spent whole", "c", 1, 1, 0)
		if _, err := do(t, f, func(ctx context.Context, tx *db.Tx) (Voucher, error) {
			return f.CreateVoucher(ctx, tx, Voucher{Amount: 1, Uses: 1, Days: maxCreditDays + 1})
		}); fault.From(err).Code != fault.Invalid {
			t.Errorf("for too long: %v", err)
		}
	})
}
