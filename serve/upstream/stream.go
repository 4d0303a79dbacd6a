package upstream

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
)

// maxLine bounds an event.
const maxLine = 1 << 20

// chunk is an answer or a piece of one.
type chunk struct {
	Choices []struct {
		Delta   struct{ Content *string }
		Message struct{ Content *string }
	}
	Error json.RawMessage
}

// errShort says that a stream ended before its end.
var errShort = errors.New("the answer broke off")

// read reads an answer: a stream of events, or one object from a server that
// does not stream.
func read(r io.Reader, contentType string, show func(string)) (string, error) {
	if t, _, err := mime.ParseMediaType(contentType); err == nil && t == "application/json" {
		data, err := io.ReadAll(r)
		if err != nil {
			return "", err
		}
		return piece(data, show)
	}
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	var b strings.Builder
	for s.Scan() {
		data, ok := strings.CutPrefix(s.Text(), "data:")
		if !ok {
			continue // names of events, comments
		}
		data = strings.TrimSpace(data)
		if data == "[DONE]" {
			return b.String(), nil
		}
		text, err := piece([]byte(data), show)
		if err != nil {
			return "", err
		}
		if b.Len()+len(text) > maxReply {
			return "", fmt.Errorf("an answer of more than %d bytes", maxReply)
		}
		b.WriteString(text)
	}
	if err := s.Err(); err != nil {
		return "", err
	}
	return "", errShort
}

// piece reads one chunk.
func piece(data []byte, show func(string)) (string, error) {
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return "", fmt.Errorf("the answer is not what OpenAI's API has: %w", err)
	}
	if m := messageOf(c.Error); m != "" {
		return "", errors.New(m)
	}
	if len(c.Choices) == 0 {
		return "", nil // usage
	}
	text := c.Choices[0].Delta.Content
	if text == nil {
		text = c.Choices[0].Message.Content
	}
	if text == nil || *text == "" {
		return "", nil
	}
	if show != nil {
		show(*text)
	}
	return *text, nil
}
