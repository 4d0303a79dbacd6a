package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"kuai/fault"
)

// TestPatient checks that a server which says nothing is given up, that the
// driver's own deadline counts where it comes first, and that one who speaks is
// listened to for as long as it takes.
func TestPatient(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		deadline time.Duration // of the driver
		speaks   time.Duration // every so often; 0 is never
		want     time.Duration // until the error
	}{
		"silent":             {0, 0, silence},
		"a deadline":         {time.Second, 0, time.Second},
		"a later deadline":   {time.Hour, 0, silence},
		"a slow speaker":     {0, silence - time.Second, 3*(silence-time.Second) + silence},
		"cancelled amid one": {0, silence / 2, 3*silence/2 + silence},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				c := &patient{Conn: here}
				if tt.deadline > 0 {
					if err := c.SetDeadline(time.Now().Add(tt.deadline)); err != nil {
						t.Fatal(err)
					}
				}
				go func() {
					for range 3 {
						if tt.speaks == 0 {
							return
						}
						time.Sleep(tt.speaks)
						_, _ = there.Write([]byte("x"))
					}
				}()
				begun := time.Now()
				var err error
				for err == nil {
					_, err = c.Read(make([]byte, 1))
				}
				if took := time.Since(begun); took != tt.want || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after %v: %v, want %v", took, err, tt.want)
				}
				if err := errors.Join(here.Close(), there.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestPatientCancelled checks that a read which waits ends with a deadline that
// is set meanwhile, as the driver does when a context ends.
func TestPatientCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		c := &patient{Conn: here}
		time.AfterFunc(time.Second, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
		begun := time.Now()
		_, err := c.Read(make([]byte, 1))
		if took := time.Since(begun); took != time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
		if err := errors.Join(here.Close(), there.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestTold checks what clients are told of a database's errors, and what is
// tried again.
func TestTold(t *testing.T) {
	t.Parallel()
	pg := func(code string) error { return fmt.Errorf("db: begin: %w", &pgconn.PgError{Code: code}) }
	for name, tt := range map[string]struct {
		err   error
		code  fault.Code
		again bool // where nothing was committed
	}{
		"shutting down": {pg("57P01"), fault.Overloaded, true},
		"starting up":   {pg("57P03"), fault.Overloaded, true},
		"full":          {pg("53100"), fault.Overloaded, false},
		"busy":          {ErrBusy, fault.Overloaded, false},
		"hung":          {errSilent, fault.Overloaded, false},
		"refused":       {&net.OpError{Op: "dial", Err: errors.New("refused")}, fault.Overloaded, true},
		"unique":        {pg("23505"), fault.Internal, false},
		"a fault":       {fault.New(fault.NoBalance, "none"), fault.NoBalance, false},
		"anything":      {context.Canceled, fault.Internal, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := fault.From(told(tt.err))
			if got.Code != tt.code || (got.Code == fault.Overloaded) != (got.RetryAfter > 0) || !errors.Is(told(tt.err), tt.err) {
				t.Errorf("%v: told %v after %v", tt.err, got, got.RetryAfter)
			}
			if again(tt.err) || again(&brokenError{tt.err}) != tt.again {
				t.Errorf("%v: again %v, %v where nothing was committed", tt.err, again(tt.err), again(&brokenError{tt.err}))
			}
		})
	}
}
