package sample_test

import (
	"fmt"

	"kuai/text/sample"
)

func Example() {
	s, err := sample.New(sample.Params{Temperature: 0, LogProbs: 2}, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := s.Next([]float32{0, 2, 1}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("token %d, then %d (%.2f)\n", c.Token, c.Top[1].Token, c.Top[1].LogProb)
	// Output: token 1, then 2 (-1.41)
}
