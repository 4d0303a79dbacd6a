package openai

import (
	"net/http"
	"time"

	"kuai/api/wire"
	"kuai/fault"
)

// retryLeast is when to come again where nobody knows better.
const retryLeast = 5 * time.Second

// kind is how OpenAI's dialect tells an error.
type kind struct {
	status     int
	kind, code string
}

// kinds has a row for each code of ours.
var kinds = map[fault.Code]kind{
	fault.Invalid:         {http.StatusBadRequest, "invalid_request_error", "invalid_value"},
	fault.Unauthenticated: {http.StatusUnauthorized, "authentication_error", "invalid_api_key"},
	fault.Forbidden:       {http.StatusForbidden, "permission_error", "insufficient_permissions"},
	fault.NotFound:        {http.StatusNotFound, "invalid_request_error", "not_found"},
	fault.Conflict:        {http.StatusConflict, "invalid_request_error", "conflict"},
	fault.TooLarge:        {http.StatusRequestEntityTooLarge, "invalid_request_error", "request_too_large"},
	fault.RateLimited:     {http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded"},
	fault.NoBalance:       {http.StatusTooManyRequests, "insufficient_quota", "insufficient_quota"},
	fault.Moderated:       {http.StatusBadRequest, "invalid_request_error", "content_policy_violation"},
	fault.Unsupported:     {http.StatusBadRequest, "invalid_request_error", "unsupported"},
	fault.TooLong:         {http.StatusBadRequest, "invalid_request_error", "context_length_exceeded"},
	fault.Overloaded:      {http.StatusServiceUnavailable, "server_error", "overloaded"},
	fault.Timeout:         {http.StatusRequestTimeout, "server_error", "timeout"},
	fault.Cancelled:       {499, "invalid_request_error", "cancelled"}, // nginx's status: nobody reads it
	fault.Internal:        {http.StatusInternalServerError, "server_error", "internal"},
}

func kindOf(f *fault.Error) kind {
	k, ok := kinds[f.Code]
	if !ok {
		k = kinds[fault.Internal]
	}
	if f.Code == fault.NotFound && f.Param == "model" {
		k.code = "model_not_found"
	}
	return k
}

// body is an error in OpenAI's shape.
func body(f *fault.Error) any {
	k := kindOf(f)
	var param any
	if f.Param != "" {
		param = f.Param
	}
	return map[string]any{"error": map[string]any{"message": f.Message, "type": k.kind, "code": k.code, "param": param}}
}

// Problem is an error as OpenAI's dialect tells it, for others that speak it.
func Problem(f *fault.Error) (status int, problem any) { return kindOf(f).status, body(f) }

// Failed tells a client what went wrong.
func Failed(w http.ResponseWriter, r *http.Request, err error) {
	f := wire.Report(r, err)
	switch f.Code {
	case fault.RateLimited, fault.Overloaded:
		wire.RetryAfter(w.Header(), f, retryLeast)
	case fault.NoBalance: // coming again at once changes nothing
		wire.Limits(w.Header(), f) // it is 429 too
		w.Header().Set("X-Should-Retry", "false")
	}
	wire.JSON(w, kindOf(f).status, body(f))
}
