package memory

import (
	"testing"

	"kuai/companion/fact"
)

// TestAnother checks whom facts are about that were taken for the user's.
func TestAnother(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, predicate, value, want string }{
		{"My book club friend is fond of jazz.", "likes", "jazz", "book club friend"},
		{"Baby blue is so my book club friend, everyone knows.", "favorite_color", "Baby blue", "book club friend"},
		{"Did I mention? My adopted son wears the shirt of the Owls.", "team", "Owls", "adopted son"},
		{"I heard my adopted son talk in Greek.", "speaks", "Greek", fact.User},
		{"My favorite teacher says that my hobby is chess.", "hobby", "chess", fact.User},
		{"My favorite color is blue.", "favorite_color", "blue", fact.User},
		{"My Spanish teacher is nice.", "learns", "Spanish", fact.User},
		{"My dog is a labrador.", "has_pet", "labrador", fact.User},
		{"My wife is Ann.", "married_to", "Ann", fact.User},
		{"My boss is married to Ann.", "married_to", "Ann", "boss"},
		{"My e-reader shows Dune.", "reads", "Dune", fact.User},
		{"My boss and my sister play the cello.", "plays", "cello", fact.User},
		{"My sister saw me buy a lamp.", "bought", "lamp", fact.User},
		{"语言：泰米尔语，我继母都会", "speaks", "泰米尔语", fact.User}, // or who knows whose
		{"我养子抽血查的，醋过敏", "allergic_to", "醋", "养子"},
		{"新房在十四楼，能看见我丈母娘家", "floor", "十四", fact.User},
		{"我母语是彝语", "speaks", "彝语", fact.User},
		{"告诉你，我乐队队友星期五上课", "class_day", "星期五", "乐队队友"},
		{"我老师告诉我爱好是下棋，我很喜欢", "hobby", "下棋", fact.User},
		{"我喜欢下棋", "likes", "下棋", fact.User},
	} {
		if got := another(c.text, fact.Fact{Subject: fact.User, Predicate: c.predicate, Object: c.value}); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
	for text, want := range map[string]string{
		"Music for my book club friend, any suggestions?": "book club friend",
		"I like my boss. Where does my boss live?":        "boss",
		"Where do I live?":            fact.User,
		"我前妻名字？":                      "前妻",
		"请告诉我我乐队队友叫哪个名":               "乐队队友",
		"What is my dog food called?": fact.User,
	} {
		if got := askedOf(text, fact.Query{Subject: fact.User, Predicate: "name"}); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestPetOf checks whose pets are meant.
func TestPetOf(t *testing.T) {
	t.Parallel()
	for _, c := range [][4]string{
		{"我继父的拉布拉多叫什么？", "继父", "pet_name", "继父的拉布拉多"},
		{"What's my aunt's dog called?", "aunt", "pet_name", "aunt's dog"},
		{"What's my aunt's name?", "aunt", "pet_name", "aunt"},
		{"What's my aunt's dog called?", "aunt", "name", "aunt"},
		{"我的狗叫什么", fact.User, "pet_name", fact.User},
	} {
		if got := petOf(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%q: %s, want %s", c[0], got, c[3])
		}
	}
}
