package gate

import (
	"net/http"

	"kuai/fault"
)

// Urgency is how soon something is to be done beside what others want.
type Urgency string

// The urgencies. Batch is done when nobody else waits, or nearly; Urgent goes
// before others, and is for keys to which an operator gave the scope "urgent".
const (
	Batch  Urgency = "batch"
	Normal Urgency = ""
	Urgent Urgency = "urgent"
)

// UrgencyHeader is where clients of any dialect say it.
const UrgencyHeader = "Kuai-Priority"

// ReadUrgency returns what a caller's request says of its urgency; said is what
// stands in its body, in words of a vendor's: who asks there for what the key
// may not have is served as all are. The header says more, and is refused.
func ReadUrgency(r *http.Request, p Principal, said Urgency) (Urgency, error) {
	if said == Urgent && !p.Urgent && !p.Admin {
		said = Normal
	}
	switch s := r.Header.Get(UrgencyHeader); s {
	case "":
	case "normal":
		said = Normal
	case "batch", "urgent":
		said = Urgency(s)
	default:
		return Normal, fault.Param(UrgencyHeader, "%s is %.40q, want batch, normal or urgent", UrgencyHeader, s)
	}
	if said == Urgent && !p.Urgent && !p.Admin {
		return Normal, &fault.Error{Code: fault.Forbidden, Param: UrgencyHeader, Message: "this key may not be urgent: an operator gives the scope for it"}
	}
	return said, nil
}
