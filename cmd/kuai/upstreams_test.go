package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/api/talk"
	"kuai/serve/chat"
)

func TestTogether(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"http://a/v1,http://b/v1#m", "http://c#n"}, []string{"http://a/v1,http://b/v1#m", "http://c#n"}},
		{[]string{"http://a/v1", "http://b/v1#m", "http://c#n"}, []string{"http://a/v1,http://b/v1#m", "http://c#n"}},
		{[]string{"http://a", "http://b"}, []string{"http://a,http://b"}},
	} {
		if diff := cmp.Diff(tt.want, together(tt.in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestOpenModels(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		addresses []string
		slots     int
		want      []string // nil: refused
	}{
		{[]string{"http://127.0.0.1:1/v1,http://127.0.0.1:2/v1#org/m"}, 64, []string{"org/m"}},
		{[]string{"http://127.0.0.1:1#m", "http://127.0.0.1:1#n"}, 64, []string{"m", "n"}},
		{[]string{"http://127.0.0.1:1#m", "http://127.0.0.1:2#m"}, 64, nil},
		{[]string{"http://127.0.0.1:1/v1"}, 64, nil},
		{[]string{"gpu1#m"}, 64, nil},
		{[]string{"http://127.0.0.1:1#m"}, 0, nil},
	} {
		all, done, err := openModels(t.Context(), &chat.Group{}, tt.addresses, tt.slots)
		if err != nil {
			if tt.want != nil {
				t.Errorf("%q: %v", tt.addresses, err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, all.Names()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.addresses, diff)
		}
		if c, _ := all.(talk.Remote).Upstream(""); c.Slots != tt.slots*(1+strings.Count(tt.addresses[0], ",")) {
			t.Errorf("%q: %d chats at once", tt.addresses, c.Slots)
		}
		done()
	}
}
