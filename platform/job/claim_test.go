package job

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// TestFairShare checks priorities and turns: a tenant with many jobs does not
// hold up one with few; positions foretell it.
func TestFairShare(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		names := map[string]string{}
		add := func(org string, n, priority int) {
			for i := range n {
				j := b.submit(t, Request{Org: org, Priority: priority, Model: "m"})
				names[j.ID] = fmt.Sprintf("%s%d", org, i+1)
			}
		}
		add("a", 4, 0)
		add("b", 2, 0)
		add("c", 1, 0)
		add("z", 1, 5)
		var foretold []string
		for range names {
			foretold = append(foretold, "")
		}
		for id, name := range names {
			e, err := b.Estimate(t.Context(), b.get(t, id))
			must(t, err)
			foretold[e.Position-1] += name
		}
		var got []string
		for range names {
			got = append(got, names[b.claim(t).ID])
		}
		if diff := cmp.Diff([]string{"z1", "a1", "b1", "c1", "a2", "b2", "a3", "a4"}, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(got, foretold); diff != "" {
			t.Errorf("positions (-order +foretold):\n%s", diff)
		}
		if _, ok, err := b.Claim(t.Context(), Worker{}); ok || err != nil {
			t.Errorf("a claim of nothing: %v, %v", ok, err)
		}
	})
}

// TestClaimOnce has many workers take many jobs at once.
func TestClaimOnce(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		for i := range 40 {
			b.submit(t, Request{Org: fmt.Sprint(i % 3)})
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		seen := map[string]int{}
		for range 4 {
			wg.Go(func() {
				for {
					j, ok, err := b.Claim(t.Context(), Worker{ID: "w"})
					if err != nil {
						t.Error(err)
					}
					if !ok {
						return
					}
					mu.Lock()
					seen[j.ID]++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s was claimed %d times", id, n)
			}
		}
		if len(seen) != 40 {
			t.Errorf("%d jobs were claimed, want 40", len(seen))
		}
	})
}

func TestClaimFilter(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	b.submit(t, Request{Kind: "video", Model: "big"})
	b.submit(t, Request{Kind: "image", Model: "small"})
	for _, tt := range []struct {
		w    Worker
		want string
	}{
		{Worker{Kinds: []string{"speech"}}, ""},
		{Worker{Kinds: []string{"image", "video"}, Models: []string{"none"}}, ""},
		{Worker{Models: []string{"small"}}, "image"},
		{Worker{Kinds: []string{"image", "video"}}, "video"},
	} {
		j, _, err := b.Claim(t.Context(), tt.w)
		if err != nil || j.Kind != tt.want {
			t.Errorf("%+v got %q, %v, want %q", tt.w, j.Kind, err, tt.want)
		}
	}
	_, _, err := b.Claim(t.Context(), Worker{Kinds: make([]string, maxKinds+1)})
	wantCode(t, "many kinds", err, fault.Invalid)
}
