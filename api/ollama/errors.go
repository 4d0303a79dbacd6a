package ollama

import (
	"net/http"
	"time"

	"kuai/api/wire"
	"kuai/fault"
)

// retryLeast is when to come again where nobody knows better.
const retryLeast = 5 * time.Second

// statuses has a row for each code of ours; the rest is 400.
var statuses = map[fault.Code]int{
	fault.Invalid:         http.StatusBadRequest,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.RateLimited:     http.StatusTooManyRequests,
	fault.NoBalance:       http.StatusPaymentRequired,
	fault.Moderated:       http.StatusUnprocessableEntity,
	fault.Unsupported:     http.StatusBadRequest,
	fault.TooLong:         http.StatusBadRequest,
	fault.Overloaded:      http.StatusServiceUnavailable,
	fault.Timeout:         http.StatusGatewayTimeout,
	fault.Cancelled:       499, // nginx's status: nobody reads it
	fault.Internal:        http.StatusInternalServerError,
}

// body is an error in Ollama's shape: a text, with the field before it.
func body(f *fault.Error) any {
	message := f.Message
	if f.Param != "" && f.Code != fault.NotFound {
		message = f.Param + ": " + message
	}
	return map[string]string{"error": message}
}

// failed tells a client what went wrong.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	f := wire.Report(r, err)
	if f.Code == fault.RateLimited || f.Code == fault.Overloaded {
		wire.RetryAfter(w.Header(), f, retryLeast)
	}
	status, ok := statuses[f.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	wire.JSON(w, status, body(f))
}
