package fact

import (
	"regexp"
	"strings"
)

const (
	numbersEN = `one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred`
	numbersZH = `[零〇一二两三四五六七八九十百]`
)

var (
	aNumber  = regexp.MustCompile(`(?i)\d|` + numbersEN + `|` + numbersZH)
	aFloor   = regexp.MustCompile(`(?i)\d|first|second|third|fifth|ninth|twelfth|th\b|ground|basement|attic|top|` + numbersEN + `|` + numbersZH + `|[底顶楼层]`)
	aTime    = regexp.MustCompile(`(?i)\d|o'clock|noon|midnight|dawn|sunrise|sunset|half|quarter|` + numbersEN + `|` + numbersZH + `|[点半午夜晨]`)
	aDay     = regexp.MustCompile(`(?i)mon|tue|wed|thu|fri|sat|sun|week|day|周|星期|礼拜|天|日`)
	aSeason  = regexp.MustCompile(`(?i)spring|summer|autumn|fall|winter|season|monsoon|[春夏秋冬雨旱季]`)
	aDate    = regexp.MustCompile(`(?i)\d|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|day|eve|` + numbersZH + `|[初月日节]`)
	aWord    = regexp.MustCompile(`[\pL\pN]`)
	noObject = regexp.MustCompile(`(?i)^(?:an?|the|it|its|this|that|these|those|they|them|there|here|some|any|so|too|also|not|no|of|to|is|are|am|was|my|your|i|you|me|we|us|of it|in it|[的了它他她这那是我你])$`)
)

// forms are what the values of some predicates must look like.
var forms = map[string]*regexp.Regexp{
	"favorite_season": aSeason, "gym_day": aDay, "class_day": aDay, "wakes_at": aTime, "sleeps_at": aTime,
	"phone": aNumber, "room": aNumber, "shoe_size": aNumber, "lucky_number": aNumber, "age": aNumber, "floor": aFloor, "birthday": aDate,
}

// Fits says whether a value can be one of a predicate: a season, a day, a time
// or a number where the predicate is for those, and more than a word that means
// nothing by itself.
func Fits(predicate, object string) bool {
	object = strings.TrimSpace(object)
	if !aWord.MatchString(object) || noObject.MatchString(object) {
		return false
	}
	form := forms[predicate]
	return form == nil || form.MatchString(object)
}
