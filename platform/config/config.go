// Package config gives the flags of commands what a file and the environment
// say, below what the command line says. A file has a section a command, with
// the flags' names:
//
//	data: /var/lib/kuai
//	serve:
//	  addr: 0.0.0.0:8080
//	  chat: [SmolLM2, ./model.gguf]
//	worker:
//	  join: https://kuai.example
//
// In the environment, serve's addr is KUAI_SERVE_ADDR. What cannot be is told
// with its file, line and key.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// ListSeparator stands between the values of a list in the environment: values
// themselves have commas.
const ListSeparator = ";"

// Annotations of flags that are settings.
const (
	section = "config/section"
	also    = "config/environment" // other names in the environment
	secret  = "config/secret"
)

// Place makes all flags of a set, which have no section yet, settings of one;
// "" is the top of the file.
func Place(f *pflag.FlagSet, name string) {
	f.VisitAll(func(flag *pflag.Flag) {
		if _, ok := flag.Annotations[section]; !ok {
			annotate(flag, section, name)
		}
	})
}

// Also lets further variables of the environment set a flag.
func Also(f *pflag.FlagSet, name string, variables ...string) {
	annotate(f.Lookup(name), also, variables...)
}

// Secret says that a flag's value is never shown.
func Secret(f *pflag.FlagSet, name string) { annotate(f.Lookup(name), secret) }

func annotate(flag *pflag.Flag, key string, values ...string) {
	if flag.Annotations == nil {
		flag.Annotations = map[string][]string{}
	}
	flag.Annotations[key] = values
}

// Section is that of a flag, "" for the top and for what is no setting.
func Section(flag *pflag.Flag) string {
	name, _ := placed(flag)
	return name
}

// placed returns a setting's section; false: the flag is no setting.
func placed(flag *pflag.Flag) (string, bool) {
	name, ok := flag.Annotations[section]
	return strings.Join(name, ""), ok
}

// key is a setting's name for people.
func key(section, name string) string { return strings.TrimPrefix(section+"."+name, ".") }

// Variable is the setting's name in the environment.
func Variable(section, name string) string {
	return "KUAI_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key(section, name)))
}

// Error is a setting that cannot be.
type Error struct {
	Where string `json:"where,omitempty"` // FILE:LINE, a variable of the environment, or "" for the command line
	Key   string `json:"key,omitempty"`   // such as serve.addr
	Text  string `json:"problem"`
	Cause error  `json:"-"` // nil: none but the text
}

func (p *Error) Error() string {
	text := p.Text
	for _, before := range []string{p.Key, p.Where} {
		if before != "" {
			text = before + ": " + text
		}
	}
	return text
}

// Unwrap returns the cause.
func (p *Error) Unwrap() error { return p.Cause }

// Problems are the problems that an error joins; nil if it is none of them.
func Problems(err error) []*Error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Error
		for _, e := range many.Unwrap() {
			all = append(all, Problems(e)...)
		}
		return all
	}
	if p, ok := errors.AsType[*Error](err); ok {
		return []*Error{p}
	}
	return nil
}

// Source is where a setting's value comes from.
type Source struct {
	Kind  string // "flag", "environment", "file", "default"
	Where string // the flag, the variable, or FILE:LINE
}

func (s Source) String() string { return cmp.Or(s.Where, s.Kind) }

// Values are the effective settings of commands: their sources by key.
type Values map[string]Source

// Unknown reports keys of a file that are no settings of any set, each with the
// nearest that is, as Problems.
func (f *File) Unknown(sets ...*pflag.FlagSet) error {
	if f == nil {
		return nil
	}
	known, sections := map[string]bool{}, map[string]bool{}
	for _, set := range sets {
		set.VisitAll(func(flag *pflag.Flag) {
			if s, ok := placed(flag); ok {
				known[key(s, flag.Name)], sections[s] = true, true
			}
		})
	}
	var errs []error
	for _, e := range f.sections {
		switch {
		case known[e.section]:
			errs = append(errs, &Error{Where: f.at(e.line), Key: e.section, Text: "wants a value, not settings below it"})
		case !sections[e.section]:
			errs = append(errs, &Error{Where: f.at(e.line), Key: e.section, Text: "there is no such section" + didYouMean(e.section, sections)})
		}
	}
	for _, e := range f.entries {
		if k := key(e.section, e.name); !known[k] && (e.section == "" || sections[e.section]) {
			errs = append(errs, &Error{Where: f.at(e.line), Key: k, Text: "there is no such setting" + didYouMean(k, known)})
		}
	}
	return errors.Join(errs...)
}

