// Package tavern reads and writes chats as SillyTavern keeps them: JSON lines,
// the first about the chat, each of the others a message with its swipes and, in
// a group, the name of who said it. The
// tree of a memory's turns is what such a chat becomes.
package tavern

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits on what is read.
const (
	maxLine     = 8 << 20
	maxMessages = 1_000_000
	maxSwipes   = 1000
)

// Message is something that was said.
type Message struct {
	Name    string
	User    bool
	Time    time.Time // zero where the file has none that can be read
	Text    string
	Swipes  []string // all alternatives, Text among them; nil for none
	Present int      // which of Swipes Text is
}

// Chat is a conversation of a user and a character, or several.
type Chat struct {
	User, Character string
	Group           bool // each message bears the name of who said it
	Messages        []Message
}

// Names lists who speaks besides the user, in the order of their first words.
func (c *Chat) Names() (names []string) {
	for _, m := range c.Messages {
		if !m.User && m.Name != "" && !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

// line is any line of a file; unknown fields are left alone.
type line struct {
	UserName      string          `json:"user_name,omitempty"`
	CharacterName string          `json:"character_name,omitempty"`
	Name          string          `json:"name,omitempty"`
	IsUser        bool            `json:"is_user"`
	IsSystem      bool            `json:"is_system"`
	SendDate      json.RawMessage `json:"send_date,omitempty"`
	Mes           *string         `json:"mes,omitempty"`
	SwipeID       int             `json:"swipe_id,omitempty"`
	Swipes        []string        `json:"swipes,omitempty"`
	Extra         map[string]any  `json:"extra,omitempty"`
	Avatar        string          `json:"original_avatar,omitempty"` // of a group
}

// Read reads a chat. Notes of the system are left out.
func Read(in io.Reader) (Chat, error) {
	var c Chat
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 1<<16), maxLine)
	for n := 1; s.Scan(); n++ {
		text := strings.TrimSpace(strings.TrimPrefix(s.Text(), "\ufeff"))
		if text == "" {
			continue
		}
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return c, fmt.Errorf("tavern: line %d: %w", n, err)
		}
		if l.UserName != "" || l.CharacterName != "" {
			c.User, c.Character = l.UserName, l.CharacterName
		}
		m, ok := l.message()
		if !ok {
			continue
		}
		if len(c.Messages) == maxMessages {
			return c, fmt.Errorf("tavern: line %d: more than %d messages", n, maxMessages)
		}
		c.Group = c.Group || l.Avatar != "" && !l.IsUser
		c.Messages = append(c.Messages, m)
	}
	if err := s.Err(); err != nil {
		return c, fmt.Errorf("tavern: %w", err)
	}
	c.Group = c.Group || len(c.Names()) > 1
	if len(c.Messages) == 0 {
		return c, errors.New("tavern: no message: want SillyTavern's JSON lines, each with a \"mes\"")
	}
	return c, nil
}

func (l *line) message() (Message, bool) {
	if l.Mes == nil || l.IsSystem {
		return Message{}, false
	}
	m := Message{Name: l.Name, User: l.IsUser, Time: parseDate(l.SendDate), Text: *l.Mes}
	if len(l.Swipes) > 1 && len(l.Swipes) <= maxSwipes {
		m.Swipes, m.Present = l.Swipes, l.SwipeID
		if m.Present < 0 || m.Present >= len(m.Swipes) {
			m.Present = len(m.Swipes) - 1
		}
		m.Swipes[m.Present] = m.Text // the text may have been edited since
	}
	return m, strings.TrimSpace(m.Text) != ""
}

// layouts are the ways in which versions of SillyTavern have written dates.
var layouts = []string{
	time.RFC3339Nano, "January 2, 2006 3:04pm", "January 2, 2006 3:04 PM", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02",
}

var humanized = regexp.MustCompile(`^(\d{4})-(\d{1,2})-(\d{1,2}) ?@(\d{1,2})h ?(\d{1,2})m ?(\d{1,2})s`)

// parseDate reads milliseconds since 1970 or any of the layouts.
func parseDate(raw json.RawMessage) time.Time {
	var ms int64
	if json.Unmarshal(raw, &ms) == nil && ms > 0 && ms < 1<<47 {
		return time.UnixMilli(ms)
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return time.Time{}
	}
	s = strings.TrimSpace(s)
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t
		}
	}
	if f := humanized.FindStringSubmatch(s); f != nil {
		if t, err := time.ParseInLocation("2006-1-2 15:4:5", fmt.Sprintf("%s-%s-%s %s:%s:%s", f[1], f[2], f[3], f[4], f[5], f[6]), time.Local); err == nil {
			return t
		}
	}
	return time.Time{}
}

// Write writes a chat.
func Write(out io.Writer, c Chat) error {
	w := json.NewEncoder(out)
	w.SetEscapeHTML(false)
	if c.Group {
		c.Character = "unused" // as SillyTavern has it
	}
	head := map[string]any{"user_name": c.User, "character_name": c.Character, "chat_metadata": map[string]any{}}
	if len(c.Messages) > 0 {
		head["create_date"] = c.Messages[0].Time.UTC().Format(time.RFC3339Nano)
	}
	if err := w.Encode(head); err != nil {
		return fmt.Errorf("tavern: %w", err)
	}
	for i := range c.Messages {
		m := &c.Messages[i]
		l := line{Name: m.Name, IsUser: m.User, Mes: &m.Text, Extra: map[string]any{}}
		if !m.Time.IsZero() {
			l.SendDate, _ = json.Marshal(m.Time.UTC().Format(time.RFC3339Nano)) // a string always can be
		}
		if c.Group && !m.User {
			l.Avatar = m.Name + ".png"
		}
		if len(m.Swipes) > 1 {
			l.Swipes, l.SwipeID = m.Swipes, m.Present
		}
		if err := w.Encode(l); err != nil {
			return fmt.Errorf("tavern: %w", err)
		}
	}
	return nil
}
