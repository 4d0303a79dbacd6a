package config

import (
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Setting is an effective setting, for people: secrets are masked.
type Setting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"` // a string, or a list of them
	Source string `json:"source"`
}

// masked stands for what is not shown.
const masked = "xxxxx"

// Show lists the settings of a set with where Apply found them.
func Show(set *pflag.FlagSet, values Values) []Setting {
	var all []Setting
	set.VisitAll(func(flag *pflag.Flag) {
		s, ok := placed(flag)
		if !ok {
			return
		}
		k := key(s, flag.Name)
		one := Setting{Key: k, Source: values[k].String()}
		_, hidden := flag.Annotations[secret]
		list, many := flag.Value.(pflag.SliceValue)
		switch text := flag.Value.String(); {
		case many:
			shown := slices.Clone(list.GetSlice())
			for i := range shown {
				shown[i] = Mask(shown[i])
			}
			one.Value = shown
		case hidden && text != "":
			one.Value = masked
		default:
			one.Value = Mask(text)
		}
		all = append(all, one)
	})
	return all
}

// Mask takes secrets out of a value: the password of a URL, and its parameters
// that are named like one. What is no URL stays as it is.
func Mask(value string) string {
	if !strings.Contains(value, "://") {
		return value
	}
	if strings.Contains(value, ",") { // a list, as NATS takes it
		parts := strings.Split(value, ",")
		for i := range parts {
			parts[i] = Mask(parts[i])
		}
		return strings.Join(parts, ",")
	}
	u, err := url.Parse(value)
	if err != nil {
		return masked // whatever it holds
	}
	if u.User != nil {
		if _, ok := u.User.Password(); ok {
			u.User = url.UserPassword(u.User.Username(), masked)
		} else if u.Scheme == "nats" || u.Scheme == "tls" {
			u.User = url.User(masked) // a token
		}
	}
	q := u.Query()
	for name := range q {
		for _, like := range []string{"pass", "secret", "token", "key"} {
			if strings.Contains(strings.ToLower(name), like) {
				q.Set(name, masked)
				u.RawQuery = q.Encode()
			}
		}
	}
	return u.String()
}
