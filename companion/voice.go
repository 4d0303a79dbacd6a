package companion

import (
	"embed"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"kuai/companion/fact"
	"kuai/internal/check"
)

//go:embed voices
var voiceFiles embed.FS

// voiceTexts are what Voice has read, by path: what is the same string is found
// again at once.
var voiceTexts sync.Map

// figure is a character's own small talk.
type figure struct {
	system     string      // who the character is, as a model is told
	situations []Situation // without those that name what is held out
}

// figures are those of the characters that come with Kuai, by language and name;
// files are called after both.
var figures = sync.OnceValue(func() (out [2]map[string]figure) {
	held := heldNames()
	for l, key := range languageKeys {
		out[l] = map[string]figure{}
		names, err := fs.Glob(voiceFiles, "voices/*_"+key+".txt")
		check.True(err == nil, "companion: %v", err)
		for _, name := range names {
			id := strings.TrimSuffix(strings.TrimPrefix(name, "voices/"), "_"+key+".txt")
			system, text := Voice(id, fact.Language(l))
			v := figure{system: system}
			for _, s := range parseSituations(text, held) {
				if s.Sort() == "" && !s.names(held) {
					v.situations = append(v.situations, s)
				}
			}
			out[l][id] = v
		}
	}
	return out
})

// Voices names the characters that have small talk of their own.
func Voices(l fact.Language) []string { return slices.Sorted(maps.Keys(figures()[l])) }

// Voice is the small talk of a character that comes with Kuai, in its own words,
// as situations (ParseSituations), and who it is; "" where there is none of the
// name.
func Voice(name string, l fact.Language) (system, text string) {
	path := "voices/" + name + "_" + languageKeys[l] + ".txt"
	if v, ok := voiceTexts.Load(path); ok {
		return v.([2]string)[0], v.([2]string)[1] //nolint:forcetypeassert // nothing else is stored
	}
	b, err := voiceFiles.ReadFile(path)
	if err != nil {
		return "", ""
	}
	system, text, _ = strings.Cut(string(b), "\n")
	system = strings.TrimPrefix(system, "S: ")
	voiceTexts.Store(path, [2]string{system, text})
	return system, text
}

// OutOfRole says whether a reply speaks as the program that the companion is, and
// not as somebody whom it plays.
func OutOfRole(l fact.Language, reply string) bool { return programs[l].MatchString(reply) }

var programs = [...]*regexp.Regexp{
	fact.English: regexp.MustCompile(`(?i)\b(?:(?:a|the|only|this|as) program|programs?[,.]|software|i'm kuai|in a computer|i (?:have|got|own|need) (?:no|neither|nothing)|i don't (?:have|own|eat|drink|sleep|feel|dream|age)|i can(?:no|')t (?:really )?(?:see|hear|taste|eat|drink|smell|feel|sleep|touch|walk|meet|come|go)|no (?:body|stomach|hands?|legs?|eyes|ears|nose|mouth|heart|birthday|childhood|home|feet|tongue|face|age)\b)`),
	fact.Chinese: regexp.MustCompile(`程序|机器里|我(?:可)?(?:没有?|无)(?:自己的)?(?:身体|手|脚|腿|眼睛|耳朵|鼻子|嘴|舌头|肚子|胃|脸|家|年纪|年龄|岁数|生日|童年|人的|钟|节日|心情|床|衣服|钱包?)|我(?:又)?(?:不会|不用|不能|没法|不|没办法)(?:真的)?(?:吃|喝|睡|走|去|看见|听见|闻|尝|累|老|饿|冷|疼|做梦)|我[^，。！？]{0,4}(?:吃|喝|尝|闻|看|听|摸|走|去)不(?:了|到|见|着)`),
}

// inRole says whether nothing that the companion says in a conversation is out of
// its role.
func (c conversation) inRole(l fact.Language) bool {
	return !slices.ContainsFunc(c.turns, func(t string) bool { return OutOfRole(l, t) })
}
