package job

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// State is where a job stands.
type State string

// The states. The last four are final: nothing changes them any more, save
// that a dead letter may be revived.
const (
	Queued     State = "queued"
	Running    State = "running"
	Finalising State = "finalising" // made; its bytes are being stored
	Done       State = "done"
	Failed     State = "failed"
	Cancelled  State = "cancelled"
	Expired    State = "expired"
)

// Final says whether a job has ended.
func (s State) Final() bool {
	return s == Done || s == Failed || s == Cancelled || s == Expired
}

// Held says whether a worker has a job.
func (s State) Held() bool { return s == Running || s == Finalising }

// Kind is what happens to a job.
type Kind string

// The kinds of events. Those of a worker bear its attempt.
const (
	Claim    Kind = "claim"    // a worker takes the job
	Finalise Kind = "finalise" // the worker has made it and stores it
	Finish   Kind = "finish"   // the worker has stored it
	Fail     Kind = "fail"     // the worker could not make it
	Return   Kind = "return"   // the worker hands it back unharmed
	Lapse    Kind = "lapse"    // the worker has not been heard of for a lease
	Cancel   Kind = "cancel"   // the owner wants it no longer
	Expire   Kind = "expire"   // its time is over
	Revive   Kind = "revive"   // an operator gives a dead letter another chance
)

// Event is one thing that happens.
type Event struct {
	Kind      Kind
	Attempt   int       // of Finalise, Finish, Fail, Return and Lapse
	At        time.Time // when, by the server's clock
	Permanent bool      // of Fail: another attempt would fail as well
	Jitter    float64   // of Fail and Lapse: [0, 1), spreads the retries
}

// Action is what follows from an event, in the same transaction or right
// after it.
type Action string

// The actions.
const (
	Wake   Action = "wake"   // a job waits: tell the workers
	Stop   Action = "stop"   // tell the worker who has it to stop
	Settle Action = "settle" // the money: the job is done
	Refund Action = "refund" // the money: it never will be
	Bury   Action = "bury"   // keep it as a dead letter
)

// Standing is all of a job that decides what may happen to it.
type Standing struct {
	State      State
	Attempt    int       // counts claims; a worker's writes carry it, so that stale ones are refused
	Failures   int       // attempts that failed or lapsed
	Allowed    int       // failures that end the job
	Cancelling bool      // cancelled while it was being stored: no further attempt
	Dead       bool      // it failed for want of attempts
	NotBefore  time.Time // no claim before this
	Expires    time.Time // zero: never
}

// Errors of Next that callers branch on.
var (
	ErrLost     = errors.New("job: no longer this worker's")
	ErrNotReady = errors.New("job: not in a state for this")
)

// LostError says what became of a job that a worker has lost; it is ErrLost.
type LostError struct {
	State   State
	Attempt int // who has it now
}

// Error says why.
func (e *LostError) Error() string {
	return fmt.Sprintf("job: no longer this worker's: %s, attempt %d", e.State, e.Attempt)
}

// Is makes it an ErrLost.
func (e *LostError) Is(target error) bool { return target == ErrLost }

// Retries: the first after about a second, then doubling.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// Backoff is how long a job waits after its nth failure: doubling from a
// second to five minutes, times a factor between a half and one and a half.
func Backoff(failures int, jitter float64) time.Duration {
	d := float64(firstRetry) * math.Pow(2, float64(max(failures, 1)-1))
	return time.Duration(min(d, float64(lastRetry)) * (0.5 + jitter))
}

// Next is the state machine: what becomes of a job by an event, and what else
// is to be done. It fails with ErrLost for a worker who no longer has the job
// and ErrNotReady for what the state does not allow; then nothing changes.
//
//	queued -> running -> finalising -> done
//	running, finalising -> queued     (failed or lapsed with attempts left, handed back)
//	queued, running -> cancelled, expired
//	running, finalising -> failed     (no attempts left, or no use in another)
func Next(s Standing, e Event) (Standing, []Action, error) {
	switch e.Kind {
	case Finalise, Finish, Fail, Return, Lapse:
		if s.State == Done && e.Kind == Finish && e.Attempt == s.Attempt {
			return s, nil, nil // said again, since the answer was lost
		}
		if !s.State.Held() || e.Attempt != s.Attempt {
			return s, nil, &LostError{s.State, s.Attempt}
		}
		return held(s, e)
	case Claim:
		if s.State != Queued || e.At.Before(s.NotBefore) {
			return s, nil, ErrNotReady
		}
		s.State = Running
		s.Attempt++
		return s, nil, nil
	case Cancel:
		return cancel(s)
	case Expire:
		if s.Expires.IsZero() || e.At.Before(s.Expires) {
			return s, nil, ErrNotReady
		}
		return end(s, Expired)
	case Revive:
		if !s.Dead {
			return s, nil, ErrNotReady
		}
		s.State, s.Dead, s.Failures, s.NotBefore = Queued, false, 0, time.Time{}
		return s, []Action{Wake}, nil
	}
	return s, nil, ErrNotReady
}

// held is what a worker's events do to the job that it has.
func held(s Standing, e Event) (Standing, []Action, error) {
	switch e.Kind {
	case Finalise:
		s.State = Finalising
		return s, nil, nil
	case Finish:
		s.State = Done
		return s, []Action{Settle}, nil
	case Return:
		if s.Cancelling {
			s.State = Cancelled
			return s, []Action{Refund}, nil
		}
		s.State = Queued
		return s, []Action{Wake}, nil
	}
	s.Failures++
	switch {
	case s.Cancelling:
		s.State = Cancelled
		return s, []Action{Refund}, nil
	case e.Permanent:
		s.State = Failed
		return s, []Action{Refund}, nil
	case s.Failures >= s.Allowed:
		s.State, s.Dead = Failed, true
		return s, []Action{Refund, Bury}, nil
	}
	s.State = Queued
	s.NotBefore = e.At.Add(Backoff(s.Failures, e.Jitter))
	return s, []Action{Wake}, nil
}

// cancel ends a job unless its bytes are being stored: then it is made, and
// the cancellation counts only if storing fails.
func cancel(s Standing) (Standing, []Action, error) {
	switch {
	case s.State.Final():
		return s, nil, nil
	case s.State == Finalising:
		s.Cancelling = true
		return s, nil, nil
	}
	return end(s, Cancelled)
}

// end is cancel and expire: a worker who has the job is stopped.
func end(s Standing, to State) (Standing, []Action, error) {
	switch s.State {
	case Queued:
		s.State = to
		return s, []Action{Refund}, nil
	case Running:
		s.State = to
		return s, []Action{Stop, Refund}, nil
	}
	return s, nil, ErrNotReady
}
