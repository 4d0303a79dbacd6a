package companion_test

import (
	"fmt"

	"kuai/companion"
	"kuai/companion/fact"
)

// A life is told session by session; then it can be asked about.
func ExampleLife() {
	life := companion.NewLife(1, fact.English, companion.Test).Spread(20_000)
	facts := 0
	for session := range life.Sessions() {
		for _, turn := range session.Turns {
			facts += len(turn.Told)
		}
		if life.Characters() > 20_000 {
			break
		}
	}
	fmt.Println("dozens of facts were told:", facts > 24)
	for _, q := range life.Questions(7) {
		fmt.Println(q.Type, q.Right(q.Answer))
	}
	// Output:
	// dozens of facts were told: true
	// single true
	// update true
	// count true
	// twohop true
	// time true
	// preference true
	// never true
}

// A fact in words, and how a user may ask for it.
func ExampleNote() {
	f := fact.Fact{Subject: "sister", Predicate: "lives_in", Object: "Oslo"}
	fmt.Println(companion.Note(fact.English, f))
	fmt.Println(companion.Wordings(fact.English, f)[0])
	// Output:
	// The user's sister lives in Oslo.
	// Where does my sister live?
}
