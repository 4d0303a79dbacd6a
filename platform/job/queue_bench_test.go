package job

import (
	"context"
	"testing"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
)

// BenchmarkLife takes one job from its submission to its end on SQLite, each
// change on the disk, beside a queue of a thousand of ten tenants.
func BenchmarkLife(b *testing.B) {
	for _, waiting := range []int{0, 1000} {
		b.Run(map[int]string{0: "waiting=0", 1000: "waiting=1000"}[waiting], func(b *testing.B) {
			d, err := db.Open(b.Context(), dbtest.SQLite(b))
			if err != nil {
				b.Fatal(err)
			}
			bus := event.Memory()
			b.Cleanup(func() { _ = bus.Close(); _ = d.Close() })
			q := New(Options{DB: d, Bus: bus})
			for i := range waiting {
				if _, _, err := q.Submit(b.Context(), Request{Org: string(rune('a' + i%10)), Kind: "video", Model: "m", Priority: -1}, nil); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if err := live(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func live(ctx context.Context, q *Queue) error {
	if _, _, err := q.Submit(ctx, Request{Org: "o", Kind: "video", Model: "m"}, nil); err != nil {
		return err
	}
	j, _, err := q.Claim(ctx, Worker{ID: "w"})
	if err != nil {
		return err
	}
	return q.Finish(ctx, j.Lease(), Result{})
}
