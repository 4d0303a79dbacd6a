package db

import "testing"

func TestRebind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"SELECT 1", "SELECT 1"},
		{"a = ? AND b = ?", "a = $1 AND b = $2"},
		{"a = '?' AND b = ?", "a = '?' AND b = $1"},
		{"a = 'it''s ?' AND b = ?", "a = 'it''s ?' AND b = $1"},
		{`"c?" = ?`, `"c?" = $1`},
		{"a = ? -- why ?\nAND b = ?", "a = $1 -- why ?\nAND b = $2"},
		{"a = ? -- why ?", "a = $1 -- why ?"},
		{"a - ? = '", "a - $1 = '"},
		{"VALUES (?, '你好?', ?)", "VALUES ($1, '你好?', $2)"},
	} {
		if got := rebind(tt.in); got != tt.want {
			t.Errorf("rebind(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
