package load

import (
	"testing"
	"time"
)

// TestRun measures for a moment: all streams stay open, nothing fails, and the
// books agree.
func TestRun(t *testing.T) {
	rep, err := Run(t.Context(), Config{Each: 100 * time.Millisecond, streams: 100, crowd: 32})
	if err != nil {
		t.Fatal(err)
	}
	bars := 0
	for _, b := range rep.Bars {
		if b.OK != nil {
			bars++
		}
		if b.OK != nil && !*b.OK || b.Value == nil && b.Unit != "MiB" {
			t.Errorf("%s: %v %s, %v", b.Name, b.Value, b.Reason, rep.Notes)
		}
	}
	if bars != 3 {
		t.Errorf("%d bars, want 3", bars)
	}
}
