package openai

import (
	"net/http"
	"slices"
	"strconv"
)

// page cuts a list as OpenAI's clients page through it.
func page(all []Video, r *http.Request) ([]Video, bool, error) {
	limit := defaultPage
	if s := r.FormValue("limit"); s != "" {
		var err error
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxPage {
			return nil, false, invalid("limit", "limit is %q, want 1 to %d", s, maxPage)
		}
	}
	switch o := r.FormValue("order"); o {
	case "", "desc":
	case "asc":
		slices.Reverse(all)
	default:
		return nil, false, invalid("order", "order is %q, want asc or desc", o)
	}
	if after := r.FormValue("after"); after != "" {
		at := slices.IndexFunc(all, func(v Video) bool { return v.ID == after })
		if at < 0 {
			return nil, false, invalid("after", "after is %q: there is no video with this id", after)
		}
		all = all[at+1:]
	}
	n := min(limit, len(all))
	return all[:n], n < len(all), nil
}