// Strays are variables of an environment, as os.Environ lists them, that look
// as if they were of a section and are none of its settings.
func Strays(environ []string, section string, set *pflag.FlagSet) []*Error {
	known := map[string]bool{}
	set.VisitAll(func(flag *pflag.Flag) {
		for _, v := range variables(flag) {
			known[v] = true
		}
	})
	var strays []*Error
	for _, text := range environ {
		name, _, _ := strings.Cut(text, "=")
		if strings.HasPrefix(name, Variable(section, "")) && !known[name] {
			strays = append(strays, &Error{Where: name, Text: "no setting has this variable" + didYouMean(name, known)})
		}
	}
	return strays
}

// variables are those that set a flag, the first first.
func variables(flag *pflag.Flag) []string {
	s, ok := placed(flag)
	if !ok {
		return nil
	}
	return append([]string{Variable(s, flag.Name)}, flag.Annotations[also]...)
}

// Apply sets the flags that are settings and that the command line left alone:
// from the environment, else from the file, which may be nil. Its errors are
// Problems, all of them.
func Apply(set *pflag.FlagSet, f *File, lookup func(string) (string, bool)) (Values, error) {
	values := Values{}
	var errs []error
	set.VisitAll(func(flag *pflag.Flag) {
		s, ok := placed(flag)
		if !ok {
			return
		}
		source, err := apply(flag, s, f, lookup)
		values[key(s, flag.Name)] = source
		errs = append(errs, err)
	})
	return values, errors.Join(errs...)
}

func apply(flag *pflag.Flag, section string, f *File, lookup func(string) (string, bool)) (Source, error) {
	if flag.Changed {
		return Source{"flag", "--" + flag.Name}, nil
	}
	given, source := []string(nil), Source{Kind: "default"}
	isList := false
	for _, name := range variables(flag) {
		if text, ok := lookup(name); ok && text != "" {
			given, source = []string{text}, Source{"environment", name}
			if _, isList = flag.Value.(pflag.SliceValue); isList {
				given = strings.Split(text, ListSeparator)
			}
			break
		}
	}
	if e := f.find(section, flag.Name); e != nil && given == nil {
		given, source, isList = e.values, Source{"file", f.at(e.line)}, e.list
	}
	if source.Kind == "default" {
		return source, nil
	}
	if err := setFlag(flag, given, isList); err != nil {
		return source, &Error{Where: source.Where, Key: key(section, flag.Name), Text: err.Error()}
	}
	return source, nil
}

// kinds say what a flag's type wants, where its name does not say so.
var kinds = map[string]string{
	"bool": "true or false", "int": "a whole number", "duration": "a duration such as 30s or 2h", "float64": "a number",
}

func setFlag(flag *pflag.Flag, given []string, isList bool) error {
	list, ok := flag.Value.(pflag.SliceValue)
	switch {
	case ok:
		if err := list.Replace(given); err != nil {
			return fmt.Errorf("a list that cannot be: %w", err)
		}
	case isList:
		return errors.New("is a list, want one value")
	default:
		if err := flag.Value.Set(given[0]); err != nil {
			if _, hidden := flag.Annotations[secret]; hidden {
				return errors.New("cannot be this value")
			}
			return fmt.Errorf("is %q, want %s", given[0], cmp.Or(kinds[flag.Value.Type()], "a "+flag.Value.Type()))
		}
	}
	flag.Changed = true
	return nil
}

// maxFar is how many letters a misspelt key may be away from the right one.
const maxFar = 3

// didYouMean names the nearest known key, if one is near.
func didYouMean(k string, known map[string]bool) string {
	best, far := "", min(maxFar, len(k)/2)+1
	for _, other := range slices.Sorted(maps.Keys(known)) {
		if n := distance(k, other); n < far {
			best, far = other, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// maxKey bounds the keys that are compared.
const maxKey = 64

// distance is Levenshtein's: letters to add, take away or change.
func distance(a, b string) int {
	if len(a) > maxKey || len(b) > maxKey {
		return maxKey
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
