package clip

import (
	"fmt"
	"strings"

	"kuai/fault"
	"kuai/platform/render"
)

// Models lists all that make clips; the first one is meant where nobody names one.
func (rm *Room) Models() []string {
	var all []string
	for _, f := range rm.Videos.Forms() {
		all = append(all, f.Name)
	}
	return append(all, Model)
}

// Choose takes a model for an order by its name, "" for the first one.
func (rm *Room) Choose(o *Order, name string) error {
	all := rm.Models()
	for _, m := range all {
		if name == "" || name == m {
			o.Model = m
			return nil
		}
	}
	return fault.Param("model", "model is %.40q, clips are made by %s", name, strings.Join(all, ", "))
}

// form is what the clips of an order's model are like; false for the built-in one.
func (rm *Room) form(o *Order) (render.Form, bool) {
	for _, f := range rm.Videos.Forms() {
		if f.Name == o.Model {
			return f, true
		}
	}
	return render.Form{}, false
}

// pace is the length of the longest clip of an order's model, in frames, and how
// many of them are shown a second; false where nobody knows.
func (rm *Room) pace(o *Order) (frames, fps int, ok bool) {
	if f, far := rm.form(o); far {
		return f.Frames, f.FPS, true
	}
	s, ok := rm.Videos.Shape()
	if !ok {
		return 0, 0, false
	}
	return s.Frames(), s.FPS(), true
}

// Sides are the lengths of a delivered clip's sides; 0 where nobody knows.
func (rm *Room) Sides(o *Order) (width, height int) {
	if f, far := rm.form(o); far {
		return f.Width, f.Height
	}
	if s, ok := rm.Videos.Shape(); ok {
		return s.Size() * Scale, s.Size() * Scale
	}
	return 0, 0
}

// Size refuses a size that the model's clips do not have.
func (rm *Room) Size(o *Order, field, size string) error {
	if w, h := rm.Sides(o); size != "" && w > 0 && size != fmt.Sprintf("%dx%d", w, h) {
		return fault.Param(field, "%s is %.40q, want %dx%d", field, size, w, h)
	}
	return nil
}
