package talk

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"kuai/api/gate"
)

// TestTurns checks that a tenant with many requests does not keep out one with
// a single one, that who is in no hurry lets others pass, and that models do
// not wait for each other.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all turns
		wait := func(model, org string, u gate.Urgency) func() {
			release, err := wait(t.Context(), all.of(model, 1), gate.Principal{Org: org}, u, 1)
			if err != nil {
				t.Error(err)
				return func() {}
			}
			return release
		}
		first := wait("m", "many", gate.Normal)
		var mu sync.Mutex
		var order []string
		for _, who := range []struct {
			org string
			u   gate.Urgency
		}{{"patient", gate.Batch}, {"many", gate.Normal}, {"many", gate.Normal}, {"many", gate.Normal}, {"many", gate.Normal}, {"single", gate.Normal}, {"urgent", gate.Urgent}, {"patient", gate.Batch}} {
			go func() {
				release := wait("m", who.org, who.u)
				mu.Lock()
				order = append(order, who.org)
				mu.Unlock()
				release()
			}()
			synctest.Wait()
		}
		wait("other", "many", gate.Normal)() // at once
		first()
		synctest.Wait()
		if len(order) != 8 || slices.Index(order, "single") > 3 || slices.Index(order, "urgent") > 2 || order[7] != "patient" && order[6] != "patient" {
			t.Errorf("order %v", order)
		}
	})
}
