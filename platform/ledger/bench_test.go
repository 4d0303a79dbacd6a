package ledger

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/money"
	"kuai/platform/price"
)

// BenchmarkChat reserves and settles a chat, as many callers at once do it: in
// a transaction each, or through the Batcher. SQLite waits for the disk
// (synchronous=FULL) each time, PostgreSQL too unless it was told otherwise.
func BenchmarkChat(b *testing.B) {
	for _, database := range []string{"sqlite", "postgres"} {
		for _, callers := range []int{1, 16, 256} {
			for _, batched := range []bool{false, true} {
				if !batched && callers == 256 {
					continue // as with 16
				}
				b.Run(fmt.Sprintf("db=%s/callers=%d/batched=%v", database, callers, batched), func(b *testing.B) {
					b.Helper()
					url := dbtest.SQLite
					if database == "postgres" {
						url = dbtest.Postgres
					}
					benchmarkChat(b, newFixture(b, dbtest.Open(b, url(b))), callers, batched)
				})
			}
		}
	}
}

func benchmarkChat(b *testing.B, f *fixture, callers int, batched bool) {
	b.Helper()
	const orgs = 50
	for i := range orgs {
		f.topUp(b, fmt.Sprint("org_", i), 1_000_000*money.Unit)
	}
	batcher := f.NewBatcher(b.Context())
	defer batcher.Close()
	var n atomic.Int64
	b.SetParallelism(callers) // of each core
	before := processor(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			k := n.Add(1)
			q := Request{
				Org: fmt.Sprint("org_", k%orgs), Project: fmt.Sprint("project_", k%orgs), Key: fmt.Sprint("key_", k%(3*orgs)),
				Model: "m", Job: fmt.Sprint("request_", k), Estimate: price.Usage{price.InputTokens: 1000, price.OutputTokens: 1000},
			}
			if err := chat(b.Context(), f, batcher, batched, q); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "chats/s")
	b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-µs/chat") // holds on a busy machine too
	if b.N < 100_000 {
		f.audit(b)
	}
}

// processor is how many microseconds of processors this process has used.
func processor(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return (u.Utime.Nano() + u.Stime.Nano()) / 1000
}

func chat(ctx context.Context, f *fixture, batcher *Batcher, batched bool, q Request) error {
	used := price.Usage{price.InputTokens: 900, price.OutputTokens: 123}
	if batched {
		r, err := batcher.Reserve(ctx, q)
		if err == nil {
			_, err = batcher.Settle(ctx, r.ID, used)
		}
		return err
	}
	var r Reservation
	err := f.db.Tx(ctx, func(tx *db.Tx) (err error) {
		r, err = f.Reserve(ctx, tx, q)
		return err
	})
	if err == nil {
		err = f.db.Tx(ctx, func(tx *db.Tx) error {
			_, err := f.Settle(ctx, tx, r.ID, used)
			return err
		})
	}
	return err
}
