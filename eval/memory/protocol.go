package memory

import "fmt"

// Protocol says how some figures of a report came about: scores of memories
// hang on who judges, who answers and how much may be recalled. The model is
// the report's own where it is not named.
type Protocol struct {
	Figures string `json:"figures"`
	Judge   string `json:"judge"`
	Model   string `json:"model,omitempty"`
	Budget  string `json:"budget"`
	Reader  string `json:"reader,omitempty"` // of facts
}

func packBudget() string {
	return fmt.Sprintf("a pack of %d tokens at most", budget)
}
