// Package fault is the one error that clients of Kuai see. Rooms return it
// where a client is to blame or to be told; each dialect of the API writes it
// in its own words. Whatever else goes wrong is Internal at the edge, with an
// id that the log has too.
package fault

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Code says what went wrong, for programs.
type Code string

// Codes. Each dialect has a status and a body for each.
const (
	Invalid         Code = "invalid"         // a parameter cannot be; Param names it
	Unauthenticated Code = "unauthenticated" // no key, or none that is known
	Forbidden       Code = "forbidden"       // the key may not do this
	NotFound        Code = "not_found"
	Conflict        Code = "conflict"         // the state does not allow it
	TooLarge        Code = "too_large"        // a body or an upload
	RateLimited     Code = "rate_limited"     // RetryAfter says when
	NoBalance       Code = "no_balance"       // money, or a quota of it, is used up
	Moderated       Code = "moderated"        // an owner's rule refuses the content
	Unsupported     Code = "unsupported"      // no model behind the server can do it
	TooLong         Code = "context_too_long" // more tokens than the model takes
	Overloaded      Code = "overloaded"       // RetryAfter says when
	Timeout         Code = "timeout"          //
	Cancelled       Code = "cancelled"        // by the client
	Internal        Code = "internal"         // our fault; ID leads to the log
)

// Codes lists them all, so that a dialect can be checked to know each.
var Codes = []Code{
	Invalid, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, RateLimited, NoBalance, Moderated, Unsupported,
	TooLong, Overloaded, Timeout, Cancelled, Internal,
}

// Error is what a client is told. Cause is for the log alone.
type Error struct {
	Code       Code
	Message    string              // a sentence for people, without secrets
	Param      string              // the offending field as the dialect calls it; "" if none
	RetryAfter time.Duration       // 0 if unknown
	Limits     map[string][]string // of a refusal by limits: what the answer's header tells of them
	ID         string              // of the log's entry
	Cause      error
}

// New makes an error of a code.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Param makes an Invalid error about a field.
func Param(param, format string, args ...any) *Error {
	return &Error{Code: Invalid, Param: param, Message: fmt.Sprintf(format, args...)}
}

// Blame makes an error about a field whose cause stays behind, for those who
// branch on it.
func Blame(cause error, code Code, param, format string, args ...any) *Error {
	return &Error{Code: code, Param: param, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// Wrap makes an error whose cause stays behind.
func Wrap(cause error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// Error is the message with its cause, for logs.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// roomAfter is when a disk that is full may have been given room.
const roomAfter = 10 * time.Second

// From returns the client's error in err's chain, or an Internal one around it.
// A full disk is Overloaded, wherever it was met.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &Error{Code: Overloaded, Message: "the disk is full; nothing was lost; try again later", RetryAfter: roomAfter, Cause: err}
	}
	return &Error{Code: Internal, Message: "internal error", Cause: err}
}
