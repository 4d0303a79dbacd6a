package openai

import (
	"net/http"
	"slices"

	"kuai/api/wire"
	"kuai/fault"
)

const (
	defaultPage     = 20
	defaultFilePage = 1000
	maxPage         = 10_000
)

// list is a page of a list.
type list[T any] struct {
	Object  string  `json:"object"`
	Data    []T     `json:"data"`
	HasMore bool    `json:"has_more"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
}

// page cuts a list, the newest first, as OpenAI's clients page through it.
func page[T any](all []T, id func(T) string, r *http.Request, size int) (list[T], error) {
	out := list[T]{Object: "list", Data: []T{}}
	q := r.URL.Query()
	limit, err := wire.Number(q.Get("limit")).Int("limit", size)
	if err == nil && (limit < 1 || limit > maxPage) {
		err = fault.Param("limit", "limit is %d, want 1 to %d", limit, maxPage)
	}
	if err != nil {
		return out, err
	}
	switch o := q.Get("order"); o {
	case "", "desc":
	case "asc":
		slices.Reverse(all)
	default:
		return out, fault.Param("order", "order is %.40q, want asc or desc", o)
	}
	if after := q.Get("after"); after != "" {
		at := slices.IndexFunc(all, func(v T) bool { return id(v) == after })
		if at < 0 {
			return out, fault.Param("after", "after is %.60q: there is nothing with this id", after)
		}
		all = all[at+1:]
	}
	n := min(limit, len(all))
	if n > 0 {
		first, last := id(all[0]), id(all[n-1])
		out.Data, out.FirstID, out.LastID = all[:n], &first, &last
	}
	out.HasMore = n < len(all)
	return out, nil
}
