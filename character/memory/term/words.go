package term

import "strings"

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// stops are English words that tell one turn from another no better than
// chance: articles, pronouns, forms of be, have and do, and what a question
// begins with.
var stops = set(`a an the this that these those there here
	i me my mine myself you your yours yourself he him his she her hers it its we us our ours they them their theirs
	am is are was were be been being have has had having do does did doing done
	will would shall should can could may might must ll ve re m s d t
	and or but if so because as of at by for with about into to from in on off out up down over then than too very
	not no nor what when where who whom which why how
	just also really oh well yeah yes ok okay hey hi hello um uh like`)

// hanStops are the Chinese characters that grammar is made of. Pairs that hold
// them are kept.
const hanStops = "的了是在我你他她它们这那有和就不也都很吗呢吧啊呀哦嗯么什个着过到说去要会"

func hanStop(r rune) bool { return strings.ContainsRune(hanStops, r) }

// irregular are the forms that no rule of endings finds.
var irregular = func() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(`go went gone goes going
		get got gotten gets getting
		buy bought
		bring brought
		think thought
		teach taught
		catch caught
		fight fought
		see saw seen
		take took taken
		give gave given
		make made
		come came
		become became
		begin began begun
		meet met
		leave left
		lose lost
		win won
		find found
		feel felt
		keep kept
		sleep slept
		write wrote written
		drive drove driven
		ride rode ridden
		eat ate eaten
		fall fell fallen
		break broke broken
		speak spoke spoken
		choose chose chosen
		wear wore worn
		draw drew drawn
		grow grew grown
		know knew known
		throw threw thrown
		fly flew flown
		sing sang sung
		swim swam swum
		run ran
		sit sat
		tell told
		sell sold
		hold held
		build built
		send sent
		spend spent
		lend lent
		pay paid
		say said
		hear heard
		read reads
		understand understood
		stand stood
		steal stole stolen
		forget forgot forgotten
		hide hid hidden
		bite bit bitten
		child children kid kids
		person people
		wife wives
		life lives
		man men
		woman women
		foot feet
		tooth teeth
		mouse mice
		mother mom mum mommy mummy mama
		father dad daddy papa
		grandmother grandma granny nana
		grandfather grandpa granddad
		photo photograph photographs picture pictures pic pics
		film films movie movies
		marry married wedding marriage
		birth born
		bear bore borne`) {
		words := strings.Fields(line)
		for _, w := range words {
			m[w] = words[0]
		}
	}
	return m
}()
