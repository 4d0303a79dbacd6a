package fault

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

// TestFrom checks what clients are told of errors that are not theirs.
func TestFrom(t *testing.T) {
	t.Parallel()
	full := &os.PathError{Op: "write", Path: "/secret", Err: syscall.ENOSPC}
	for name, tt := range map[string]struct {
		err  error
		code Code
	}{
		"ours":              {fmt.Errorf("room: %w", New(Conflict, "no")), Conflict},
		"a full disk":       {fmt.Errorf("blob: %w", full), Overloaded},
		"a used up quota":   {errors.Join(errors.New("file"), syscall.EDQUOT), Overloaded},
		"ours about a disk": {Wrap(full, TooLarge, "large"), TooLarge},
		"anything":          {errors.New("bug"), Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := From(tt.err)
			if got.Code != tt.code || (got.Code == Overloaded) != (got.RetryAfter > 0) || got.Message == "" || !errors.Is(got, tt.err) && !errors.Is(tt.err, got) {
				t.Errorf("%+v", got)
			}
		})
	}
}
