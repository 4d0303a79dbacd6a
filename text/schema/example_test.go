package schema_test

import (
	"fmt"

	"kuai/text/schema"
)

// A matcher says at each step which tokens may follow; here each token is a
// byte.
func Example() {
	s, err := schema.Compile([]byte(`{"enum": ["red", "rose"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	v := schema.NewVocabulary(128, func(id int32) []byte { return []byte{byte(id)} }, func(id int32) bool { return id == 0 })
	m, err := s.Start(v)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range `"ro` {
		if err := m.Accept(c); err != nil {
			fmt.Println(err)
		}
	}
	mask, err := m.Mask()
	fmt.Println(mask['s'/64]>>('s'%64)&1 == 1, mask['t'/64]>>('t'%64)&1 == 1, err)
	// Output: true false <nil>
}
