package report

// Protocol says how some figures of a report came about: scores of a memory or
// a model hang on who judges, who answers and how much may be read. The model
// is the report's own where it is not named.
type Protocol struct {
	Figures string `json:"figures"`
	Judge   string `json:"judge"`
	Model   string `json:"model,omitempty"`
	Budget  string `json:"budget"`
	Reader  string `json:"reader,omitempty"` // of facts
}

// Note adds a protocol to the report's notes.
func (r *Report) Note(p Protocol) {
	if r.Notes == nil {
		r.Notes = map[string]any{}
	}
	all, _ := r.Notes["protocol"].([]Protocol)
	r.Notes["protocol"] = append(all, p)
}
