package main

import (
	"os"
	"strings"
	"time"
)

// clockVar names a file in the environment of a process under test: by how much
// its clock on the wall is wrong, such as -26h. The file may change.
const clockVar = "KUAI_TEST_CLOCK"

// jumping is a clock that is wrong by what a file says; without one it is nil,
// the machine's own. Its times have no monotonic reading, as those in a
// database have none: nothing may lean on it.
func jumping(path string) func() time.Time {
	if path == "" {
		return nil
	}
	return func() time.Time {
		now := time.Now().Round(0)
		text, err := os.ReadFile(path) //nolint:gosec // the test's own
		if err != nil {
			return now
		}
		wrong, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			return now
		}
		return now.Add(wrong)
	}
}
