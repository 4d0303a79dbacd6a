package wire

import (
	"encoding/json"
	"strconv"
	"strings"

	"kuai/fault"
)

// Texts is a text, a list of texts, or null.
type Texts []string

// UnmarshalJSON takes them all; an empty text is none.
func (l *Texts) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*l = nil
		if one != "" {
			*l = Texts{one}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// Number takes 5 and "5", kept as it stood; "" is none.
type Number string

// UnmarshalJSON accepts a number, a string, or null.
func (n *Number) UnmarshalJSON(b []byte) error {
	s := string(b)
	switch {
	case s == "null":
		s = ""
	case strings.HasPrefix(s, `"`):
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
	case strings.HasPrefix(s, "{"), strings.HasPrefix(s, "["), s == "true", s == "false":
		return fault.New(fault.Invalid, "%.40s where a number is expected", s)
	}
	*n = Number(strings.TrimSpace(s))
	return nil
}

// Int reads a whole number of a field; unset if there is none.
func (n Number) Int(field string, unset int) (int, error) {
	if n == "" {
		return unset, nil
	}
	i, err := strconv.Atoi(string(n))
	if err != nil {
		return 0, fault.Param(field, "%s is %.40q, want a whole number", field, string(n))
	}
	return i, nil
}

// Float reads a number of a field; unset if there is none.
func (n Number) Float(field string, unset float64) (float64, error) {
	if n == "" {
		return unset, nil
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil || f != f {
		return 0, fault.Param(field, "%s is %.40q, want a number", field, string(n))
	}
	return f, nil
}

// Uint reads a whole number of a field that is not negative.
func (n Number) Uint(field string) (uint64, error) {
	u, err := strconv.ParseUint(string(n), 10, 64)
	if err != nil {
		return 0, fault.Param(field, "%s is %.40q, want a whole number", field, string(n))
	}
	return u, nil
}
