//go:build linux

package job

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/event"
)

// BenchmarkDurable submits, claims and finishes jobs on a PostgreSQL that waits
// for its disk, several at once, with what PostgreSQL itself uses of processors.
func BenchmarkDurable(b *testing.B) {
	for _, callers := range []int{1, 8} { // of each core
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			pg := dbtest.NewCluster(b, "fsync=on", "shared_buffers=256MB")
			d, err := db.Open(b.Context(), pg.URL())
			if err != nil {
				b.Fatal(err)
			}
			bus := event.Memory()
			b.Cleanup(func() { _ = errors.Join(bus.Close(), d.Close()) })
			q := New(Options{DB: d, Bus: bus})
			var n atomic.Int64
			theirs := pg.Processor()
			b.SetParallelism(callers)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					k := n.Add(1)
					_, _, err := q.Submit(b.Context(), Request{Org: fmt.Sprint("o", k%10), Kind: "video", Model: "m"}, nil)
					var j Job
					ok := false
					if err == nil {
						j, ok, err = q.Claim(b.Context(), Worker{ID: fmt.Sprint("w", k)})
					}
					if err == nil && ok {
						err = q.Finish(b.Context(), j.Lease(), Result{})
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			b.ReportMetric(float64((pg.Processor()-theirs).Microseconds())/float64(b.N), "pg-cpu-µs/job")
		})
	}
}
