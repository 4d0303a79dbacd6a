package companion

import "testing"

func TestContract(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"I am a nurse.":              "I'm a nurse.",
		"By the way, I am in room 3": "By the way, I'm in room 3",
		"Tell me how old I am.":      "Tell me how old I am.",
		"My job? I am a vet.":        "My job? I'm a vet.",
		"Do you know who I am with?": "Do you know who I am with?",
		"You are in room 12.":        "You're in room 12.",
	} {
		if got := contract(in); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
