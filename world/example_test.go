package world_test

import (
	"fmt"
	"math/rand/v2"

	"kuai/world"
)

// A Spec says the same in many words.
func ExampleSpec_FullCaption() {
	s := world.Spec{Motion: world.Jump, Scene: world.Meadow, Time: world.Night}
	r := rand.New(rand.NewPCG(1, 2))
	fmt.Println(s.FullCaption(world.English, r))
	fmt.Println(s.FullCaption(world.Chinese, r))
	// Output:
	// late at night, the fox leaps on the grass
	// 夜里，狐狸在草原上跳起来
}
