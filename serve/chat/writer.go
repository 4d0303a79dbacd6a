package chat

import (
	"strings"
	"unicode/utf8"
)

// writer turns the bytes of tokens into text that can be shown: whole
// characters, and nothing that may be the beginning of a stop string.
type writer struct {
	stops []string
	bytes []byte // of a character that is not whole
	held  string // text that may begin a stop string
}

// add takes the bytes of a token and returns the text that is sure now, and
// the stop string that it met.
func (w *writer) add(b []byte) (text, stop string) {
	w.bytes = append(w.bytes, b...)
	n := whole(w.bytes)
	if n == 0 {
		return "", ""
	}
	w.held += strings.ToValidUTF8(string(w.bytes[:n]), "\ufffd")
	w.bytes = append(w.bytes[:0], w.bytes[n:]...)
	return w.release()
}

// whole is how many bytes can be shown: all but the beginning of a character
// at the end.
func whole(b []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(b); back++ {
		if c := b[len(b)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-back:]) {
				return len(b) - back
			}
			break
		}
	}
	return len(b)
}

// release hands on what is held, as far as no stop string may begin there.
func (w *writer) release() (text, stop string) {
	at := len(w.held)
	for _, s := range w.stops {
		if i := strings.Index(w.held, s); i >= 0 && (i < at || i == at && len(s) > len(stop)) {
			at, stop = i, s
		}
	}
	if stop != "" {
		text, w.held = w.held[:at], ""
		return text, stop
	}
	keep := 0
	for _, s := range w.stops {
		for n := min(len(s)-1, len(w.held)); n > keep; n-- {
			if strings.HasSuffix(w.held, s[:n]) {
				keep = n
			}
		}
	}
	text, w.held = w.held[:len(w.held)-keep], w.held[len(w.held)-keep:]
	return text, ""
}

// flush returns what is left at the end.
func (w *writer) flush() string {
	text := w.held + strings.ToValidUTF8(string(w.bytes), "\ufffd")
	w.held, w.bytes = "", nil
	return text
}
