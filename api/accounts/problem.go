package accounts

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
)

// problem is an error as clients get it, in the shape of OpenAI's dialect.
type problem struct {
	status int
	body   any
	fault  *fault.Error
}

func (p *problem) Error() string { return p.fault.Error() }

// GetStatus is huma's.
func (p *problem) GetStatus() int { return p.status }

// MarshalJSON leaves the cause out.
func (p *problem) MarshalJSON() ([]byte, error) { return json.Marshal(p.body) }

// retryLeast is when to come again where nobody knows better.
const retryLeast = 5 * time.Second

// failure is an error for huma to write.
func failure(r *http.Request, err error) error {
	f := wire.Report(r, err)
	status, body := openai.Problem(f)
	p := &problem{status, body, f}
	if f.Code != fault.RateLimited && f.Code != fault.Overloaded {
		return p
	}
	h := http.Header{}
	wire.RetryAfter(h, f, retryLeast)
	return huma.ErrorWithHeaders(p, h)
}

// ourWords brings huma's own errors, about requests that do not fit the
// description, into the same shape.
func ourWords(_ huma.Context, status string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	f := fault.New(fault.Invalid, "%s", e.Detail)
	switch code, _ := strconv.Atoi(status); code { // huma's own number
	case http.StatusRequestEntityTooLarge:
		f.Code = fault.TooLarge
	case http.StatusRequestTimeout:
		f.Code = fault.Timeout
	}
	if len(e.Errors) > 0 {
		where := e.Errors[0].Location
		for _, prefix := range []string{"body.", "query.", "path.", "header."} {
			where = strings.TrimPrefix(where, prefix)
		}
		f.Param, f.Message = where, e.Errors[0].Message+" ("+where+")"
	}
	_, body := openai.Problem(f)
	return body, nil
}

// plain is a context whose requests that cannot be are 400, as elsewhere in
// the API, where huma says 422.
type plain struct{ humaContext }

// humaContext keeps the embedded name away from the method Context.
type humaContext = huma.Context

// Unwrap is humachi's.
func (p plain) Unwrap() huma.Context { return p.humaContext }

// SetStatus writes the status of the answer.
func (p plain) SetStatus(code int) {
	if code == http.StatusUnprocessableEntity {
		code = http.StatusBadRequest
	}
	p.humaContext.SetStatus(code)
}

// problemResponse describes errors.
var problemResponse = &huma.Response{
	Description: "an error",
	Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
		Type: "object", Required: []string{"error"},
		Properties: map[string]*huma.Schema{"error": {
			Type: "object", Required: []string{"message", "type", "code", "param"},
			Properties: map[string]*huma.Schema{
				"message": {Type: "string"}, "type": {Type: "string"}, "code": {Type: "string"},
				"param": {Type: "string", Nullable: true, Description: "the field that is wrong"},
			},
		}},
	}}},
}
