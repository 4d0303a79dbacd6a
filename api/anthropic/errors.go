package anthropic

import (
	"net/http"
	"time"

	"kuai/api/wire"
	"kuai/fault"
)

// retryLeast is when to come again where nobody knows better.
const retryLeast = 5 * time.Second

// kind is how Anthropic's dialect tells an error.
type kind struct {
	status int
	kind   string
}

// kinds has a row for each code of ours.
var kinds = map[fault.Code]kind{
	fault.Invalid:         {http.StatusBadRequest, "invalid_request_error"},
	fault.Unauthenticated: {http.StatusUnauthorized, "authentication_error"},
	fault.Forbidden:       {http.StatusForbidden, "permission_error"},
	fault.NotFound:        {http.StatusNotFound, "not_found_error"},
	fault.Conflict:        {http.StatusConflict, "invalid_request_error"},
	fault.TooLarge:        {http.StatusRequestEntityTooLarge, "request_too_large"},
	fault.RateLimited:     {http.StatusTooManyRequests, "rate_limit_error"},
	fault.NoBalance:       {http.StatusPaymentRequired, "billing_error"},
	fault.Moderated:       {http.StatusBadRequest, "invalid_request_error"},
	fault.Unsupported:     {http.StatusBadRequest, "invalid_request_error"},
	fault.TooLong:         {http.StatusBadRequest, "invalid_request_error"},
	fault.Overloaded:      {529, "overloaded_error"}, // a status of Anthropic's own
	fault.Timeout:         {http.StatusGatewayTimeout, "timeout_error"},
	fault.Cancelled:       {499, "invalid_request_error"}, // nginx's status: nobody reads it
	fault.Internal:        {http.StatusInternalServerError, "api_error"},
}

func kindOf(f *fault.Error) kind {
	if k, ok := kinds[f.Code]; ok {
		return k
	}
	return kinds[fault.Internal]
}

// body is an error in Anthropic's shape; the field stands before the message,
// as the vendor has it.
func body(f *fault.Error) any {
	message := f.Message
	if f.Param != "" {
		message = f.Param + ": " + message
	}
	return object{"type": "error", "error": object{"type": kindOf(f).kind, "message": message}, "request_id": f.ID}
}

// failed tells a client what went wrong.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	f := wire.Report(r, err)
	switch f.Code {
	case fault.RateLimited, fault.Overloaded:
		wire.RetryAfter(w.Header(), f, retryLeast)
	case fault.NoBalance:
		w.Header().Set("X-Should-Retry", "false")
	}
	wire.JSON(w, kindOf(f).status, body(f))
}

// Unknown answers for an address that there is not.
func Unknown(w http.ResponseWriter, r *http.Request) {
	failed(w, r, fault.New(fault.NotFound, "there is no %s %.200s", r.Method, r.URL.Path))
}
