package job

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

func TestList(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		b := newBench(t, d, nil, Options{})
		var all []string
		for range 5 {
			all = append(all, b.submit(t, Request{Org: "o"}).ID)
			b.submit(t, Request{Org: "other"})
		}
		var got []string
		after := ""
		for {
			page, more, err := b.List(t.Context(), Filter{Org: "o", After: after, Limit: 2})
			must(t, err)
			for _, j := range page {
				got = append([]string{j.ID}, got...)
				after = j.ID
			}
			if !more {
				break
			}
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
		oldest, _, err := b.List(t.Context(), Filter{Org: "o", OldestFirst: true, Limit: 1, State: Queued, Kind: "video"})
		if err != nil || oldest[0].ID != all[0] {
			t.Errorf("the oldest is %+v, %v", oldest, err)
		}
		_, _, err = b.List(t.Context(), Filter{Limit: 101})
		wantCode(t, "a long page", err, fault.Invalid)
	})
}
