package group

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func three(o Order) Group {
	return Group{Name: "Tea", Order: o, Members: []Member{{ID: "lin", Name: "Lin"}, {ID: "mo", Name: "Captain Mo"}, {ID: "xy", Name: "小雨"}}}
}

func TestNext(t *testing.T) {
	t.Parallel()
	muted := three(List)
	muted.Members[0].Muted = true
	all := three(List)
	nobody := three(Natural)
	for i := range nobody.Members {
		nobody.Members[i].Muted = true
	}
	natural, manual := three(Natural), three(Manual)
	for name, tt := range map[string]struct {
		g         Group
		text      string
		talkative []float64
		want      []int
	}{
		"list":             {all, "Mo?", nil, []int{0, 1, 2}},
		"list, one muted":  {muted, "Lin?", nil, []int{1, 2}},
		"manual":           {manual, "Lin?", nil, nil},
		"named":            {natural, "What do you say, captain, and LIN?", []float64{0, 0, 0}, []int{1, 0}},
		"named in Chinese": {natural, "你觉得呢小雨？", []float64{0, 0, 0}, []int{2}},
		"amid a word":      {natural, "The line is long.", []float64{0, 0.0001, 0}, []int{1}},
		"all talk":         {natural, "Mo!", []float64{1, 0, 0}, []int{1, 0}},
		"all are muted":    {nobody, "Lin?", []float64{1, 1, 1}, nil},
	} {
		got := tt.g.Next(tt.text, tt.talkative, rand.New(rand.NewPCG(1, 2)))
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	counts := [3]int{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		next := natural.Next("Good morning!", []float64{0.9, 0.5, 0}, r)
		if len(next) == 0 {
			t.Fatal("nobody answers")
		}
		for _, i := range next {
			counts[i]++
		}
	}
	if counts[0] < 850 || counts[1] < 450 || counts[1] > 600 || counts[2] > 0 {
		t.Errorf("spoke %v times of a thousand", counts)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := Store{t.TempDir()}
	g, err := s.Create("me", three(""))
	if err != nil || g.ID != "tea" || g.Order != Natural {
		t.Fatalf("%+v: %v", g, err)
	}
	if _, err := s.Create("me", g); !errors.Is(err, ErrExists) {
		t.Errorf("the same name: %v", err)
	}
	g.Members = g.Members[:2]
	if err := s.Save("me", g); err != nil {
		t.Fatal(err)
	}
	all, broken := s.List("me")
	if d := cmp.Diff([]Group{g}, all); d != "" || broken != nil {
		t.Errorf("(-want +got):\n%s%v", d, broken)
	}
	if _, err := s.Get("you", "tea"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another's group: %v", err)
	}
	for what, bad := range map[string]Group{
		"nobody": {Name: "x"}, "an order": {Name: "x", Order: "loud", Members: g.Members}, "a name twice": {Name: "x", Members: []Member{{ID: "a", Name: "Lin"}, {ID: "b", Name: "lin"}}},
		"a reserved name": {Name: "x", Members: []Member{{ID: "a", Name: "User"}}}, "a path": {Name: "x", Members: []Member{{ID: "../a", Name: "A"}}}, "no name": {Members: g.Members},
	} {
		if _, err := s.Create("me", bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzGroup(f *testing.F) {
	f.Add([]byte(`{"name":"Tea","order":"natural","members":[{"id":"lin","name":"Lin"},{"id":"mo","name":"小雨"}]}`), "Lin and 小雨")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		g, err := Parse(data)
		if err != nil {
			return
		}
		seen := map[int]bool{}
		for _, i := range g.Next(text, make([]float64, len(g.Members)), rand.New(rand.NewPCG(1, 2))) {
			if seen[i] || g.Members[i].Muted {
				t.Errorf("%d speaks twice or is muted", i)
			}
			seen[i] = true
		}
	})
}
