package kernels

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"kuai/kernel/isa"
	"kuai/mem"
	"kuai/par"
)

// TestRooms runs each room once and checks its result; nothing is timed.
func TestRooms(t *testing.T) {
	p, arena := par.New(2), mem.NewArena(arenaBytes)
	defer p.Close()
	defer arena.Close()
	names := map[string]bool{}
	for _, k := range rooms() {
		if names[k.name] {
			t.Errorf("two rooms are called %s", k.name)
		}
		names[k.name] = true
		mark := arena.Mark()
		run, check := k.open(p, arena)
		run()
		if err := check(); err != nil {
			t.Errorf("%s: %v", k.name, err)
		}
		arena.Release(mark)
	}
}

// TestMissing checks that what cannot be measured is told, not left out.
func TestMissing(t *testing.T) {
	defer isa.Force(isa.Generic)()
	for _, l := range []limit{f32Limit, bf16Limit, int8Limit} {
		if l.missing(1) == "" {
			t.Errorf("%s: no reason without its instructions", l)
		}
	}
	if copyLimit.missing(1) != "" || copyLimit.missing(1<<20) == "" {
		t.Error("copying needs nothing but processors")
	}
}

func TestRunStops(t *testing.T) {
	want := errors.New("enough")
	ctx, stop := context.WithCancelCause(t.Context())
	stop(want)
	if _, err := Run(ctx, Config{Quick: true}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// TestReport measures everything once and prints it; the clock fails no test.
func TestReport(t *testing.T) {
	if os.Getenv("KUAI_LONG") == "" {
		t.Skip("measures for half a minute: set KUAI_LONG=1")
	}
	r, err := Run(t.Context(), Config{Quick: true})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := r.JSON(&out); err != nil {
		t.Error(err)
	}
	out.Reset()
	if err := r.Text(&out); err != nil {
		t.Error(err)
	}
	t.Logf("%s%v", &out, r.Notes)
}
