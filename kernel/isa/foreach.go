package isa

import "testing"

// ForEach runs f as a subtest under each level that this CPU has. The level is
// one for the process, so f must not run in parallel with other tests.
func ForEach(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for l := Generic; l <= best; l++ {
		t.Run(l.String(), func(t *testing.T) {
			defer Force(l)()
			f(t)
		})
	}
}
