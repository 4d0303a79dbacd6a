package prompt

import (
	"fmt"
	"strings"
	"time"

	"github.com/ardanlabs/jinja"
)

// The library runs a template to its end, whatever it does. So what a template
// repeats, keeps and prints goes through functions of ours, which are woven
// into its source and count; see weave.

// budget is what one rendering may still do.
type budget struct {
	now    func() time.Time
	end    time.Time
	steps  int
	output int
	depth  int
}

func newBudget(now func() time.Time) *budget {
	return &budget{now: now, end: time.Now().Add(maxTime), steps: maxSteps, output: maxOutput}
}

// install puts the functions where the template finds them.
func (b *budget) install(data map[string]jinja.Value) {
	def := func(name string, f func(args []jinja.Value) (jinja.Value, error)) {
		data[name] = jinja.NewCallable(name, func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
			if time.Now().After(b.end) {
				return jinja.Undefined(), ErrLimit
			}
			return f(args)
		})
	}
	def("__out", func(args []jinja.Value) (jinja.Value, error) {
		v := first(args)
		if v.IsFloat() {
			v = toString(v)
		}
		if b.output -= size(v); b.output < 0 {
			return v, ErrLimit
		}
		return v, nil
	})
	def("__keep", func(args []jinja.Value) (jinja.Value, error) {
		v := first(args)
		if b.steps--; b.steps < 0 || size(v) > maxOutput {
			return v, ErrLimit
		}
		return v, nil
	})
	def("__each", func(args []jinja.Value) (jinja.Value, error) {
		v := first(args)
		if b.steps -= size(v) + 1; b.steps < 0 {
			return v, ErrLimit
		}
		return v, nil
	})
	def("__enter", func([]jinja.Value) (jinja.Value, error) {
		b.steps--
		if b.depth++; b.depth > maxDepth || b.steps < 0 {
			return jinja.Undefined(), ErrLimit
		}
		return jinja.None(), nil
	})
	def("__leave", func([]jinja.Value) (jinja.Value, error) {
		b.depth--
		return jinja.None(), nil
	})
	def("range", b.rang)
	data["__tojson"] = jinja.NewCallable("tojson", toJSON)
	def("__string", func(args []jinja.Value) (jinja.Value, error) { return toString(first(args)), nil })
	def("strftime_now", func(args []jinja.Value) (jinja.Value, error) {
		format := "%Y-%m-%d"
		if v := first(args); v.IsString() {
			format = v.AsString()
		}
		return jinja.NewString(strftime(b.now(), format)), nil
	})
	def("raise_exception", func(args []jinja.Value) (jinja.Value, error) {
		message := "the messages do not fit"
		if v := first(args); v.IsString() {
			message = v.AsString()
		}
		return jinja.Undefined(), &RaiseError{message}
	})
}

func first(args []jinja.Value) jinja.Value {
	if len(args) == 0 {
		return jinja.Undefined()
	}
	return args[0]
}

// size is about how much a value holds.
func size(v jinja.Value) int {
	switch {
	case v.IsString():
		return len(v.AsString())
	case v.IsList():
		return v.AsList().Len()
	case v.IsDict():
		return v.AsDict().Len()
	}
	return 1
}

// rang is Jinja's range.
func (b *budget) rang(args []jinja.Value) (jinja.Value, error) {
	var n [3]int64
	for i, a := range args {
		if i >= 3 || !a.IsInt() {
			return jinja.Undefined(), fmt.Errorf("range: a whole number is wanted")
		}
		n[i] = a.AsInt()
	}
	start, stop, step := int64(0), n[0], int64(1)
	if len(args) > 1 {
		start, stop = n[0], n[1]
	}
	if len(args) > 2 {
		step = n[2]
	}
	if step == 0 {
		return jinja.Undefined(), fmt.Errorf("range: the step is 0")
	}
	var items []jinja.Value
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if b.steps--; b.steps < 0 {
			return jinja.Undefined(), ErrLimit
		}
		items = append(items, jinja.NewInt(i))
	}
	return jinja.NewList(items), nil
}

// strftime formats a time as Python does.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		layout, ok := map[byte]string{
			'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday",
			'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'Z': "MST", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05", 'j': "002",
		}[format[i]]
		if format[i] == '-' && i+1 < len(format) { // %-d: without a zero
			i++
			layout, ok = map[byte]string{'d': "2", 'm': "1", 'H': "15", 'I': "3", 'M': "4", 'S': "5"}[format[i]]
		}
		switch {
		case ok:
			b.WriteString(t.Format(layout))
		case format[i] == '%':
			b.WriteByte('%')
		default:
			b.WriteString("%" + string(format[i]))
		}
	}
	return b.String()
}
