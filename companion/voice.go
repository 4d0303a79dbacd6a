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

// voiceTexts are who somebody is and the situations, by the name of the file.
var voiceTexts = sync.OnceValue(func() map[string][2]string {
	out := map[string][2]string{}
	all, err := fs.ReadDir(voiceFiles, "voices")
	check.True(err == nil, "companion: %v", err)
	for _, f := range all {
		b, err := voiceFiles.ReadFile("voices/" + f.Name())
		check.True(err == nil, "companion: %v", err)
		system, text, _ := strings.Cut(string(b), "\n")
		out[f.Name()] = [2]string{strings.TrimPrefix(system, "S: "), text}
	}
	return out
})

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
	v := voiceTexts()[name+"_"+languageKeys[l]+".txt"]
	return v[0], v[1]
}

// OutOfRole says whether a reply speaks as the program that the companion is, and
// not as somebody whom it plays.
func OutOfRole(l fact.Language, reply string) bool { return programs[l].MatchString(reply) }

var programs = [...]*regexp.Regexp{
	fact.English: regexp.MustCompile(`(?i)\b(?:a (?:small |little )?program\b|programs?[,.]|software|i'm kuai|in a computer|i (?:have|got) (?:no|neither) (?:own |real )?(?:body|stomach|hands?|legs?|eyes|ears|nose|mouth|birthday|childhood|home|house|feet|tongue|face|age|years|dreams|bed|clothes|calendar|past)\b|(?:not even|i never had) a (?:mother|body|bed)|no (?:nose|hands|school|kitchen) (?:here|for me)|i don't (?:have a body|eat|drink|sleep|dream|age)\b|i can(?:no|')t (?:really )?(?:taste|eat|drink|smell|sleep|touch|hear (?:it|that|music)|see (?:it|you|pictures|that))\b)`),
	fact.Chinese: regexp.MustCompile(`程序|机器里|我(?:可)?(?:没有?|无)(?:自己的)?(?:身体|手|脚|腿|眼睛|耳朵|鼻子|嘴|舌头|肚子|胃|脸|家|年纪|年龄|岁数|生日|童年|床|衣服)(?:[，。！？,]|$|可|能|来|去)|我(?:又)?(?:不会|不用|不能|没法|没办法)(?:真的)?(?:吃|喝|睡|看见|听见|闻|尝|累|老|饿|冷|疼|做梦)|我[^，。！？]{0,4}(?:吃|喝|尝|闻|摸)不(?:了|到|着)`),
}

// inRole says whether nothing that the companion says in a conversation is out of
// its role.
func (c conversation) inRole(l fact.Language) bool {
	return !slices.ContainsFunc(c.turns, func(t string) bool { return OutOfRole(l, t) })
}
