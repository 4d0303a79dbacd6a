package minimax

import (
	"fmt"
	"net/http"
	"time"

	"kuai/api/wire"
	"kuai/fault"
)

// retryLeast is when to come again where nobody knows better.
const retryLeast = 5 * time.Second

// kind is how MiniMax's dialects tell an error: v1 by a number in base_resp, in
// a body whose status is nearly always 200; v2 by a status and a word.
type kind struct {
	code    int // of base_resp
	status  int // of v1
	status2 int // of v2
	word    string
}

// kinds has a row for each code of ours. 1002 goes out with 429, since mmx
// takes it for a content filter with 200; 1004 with 200, since minimax-mcp-js
// knows it so alone.
var kinds = map[fault.Code]kind{
	fault.Invalid:         {2013, 200, 400, "invalid_request_error"},
	fault.Unauthenticated: {1004, 200, 401, "authorized_error"},
	fault.Forbidden:       {1004, 200, 403, "authorized_error"},
	fault.NotFound:        {2013, 200, 404, "not_found_error"},
	fault.Conflict:        {2013, 200, 409, "invalid_request_error"},
	fault.TooLarge:        {2013, 413, 413, "invalid_request_error"},
	fault.RateLimited:     {1002, 429, 429, "rate_limit_error"},
	fault.NoBalance:       {1008, 200, 402, "insufficient_balance_error"},
	fault.Moderated:       {1026, 200, 422, "unprocessable_entity_error"},
	fault.Unsupported:     {2013, 200, 400, "invalid_request_error"},
	fault.TooLong:         {1039, 200, 400, "invalid_request_error"},
	fault.Overloaded:      {1033, 200, 503, "api_error"},
	fault.Timeout:         {1001, 200, 504, "api_error"},
	fault.Cancelled:       {1000, 499, 499, "api_error"}, // nginx's status: nobody reads it
	fault.Internal:        {1024, 200, 500, "api_error"},
}

func kindOf(f *fault.Error) kind {
	if k, ok := kinds[f.Code]; ok {
		return k
	}
	return kinds[fault.Internal]
}

// object is a JSON object.
type object map[string]any

// ChatFields are what MiniMax adds to an answer in OpenAI's shape.
var ChatFields = object{
	"input_sensitive": false, "input_sensitive_type": 0, "output_sensitive": false, "output_sensitive_type": 0,
	"base_resp": object{"status_code": 0, "status_msg": "success"},
}

// base is the base_resp of an error.
func base(f *fault.Error) object {
	message := f.Message
	if f.Param != "" {
		message = f.Param + ": " + message
	}
	return object{"status_code": kindOf(f).code, "status_msg": message}
}

// write sends a body of v1 that went well.
func write(w http.ResponseWriter, o object) {
	o["base_resp"] = object{"status_code": 0, "status_msg": "success"}
	wire.JSON(w, http.StatusOK, o)
}

// failed tells a client of v1 what went wrong.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	f := wire.Report(r, err)
	if f.Code == fault.RateLimited || f.Code == fault.Overloaded {
		wire.RetryAfter(w.Header(), f, retryLeast)
	}
	wire.JSON(w, kindOf(f).status, object{"base_resp": base(f), "trace_id": f.ID})
}

// failed2 tells a client of v2 what went wrong: the number stands in brackets
// at the message's end.
func failed2(w http.ResponseWriter, r *http.Request, err error) {
	f := wire.Report(r, err)
	k := kindOf(f)
	if f.Code == fault.RateLimited || f.Code == fault.Overloaded {
		wire.RetryAfter(w.Header(), f, retryLeast)
	}
	message := fmt.Sprintf("%s (%d)", base(f)["status_msg"], k.code)
	wire.JSON(w, k.status2, object{"type": "error", "error": object{"type": k.word, "message": message}, "request_id": f.ID})
}

// Unknown2 answers for an address of v2 that there is not.
func Unknown2(w http.ResponseWriter, r *http.Request) {
	failed2(w, r, fault.New(fault.NotFound, "there is no %s %.200s", r.Method, r.URL.Path))
}

// amount is money as MiniMax writes it.
func amount(micros int64) string {
	sign := ""
	if micros < 0 {
		sign, micros = "-", -micros
	}
	return fmt.Sprintf("%s%d.%02d", sign, micros/1_000_000, micros%1_000_000/10_000)
}
