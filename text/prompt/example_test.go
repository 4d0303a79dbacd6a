package prompt_test

import (
	"fmt"

	"kuai/text/prompt"
)

func ExampleTemplate() {
	t, err := prompt.Compile(prompt.ChatML, prompt.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := t.Render(prompt.Input{Messages: []prompt.Message{{Role: "user", Content: "Hello"}}, Generate: true})
	fmt.Print(prompt.Text(p), err)
	// Output:
	// <|im_start|>user
	// Hello<|im_end|>
	// <|im_start|>assistant
	// <nil>
}

func ExampleParser() {
	p := prompt.NewParser(prompt.FormatHermes, []prompt.Tool{{Name: "weather"}}, "", func() string { return "call1" })
	parts := p.Push("I look. <tool_call>{\"name\": \"weather\", \"argu")
	parts = append(parts, p.Push("ments\": {\"city\": \"Paris\"}}</tool_call>")...)
	for _, part := range append(parts, p.Close()...) {
		fmt.Printf("%s %q%s%s\n", part.Kind, part.Text, part.Call.Name, part.Call.Arguments)
	}
	// Output:
	// text "I look."
	// call ""weather{"city": "Paris"}
}
