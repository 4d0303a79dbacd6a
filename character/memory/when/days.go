package when

import (
	"strconv"
	"strings"
	"time"
)

var (
	small = map[string]int{
		"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
		"eight": 8, "nine": 9, "ten": 10, "couple of": 2, "few": 3, "几": 3,
	}
	hanDigits = map[rune]int{'一': 1, '二': 2, '两': 2, '三': 3, '四': 4, '五': 5, '六': 6, '七': 7, '八': 8, '九': 9}
	hanSeason = map[string]string{"春天": "spring", "夏天": "summer", "秋天": "autumn", "冬天": "winter", "暑假": "summer", "寒假": "winter"}
	hanUnits  = map[string]string{"天": "day", "星期": "week", "礼拜": "week", "周": "week", "周末": "weekend", "月": "month", "年": "year"}
)

// num reads a small number in digits or words; -1 where it is none.
func num(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	if n, ok := small[s]; ok {
		return n
	}
	total, digit := 0, 0
	for _, r := range s {
		if r == '十' {
			total, digit = total+10*max(digit, 1), 0
			continue
		}
		d, ok := hanDigits[r]
		if !ok {
			return -1
		}
		digit = d
	}
	return total + digit
}

func monthOf(s string) int {
	for i, n := range strings.Split(monthNames, "|")[:12] {
		if strings.HasPrefix(n, s[:min(3, len(s))]) {
			return i + 1
		}
	}
	return 0
}

func date(y, m, d int) (time.Time, bool) {
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return t, m >= 1 && m <= 12 && t.Day() == d && t.Month() == time.Month(m)
}

func day(y, m, d int) (time.Time, time.Time, bool) {
	t, ok := date(y, m, d)
	return t, t, ok
}

func day2(y, m, d, y2, m2, d2 int) (time.Time, time.Time, bool) {
	a, ok := date(y, m, d)
	b, ok2 := date(y2, m2, d2)
	return a, b, ok && ok2
}

// dayOf reads a day of a month; without a year it is the latest that has been.
func dayOf(year string, m, d int, now time.Time) (time.Time, time.Time, bool) {
	y := now.Year()
	if year != "" {
		y = num(year)
	} else if t, ok := date(y, m, d); ok && t.After(now.AddDate(0, 1, 0)) {
		y--
	}
	return day(y, m, d)
}

// monthIn reads a month; without a year it is the latest that has begun.
func monthIn(year string, m int, now time.Time) (time.Time, time.Time, bool) {
	if m < 1 || m > 12 {
		return now, now, false
	}
	y := now.Year()
	if year != "" {
		y = num(year)
	} else if m > int(now.Month()) {
		y--
	}
	from, ok := date(y, m, 1)
	return from, from.AddDate(0, 1, -1), ok
}

func yearOf(year, word string, now time.Time) int {
	switch {
	case year != "":
		return num(year)
	case word == "next":
		return now.Year() + 1
	}
	return now.Year()
}

// season returns three months; back moves to the one that has begun.
func season(name string, y int, back bool, now time.Time) (time.Time, time.Time, bool) {
	m := map[string]int{"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}[name]
	from, ok := date(y, m, 1)
	if back && from.After(now) {
		from = from.AddDate(-1, 0, 0)
	}
	return from, from.AddDate(0, 3, -1), ok
}

func offset(now time.Time, days int) (time.Time, time.Time, bool) {
	t := now.AddDate(0, 0, days)
	return t, t, true
}

func step(word string) int {
	switch word {
	case "this", "这", "本":
		return 0
	case "next", "下":
		return 1
	}
	return -1
}

// unit returns the week, weekend, month or year that is n away; weeks begin
// on Monday.
func unit(name string, n int, now time.Time) (time.Time, time.Time, bool) {
	monday := now.AddDate(0, 0, -(int(now.Weekday())+6)%7)
	switch name {
	case "week":
		from := monday.AddDate(0, 0, 7*n)
		return from, from.AddDate(0, 0, 6), true
	case "weekend":
		from := monday.AddDate(0, 0, 7*n+5)
		return from, from.AddDate(0, 0, 1), true
	case "month":
		from := time.Date(now.Year(), now.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
		return from, from.AddDate(0, 1, -1), true
	}
	return day2(now.Year()+n, 1, 1, now.Year()+n, 12, 31)
}

// weekday returns the latest day of that name before now, or the next one.
func weekday(name string, next bool, now time.Time) (time.Time, time.Time, bool) {
	for i := 1; i <= 7; i++ {
		t := now.AddDate(0, 0, -i)
		if next {
			t = now.AddDate(0, 0, i)
		}
		if strings.EqualFold(t.Weekday().String(), name) {
			return t, t, true
		}
	}
	return now, now, false
}

// ago returns the days about n units back: the longer ago, the vaguer.
func ago(n int, name string, now time.Time) (from, to time.Time, ok bool) {
	if n < 0 || n > maxCount {
		return now, now, false
	}
	switch name {
	case "day":
		return offset(now, -n)
	case "week", "weekend":
		t := now.AddDate(0, 0, -7*n)
		return t.AddDate(0, 0, -3), t.AddDate(0, 0, 3), true
	case "month":
		t := now.AddDate(0, -n, 0)
		return t.AddDate(0, 0, -15), t.AddDate(0, 0, 15), true
	}
	return unit("year", -n, now)
}

func hanYear(s string, now time.Time) int {
	if n := num(strings.TrimSuffix(s, "年")); n > 0 {
		return n
	}
	return now.Year() + map[string]int{"去年": -1, "前年": -2, "明年": 1}[s]
}

func hanUnit(which, name, dayName string, now time.Time) (time.Time, time.Time, bool) {
	from, to, ok := unit(hanUnits[name], step(which), now)
	if dayName == "" || hanUnits[name] != "week" {
		return from, to, ok
	}
	n := map[string]int{"日": 7, "天": 7}[dayName]
	if n == 0 {
		n = num(dayName)
	}
	t := from.AddDate(0, 0, n-1)
	return t, t, ok && n <= 7
}
