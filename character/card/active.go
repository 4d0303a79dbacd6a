package card

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultScan   = 4
	maxRecursion  = 4
	maxRegexBytes = 1024
	maxScanBytes  = 1 << 20 // of the conversation that keys are looked for in
)

// Scene is what a lorebook is read against.
type Scene struct {
	Messages []string              // the conversation, oldest first
	Turns    int                   // messages of the companion so far
	Budget   int                   // tokens for all entries together; 0: the book's, or none
	Count    func(string) int      // of tokens
	Expand   func(s string) string // macros; may be nil
	UserIcon string                // the name of the user's picture, if any
}

// Active returns the entries that the scene calls for, in the order of the
// prompt: constant ones, and those with a key among the last messages or, in a
// recursive book, in another entry. What the budget has no room for is left
// out, lowest priority first.
func (b *Book) Active(s Scene) []Entry {
	depth := defaultScan
	if b.ScanDepth > 0 {
		depth = b.ScanDepth
	}
	in := make([]bool, len(b.Entries))
	extra := ""
	for round := 0; round <= maxRecursion; round++ {
		var found strings.Builder
		for i := range b.Entries {
			e := &b.Entries[i]
			if !in[i] && e.wanted(s, depth, extra) {
				in[i] = true
				found.WriteString("\n" + e.Content)
			}
		}
		if extra += found.String(); found.String() == "" || !b.Recursive {
			break
		}
	}
	var out []Entry
	for i, e := range b.Entries {
		if in[i] {
			if s.Expand != nil {
				e.Content = s.Expand(e.Content)
			}
			out = append(out, e)
		}
	}
	out = b.fit(out, s)
	slices.SortStableFunc(out, func(x, y Entry) int { return cmp.Compare(x.Order, y.Order) })
	return out
}

// fit drops entries until the rest has room.
func (b *Book) fit(all []Entry, s Scene) []Entry {
	budget := s.Budget
	if b.TokenBudget > 0 && (budget == 0 || b.TokenBudget < budget) {
		budget = b.TokenBudget
	}
	if budget <= 0 || s.Count == nil {
		return all
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		return cmp.Or(cmp.Compare(all[x].yields(), all[y].yields()), cmp.Compare(all[y].Priority, all[x].Priority))
	})
	keep := make([]bool, len(all))
	for _, i := range order {
		if n := s.Count(all[i].Content); n <= budget {
			keep[i], budget = true, budget-n
		}
	}
	var out []Entry
	for i, e := range all {
		if keep[i] {
			out = append(out, e)
		}
	}
	return out
}

// yields is 1 for an entry that leaves its place to others where there is no
// room for all.
func (e *Entry) yields() int {
	if _, last := e.Decorator("ignore_on_max_context"); last {
		return 1
	}
	return 0
}

// wanted says whether an entry belongs into the prompt.
func (e *Entry) wanted(s Scene, depth int, extra string) bool {
	if !e.Enabled {
		return false
	}
	if _, no := e.Decorator("dont_activate"); no {
		return false
	}
	if v, ok := e.Decorator("activate_only_after"); ok && s.Turns < whole(v, 0) {
		return false
	}
	if v, ok := e.Decorator("activate_only_every"); ok && s.Turns%max(whole(v, 1), 1) != 0 {
		return false
	}
	if v, ok := e.Decorator("is_greeting"); ok && s.Turns != whole(v, 1) {
		return false
	}
	depth = whole(first(e.Decorator("scan_depth")), depth)
	text := scanned(s.Messages, depth) + extra
	if v, ok := e.Decorator("exclude_keys"); ok && e.anyOf(split(v), text) {
		return false
	}
	if v, ok := e.Decorator("is_user_icon"); ok && !strings.EqualFold(v, s.UserIcon) {
		return false
	}
	if _, once := e.Decorator("dont_activate_after_match"); once && e.matchedBefore(s, depth) {
		return false
	}
	if _, stays := e.Decorator("keep_activate_after_match"); stays && e.matchedBefore(s, depth) {
		return true
	}
	if _, always := e.Decorator("activate"); always || e.Constant {
		return true
	}
	return e.matches(text)
}

// matches says whether a text has the keys of an entry.
func (e *Entry) matches(text string) bool {
	keys := e.Keys
	if v, ok := e.Decorator("additional_keys"); ok {
		keys = append(slices.Clone(keys), split(v)...)
	}
	if !e.anyOf(keys, text) {
		return false
	}
	return !e.Selective || len(e.SecondaryKeys) == 0 || e.anyOf(e.SecondaryKeys, text)
}

// matchedBefore says whether the keys were in the scene before its newest
// message: in any stretch that was looked through then.
func (e *Entry) matchedBefore(s Scene, depth int) bool {
	before := s.Messages[:max(0, len(s.Messages)-1)]
	for n := range before {
		if e.matches(scanned(before[:n+1], depth)) {
			return true
		}
	}
	return false
}

func first(v string, _ bool) string { return v }

func whole(s string, missing int) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return missing
	}
	return n
}

func split(s string) []string {
	var all []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// scanned is the last messages, newest part first where it is too long.
func scanned(messages []string, depth int) string {
	var b strings.Builder
	for _, m := range slices.Backward(messages[max(0, len(messages)-depth):]) {
		if b.Len()+len(m) > maxScanBytes {
			break
		}
		b.WriteString(m)
		b.WriteByte('\n')
	}
	return b.String()
}

// anyOf says whether one of the keys is in the text. A regular expression that
// is not one, or too long, is never found.
func (e *Entry) anyOf(keys []string, text string) bool {
	folded := text
	if !e.CaseSensitive {
		folded = strings.ToLower(text)
	}
	for _, key := range keys {
		if key == "" {
			continue
		}
		if e.Regex {
			if pattern, ok := expression(key, e.CaseSensitive); ok && pattern.MatchString(text) {
				return true
			}
			continue
		}
		if !e.CaseSensitive {
			key = strings.ToLower(key)
		}
		if strings.Contains(folded, key) {
			return true
		}
	}
	return false
}

// expression compiles a key, bare or /between slashes/i. RE2 takes time linear
// in the text, whatever the card says.
func expression(key string, sensitive bool) (*regexp.Regexp, bool) {
	if len(key) > maxRegexBytes {
		return nil, false
	}
	if strings.HasPrefix(key, "/") {
		if end := strings.LastIndexByte(key, '/'); end > 0 {
			sensitive = !strings.Contains(key[end:], "i")
			key = key[1:end]
		}
	}
	if !sensitive {
		key = "(?i)" + key
	}
	r, err := regexp.Compile(key)
	return r, err == nil
}
