package nn

import (
	"reflect"
	"strconv"
)

// Named is a parameter under its name in files.
type Named struct {
	Name string
	P    *Param
}

var paramType = reflect.TypeFor[*Param]()

// Params collects the parameters of a module, a pointer to a struct: fields
// with a `name` tag, their names joined with dots and slices numbered, in the
// order of the fields. Fields without the tag are passed over, except embedded
// structs, whose fields count as the module's own.
func Params(module any) []Named {
	return appendParams(nil, "", reflect.ValueOf(module))
}

func appendParams(to []Named, name string, v reflect.Value) []Named {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return to
		}
		if v.Type() == paramType {
			return append(to, Named{name, v.Interface().(*Param)})
		}
		return appendParams(to, name, v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			to = appendParams(to, join(name, strconv.Itoa(i)), v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			switch tag, ok := f.Tag.Lookup("name"); {
			case ok:
				to = appendParams(to, join(name, tag), v.Field(i))
			case f.Anonymous:
				to = appendParams(to, name, v.Field(i))
			}
		}
	}
	return to
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "." + b
}

// ZeroGrad clears the gradients of parameters, before or after a step.
func ZeroGrad(params []Named) {
	for _, p := range params {
		clear(p.P.G)
	}
}

// Count returns the number of values in all parameters.
func Count(params []Named) int {
	n := 0
	for _, p := range params {
		n += p.P.Len()
	}
	return n
}
