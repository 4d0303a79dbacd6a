package text_test

import (
	"context"
	"fmt"

	"kuai/text"
)

// A prompt is prefilled, the session forked, and each fork goes its own way.
func Example() {
	m, err := text.Open("testdata/minimax-half.gguf", text.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close() //nolint:errcheck // nothing was written
	ctx := context.Background()
	logits := make([]float32, m.Config().Vocab)
	s, _ := m.Begin([]int32{72, 105, 33})
	if err := s.Prefill(ctx, []int32{72, 105, 33}, logits, nil); err != nil {
		fmt.Println(err)
		return
	}
	other := s.Fork()
	batch := []text.Slice{{Session: s, Tokens: []int32{65}, Logits: logits}, {Session: other, Tokens: []int32{66, 67}}}
	if err := m.Step(ctx, batch); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Tokens(), other.Tokens())
	fmt.Println(other.Rewind(2), other.Tokens())
	// Output:
	// [72 105 33 65] [72 105 33 66 67]
	// <nil> [72 105]
}
