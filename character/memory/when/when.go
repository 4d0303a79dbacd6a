// Package when finds the days that a text speaks of: "last week", "in May",
// "on 3 May 2023", 昨天, 去年夏天, against the day on which it was said.
package when

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Range is a stretch of days, the last one included.
type Range struct {
	From, To time.Time // midnight, in UTC
	Text     string    // the words that said so
}

// Days returns how many days there are.
func (r Range) Days() int { return int(r.To.Sub(r.From)/(24*time.Hour)) + 1 }

// maxText and maxRanges bound what is looked at.
const (
	maxText   = 4 << 10
	maxRanges = 8
	maxCount  = 200 // of "N years ago"
)

// Day returns the midnight, in UTC, of a moment's date.
func Day(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// rule is a form of words and what it means on a day.
type rule struct {
	re   *regexp.Regexp
	mean func(m []string, now time.Time) (from, to time.Time, ok bool)
}

// Find returns what a text says of time, in the order of the rules; words
// that one rule has read are not read by the next.
func Find(text string, now time.Time) []Range {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	text = strings.ToLower(text)
	now = Day(now)
	var out []Range
	for _, r := range rules {
		for _, at := range r.re.FindAllStringSubmatchIndex(text, maxRanges) {
			m := make([]string, len(at)/2)
			for i := range m {
				if at[2*i] >= 0 {
					m[i] = text[at[2*i]:at[2*i+1]]
				}
			}
			from, to, ok := r.mean(m, now)
			if !ok || to.Before(from) || from.Year() < 1900 || to.Year() > 2200 {
				continue
			}
			out = append(out, Range{from, to, m[0]})
			text = text[:at[0]] + strings.Repeat("\x00", at[1]-at[0]) + text[at[1]:]
			if len(out) == maxRanges {
				return out
			}
		}
	}
	return out
}

// Has says whether a text speaks of a time at all.
func Has(text string) bool {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return anyTime.MatchString(strings.ToLower(text))
}

const (
	monthNames = `january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec`
	dayNames   = `monday|tuesday|wednesday|thursday|friday|saturday|sunday`
	numbers    = `a|an|one|two|three|four|five|six|seven|eight|nine|ten|couple of|few|\d{1,3}`
	hanNumber  = `[一二两三四五六七八九十几]{1,3}|\d{1,3}`
)

var anyTime = regexp.MustCompile(`\b(yesterday|today|tonight|tomorrow|ago|(last|next|this|past|previous) (night|week|weekend|month|year|spring|summer|autumn|fall|winter|` +
	dayNames + `)|` + monthNames + `|` + dayNames + `|(19|20)\d\d|since|recently|lately)\b|昨天|前天|今天|明天|后天|上周|上个|下周|下个|这周|本周|去年|今年|明年|前年|最近|[0-9一二三四五六七八九十]{1,3}[月号日]|星期|周末|以前|之前`)

var rules = []rule{
	{regexp.MustCompile(`\b(\d{4})-(\d{1,2})-(\d{1,2})\b`), func(m []string, _ time.Time) (time.Time, time.Time, bool) {
		return day(num(m[1]), num(m[2]), num(m[3]))
	}},
	{regexp.MustCompile(`\b(\d{1,2})(?:st|nd|rd|th)?(?: of)? (` + monthNames + `)\b(?:,? (\d{4}))?`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return dayOf(m[3], monthOf(m[2]), num(m[1]), now)
	}},
	{regexp.MustCompile(`\b(` + monthNames + `) (\d{1,2})(?:st|nd|rd|th)?\b(?:,? (\d{4}))?`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return dayOf(m[3], monthOf(m[1]), num(m[2]), now)
	}},
	{regexp.MustCompile(`\b(?:(?:in|of|since|last|this|during|early|late) )+(` + monthNames + `)\b(?:,? (\d{4}))?|\b(` + monthNames + `),? (\d{4})\b`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return monthIn(m[2]+m[4], monthOf(m[1]+m[3]), now)
	}},
	{regexp.MustCompile(`\b(last|this|next|in|of|during)(?: the)? (spring|summer|autumn|fall|winter)(?: of)?(?: (\d{4}))?\b`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return season(m[2], yearOf(m[3], m[1], now), m[3] == "" && m[1] != "next", now)
	}},
	{regexp.MustCompile(`\b(yesterday|today|tonight|tomorrow|last night)\b`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return offset(now, map[string]int{"yesterday": -1, "last night": -1, "tomorrow": 1}[m[1]])
	}},
	{regexp.MustCompile(`\b(last|this|next|past|previous) (week|weekend|month|year)\b`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return unit(m[2], step(m[1]), now)
	}},
	{regexp.MustCompile(`\b(last|this|next|on|past|previous) (` + dayNames + `)\b`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return weekday(m[2], m[1] == "next", now)
	}},
	{regexp.MustCompile(`\b(` + numbers + `) (day|week|weekend|month|year)s? ago\b`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return ago(num(m[1]), m[2], now)
	}},
	{regexp.MustCompile(`(?:(\d{4})年)?(` + hanNumber + `)月(` + hanNumber + `)[日号]`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return dayOf(m[1], num(m[2]), num(m[3]), now)
	}},
	{regexp.MustCompile(`(去年|今年|明年|前年|\d{4}年)的?(春天|夏天|秋天|冬天|暑假|寒假)`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return season(hanSeason[m[2]], hanYear(m[1], now), false, now)
	}},
	{regexp.MustCompile(`(去年|今年|明年|前年|\d{4}年)?的?(` + hanNumber + `)月份?`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		y := ""
		if m[1] != "" {
			y = strconv.Itoa(hanYear(m[1], now))
		}
		return monthIn(y, num(m[2]), now)
	}},
	{regexp.MustCompile(`(前天|昨天|昨晚|今天|今晚|明天|后天)`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return offset(now, map[string]int{"前天": -2, "昨天": -1, "昨晚": -1, "明天": 1, "后天": 2}[m[1]])
	}},
	{regexp.MustCompile(`(上|这|本|下)个?(周末|星期|礼拜|周|月)([一二三四五六日天])?`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return hanUnit(m[1], m[2], m[3], now)
	}},
	{regexp.MustCompile(`(` + hanNumber + `)个?(天|星期|礼拜|周|月|年)(?:以|之)?前`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		return ago(num(m[1]), hanUnits[m[2]], now)
	}},
	{regexp.MustCompile(`(去年|今年|明年|前年|(?:19|20)\d\d年)`), func(m []string, now time.Time) (time.Time, time.Time, bool) {
		y := hanYear(m[1], now)
		return day2(y, 1, 1, y, 12, 31)
	}},
	{regexp.MustCompile(`\b((?:19|20)\d\d)\b`), func(m []string, _ time.Time) (time.Time, time.Time, bool) {
		return day2(num(m[1]), 1, 1, num(m[1]), 12, 31)
	}},
}
