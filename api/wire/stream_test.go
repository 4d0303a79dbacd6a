package wire

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kuai/fault"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		s := Events(w)
		if err := s.Send("start", map[string]int{"a": 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*pingEvery + time.Second)
		if err := s.Text("[DONE]"); err != nil {
			t.Fatal(err)
		}
		s.Close()
		want := "event: start\ndata: {\"a\":1}\n\n: ping\n\n: ping\n\ndata: [DONE]\n\n"
		if got := w.Body.String(); got != want || !w.Flushed || w.Header().Get("Content-Type") != "text/event-stream" {
			t.Errorf("got %q of %v", got, w.Header())
		}
	})
}

func TestLines(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	s := Lines(w)
	defer s.Close()
	if err := s.Send("name", []int{1}); err != nil || w.Body.String() != "[1]\n" {
		t.Errorf("%q %v", w.Body, err)
	}
}

func TestReadJSON(t *testing.T) {
	t.Parallel()
	type form struct {
		A Number
		B Texts
		C struct{ D int }
	}
	for name, c := range map[string]struct {
		body  string
		want  form
		code  fault.Code
		param string
	}{
		"all":            {`{"a":"5","b":"x","c":{"d":3},"e":true}`, form{A: "5", B: Texts{"x"}, C: struct{ D int }{3}}, "", ""},
		"a bare number":  {`{"a":5,"b":["x","y"]}`, form{A: "5", B: Texts{"x", "y"}}, "", ""},
		"nulls":          {`{"a":null,"b":null}`, form{}, "", ""},
		"nothing":        {"  ", form{}, "", ""},
		"a wrong type":   {`{"c":{"d":"x"}}`, form{}, fault.Invalid, "C.D"},
		"no number":      {`{"a":{}}`, form{}, fault.Invalid, ""},
		"half an object": {`{"a":`, form{}, fault.Invalid, ""},
		"too long":       {`{"a":"` + strings.Repeat("1", 100) + `"}`, form{}, fault.TooLarge, ""},
	} {
		var got form
		err := ReadJSON(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body)), 64, &got)
		if c.code == "" {
			if err != nil || got.A != c.want.A || strings.Join(got.B, " ") != strings.Join(c.want.B, " ") || got.C != c.want.C {
				t.Errorf("%s: %+v %v", name, got, err)
			}
			continue
		}
		if f := fault.From(err); f.Code != c.code || !strings.EqualFold(f.Param, c.param) {
			t.Errorf("%s: %v of %q", name, err, f.Param)
		}
	}
}
