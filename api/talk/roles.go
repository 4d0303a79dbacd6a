package talk

import (
	"strings"

	"kuai/fault"
	"kuai/text/prompt"
)

// Roles maps the roles that vendors have onto those of chat templates: system,
// user, assistant, tool and, for Kuai's own models, memory.
//
// MiniMax's role-play has four more. What describes the people (system: the
// character, user_system: the user, group: the situation) becomes one system
// message with a line of its own for each. What shows how they talk
// (sample_message_user, sample_message_ai) becomes an example in it, not turns:
// a model that remembers must not take them for something that was said. In a
// conversation of several users or characters each turn begins with the name of
// who speaks, since templates show no names.
func Roles(messages []prompt.Message, field string) ([]prompt.Message, error) {
	if len(messages) > maxMessages { // before any work
		return nil, fault.Param(field, "%d messages, at most %d", len(messages), maxMessages)
	}
	var described, examples []string
	var out []prompt.Message
	play := false
	for i, m := range messages {
		switch m.Role {
		case "developer":
			m.Role = "system"
		case "system", "user", "assistant", "tool", "memory":
		case "user_system":
			play = true
			described = append(described, about("The user", m))
			continue
		case "group":
			play = true
			described = append(described, about("The conversation", m))
			continue
		case "sample_message_user", "sample_message_ai":
			play = true
			speaker := m.Name
			if speaker == "" {
				speaker = map[string]string{"sample_message_user": "User", "sample_message_ai": "Assistant"}[m.Role]
			}
			examples = append(examples, speaker+": "+m.Content)
			continue
		default:
			return nil, fault.Param(field, "message %d: role is %.40q, want system, user, assistant or tool", i, m.Role)
		}
		out = append(out, m)
	}
	names(out)
	if !play {
		return out, nil
	}
	var system []string
	rest := out[:0:0]
	for _, m := range out {
		if m.Role == "system" && len(rest) == 0 {
			system = append(system, m.Content)
			continue
		}
		rest = append(rest, m)
	}
	system = append(system, described...)
	if len(examples) > 0 {
		system = append(system, "An example of how they talk:\n"+strings.Join(examples, "\n"))
	}
	return append([]prompt.Message{{Role: "system", Content: strings.Join(system, "\n\n")}}, rest...), nil
}

func about(what string, m prompt.Message) string {
	if m.Name != "" {
		what += " (" + m.Name + ")"
	}
	return what + ": " + m.Content
}

// names writes who speaks before each turn of a role that several speak in.
func names(messages []prompt.Message) {
	speakers := map[string]map[string]bool{}
	for _, m := range messages {
		if m.Name == "" || m.Role != "user" && m.Role != "assistant" {
			continue
		}
		if speakers[m.Role] == nil {
			speakers[m.Role] = map[string]bool{}
		}
		speakers[m.Role][m.Name] = true
	}
	for i := range messages {
		if m := &messages[i]; m.Name != "" && len(speakers[m.Role]) > 1 {
			m.Content = m.Name + ": " + m.Content
		}
	}
}
