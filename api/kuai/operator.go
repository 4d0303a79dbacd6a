package kuai

import (
	"net"
	"net/http"
	"time"

	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/audit"
	"kuai/platform/db"
)

// Operators is what the routes of those who run the installation share: who
// may, and the log of what they changed.
type Operators struct {
	DB   *db.DB
	Gate gate.Gate
}

// as makes a handler of f for operators whose key has a scope. f returns what is
// answered; nil is no content.
func (o Operators) as(scope string, f func(w http.ResponseWriter, r asking) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := gate.Enter(o.Gate, w.Header(), r, gate.Work{Dialect: "kuai", Endpoint: wire.Route(r), Scope: scope})
		if err == nil && !who.Admin {
			err = fault.New(fault.Forbidden, "only who runs the installation may do this")
		}
		var out any
		if err == nil {
			out, err = f(w, asking{r, who, who.Org})
		}
		file, isFile := out.(csvFile)
		switch {
		case err != nil:
			openai.Failed(w, r, err)
		case out == nil:
			w.WriteHeader(http.StatusNoContent)
		case isFile:
			file.send(w)
		default:
			w.Header().Set("Cache-Control", "no-store")
			wire.JSON(w, http.StatusOK, out)
		}
	}
}

// entry is a change for the audit log.
func (r asking) entry(action, object string, detail any) audit.Entry {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	return audit.Entry{Actor: r.actor(), Action: action, Object: object, IP: ip, Detail: detail}
}

// logged does something that no transaction can hold, and notes it before: a
// change without a record is worse than a record of what failed.
func (o Operators) logged(r asking, action, object string, do func() error) error {
	err := o.DB.Tx(r.Context(), func(tx *db.Tx) error {
		return audit.Append(r.Context(), tx, time.Now(), r.entry(action, object, nil))
	})
	if err != nil {
		return err
	}
	return do()
}
