// Package check is the one way our own bugs panic: a broken promise between
// two functions, never bad input. The panics are recovered by the request
// handler, the job runner and the engine's step, which log the Bug.
package check

import "fmt"

// Bug is the value of a panic raised by this package.
type Bug struct { //nolint:errname // it says what it is: check.Bug
	Message string
}

// Error returns the message, so that a recovered Bug can be logged as an error.
func (b *Bug) Error() string { return "bug: " + b.Message }

// Fail panics with a Bug.
func Fail(format string, args ...any) {
	panic(&Bug{fmt.Sprintf(format, args...)}) //nolint:forbidigo // the one place that panics
}

// True panics with a Bug unless ok holds.
func True(ok bool, format string, args ...any) {
	if !ok {
		Fail(format, args...)
	}
}
