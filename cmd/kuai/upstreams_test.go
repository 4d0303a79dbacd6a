package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
		want      []string // nil: refused
	}{
		{[]string{"http://127.0.0.1:1/v1,http://127.0.0.1:2/v1#org/m"}, []string{"org/m"}},
		{[]string{"http://127.0.0.1:1#m", "http://127.0.0.1:1#n"}, []string{"m", "n"}},
		{[]string{"http://127.0.0.1:1#m", "http://127.0.0.1:2#m"}, nil},
		{[]string{"http://127.0.0.1:1/v1"}, nil},
		{[]string{"gpu1#m"}, nil},
	} {
		all, done, err := openModels(t.Context(), &chat.Group{}, tt.addresses)
		if err != nil {
			if tt.want != nil {
				t.Errorf("%q: %v", tt.addresses, err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, all.Names()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.addresses, diff)
		}
		done()
	}
}
