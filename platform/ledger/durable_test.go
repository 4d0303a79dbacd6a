//go:build linux

package ledger

import (
	"fmt"
	"sync/atomic"
	"testing"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/money"
	"kuai/platform/price"
)

// volume is how many bytes a database has, with its indexes, and how many it has
// written ahead.
func volume(b *testing.B, d *db.DB) (size, wal float64) {
	b.Helper()
	if err := d.Read(b.Context(), func(tx *db.Tx) error {
		return tx.QueryRowContext(b.Context(), "SELECT pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").Scan(&size, &wal)
	}); err != nil {
		b.Fatal(err)
	}
	return size, wal
}

// BenchmarkDurable is BenchmarkChat through the Batcher on a PostgreSQL that
// waits for its disk, as one that holds money does, with what PostgreSQL itself
// uses of processors.
func BenchmarkDurable(b *testing.B) {
	for _, callers := range []int{8, 128} { // of each core
		for _, orgs := range []int{50, 1000} {
			b.Run(fmt.Sprintf("callers=%d/orgs=%d", callers, orgs), func(b *testing.B) {
				b.Helper()
				pg := dbtest.NewCluster(b, "fsync=on", "shared_buffers=256MB")
				f := newFixture(b, dbtest.Open(b, pg.URL()))
				for i := range orgs {
					f.topUp(b, fmt.Sprint("org_", i), 1_000_000*money.Unit)
				}
				batcher := f.NewBatcher(b.Context())
				defer batcher.Close()
				var n atomic.Int64
				b.SetParallelism(callers)
				before, theirs := processor(b), pg.Processor()
				size, wal := volume(b, f.db)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						k := n.Add(1)
						org := k % int64(orgs)
						q := Request{
							Org: fmt.Sprint("org_", org), Project: fmt.Sprint("project_", org), Key: fmt.Sprint("key_", org),
							Model: "m", Job: fmt.Sprint("request_", k), Estimate: price.Usage{price.InputTokens: 1000, price.OutputTokens: 1000},
						}
						if err := chat(b.Context(), f, batcher, true, q); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "chats/s")
				b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-µs/chat")
				b.ReportMetric(float64((pg.Processor()-theirs).Microseconds())/float64(b.N), "pg-cpu-µs/chat")
				sizeAfter, walAfter := volume(b, f.db)
				b.ReportMetric((sizeAfter-size)/float64(b.N), "table-bytes/chat")
				b.ReportMetric((walAfter-wal)/float64(b.N), "log-bytes/chat")
			})
		}
	}
}
