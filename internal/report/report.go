// Package report is the one form in which benchmarks and evaluations tell
// their figures: a table for people, one JSON object for machines.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"text/tabwriter"
)

// Bar is one figure and what it should reach.
type Bar struct {
	Name   string   `json:"name"`
	Value  *float64 `json:"value"`         // null where it could not be taken
	Bar    *float64 `json:"bar,omitempty"` // what it should be at least (or, for Less, at most)
	Less   bool     `json:"less_is_better,omitempty"`
	Unit   string   `json:"unit"`
	OK     *bool    `json:"ok,omitempty"` // absent without a bar
	Reason string   `json:"reason,omitempty"`

	// Of a share of cases: how many there were, and between what their share
	// lies in 95 of 100 such samples.
	Cases int      `json:"cases,omitempty"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`
}

// Report is what a command prints.
type Report struct {
	Machine string         `json:"machine"`
	Model   string         `json:"model,omitempty"`
	Bars    []Bar          `json:"bars"`
	Notes   map[string]any `json:"notes,omitempty"`
}

// Machine names the processor's kind and the cores in use.
func Machine() string {
	return fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.Version())
}

// Add appends a figure without a bar.
func (r *Report) Add(name string, value float64, unit string) {
	r.Bars = append(r.Bars, Bar{Name: name, Value: &value, Unit: unit})
}

// Share appends the share of n cases that k is, with its interval.
func (r *Report) Share(name string, k, n int, unit string) {
	if n == 0 {
		r.Missing(name, unit, "no cases")
		return
	}
	r.Add(name, float64(k)/float64(n), unit)
	low, high := Wilson(k, n)
	b := &r.Bars[len(r.Bars)-1]
	b.Cases, b.Low, b.High = n, &low, &high
}

// Wilson is the interval in which the share lies that k of n cases are a sample
// of, with 95 % confidence. It holds for few cases and for shares near 0 and 1,
// where the normal approximation does not.
//
// Source: Wilson, Probable inference, the law of succession, and statistical
// inference, 1927.
func Wilson(k, n int) (low, high float64) {
	const z = 1.959963984540054
	p, m := float64(k)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, middle-half), min(1, middle+half)
}

// rounding is how far a figure may be on the wrong side of its bar and meet it:
// a share of two in a hundred is not exactly 0.02.
const rounding = 1e-9

// AtLeast appends a figure that should reach bar.
func (r *Report) AtLeast(name string, value, bar float64, unit string) {
	ok := value >= bar-rounding
	r.Bars = append(r.Bars, Bar{Name: name, Value: &value, Bar: &bar, Unit: unit, OK: &ok})
}

// AtMost appends a figure that should stay below bar.
func (r *Report) AtMost(name string, value, bar float64, unit string) {
	ok := value <= bar+rounding
	r.Bars = append(r.Bars, Bar{Name: name, Value: &value, Bar: &bar, Less: true, Unit: unit, OK: &ok})
}

// Missing appends a figure that could not be taken.
func (r *Report) Missing(name, unit, reason string) {
	r.Bars = append(r.Bars, Bar{Name: name, Unit: unit, Reason: reason})
}

// JSON writes the report as one object.
func (r *Report) JSON(w io.Writer) error {
	for i := range r.Bars {
		if v := r.Bars[i].Value; v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
			r.Bars[i].Value, r.Bars[i].Reason = nil, fmt.Sprintf("the figure is %v", *v)
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Text writes the report as a table.
func (r *Report) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) // its Flush reports what fails
	_, _ = fmt.Fprintf(t, "%s\n", r.Machine)
	if r.Model != "" {
		_, _ = fmt.Fprintf(t, "%s\n", r.Model)
	}
	for _, b := range r.Bars {
		value, want, mark := "-", "", ""
		if b.Value != nil {
			value = fmt.Sprintf("%.4g", *b.Value)
		}
		if b.Low != nil && b.High != nil {
			value += fmt.Sprintf(" (%.2g-%.2g)", *b.Low, *b.High)
		}
		if b.Bar != nil {
			sign := "at least"
			if b.Less {
				sign = "at most"
			}
			want = fmt.Sprintf("%s %.4g", sign, *b.Bar)
		}
		if b.OK != nil {
			mark = map[bool]string{true: "ok", false: "MISSED"}[*b.OK]
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", b.Name, value, b.Unit, want, mark, b.Reason)
	}
	return t.Flush()
}
