package when

import (
	"fmt"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 15, 21, 30, 0, 0, time.UTC) // a Wednesday
	for text, want := range map[string]string{
		"what did we do last week":      "2024-05-06..2024-05-12",
		"in May":                        "2024-05-01..2024-05-31",
		"in June we swam":               "2023-06-01..2023-06-30",
		"on 3 May 2023":                 "2023-05-03..2023-05-03",
		"May 3rd, 2023":                 "2023-05-03..2023-05-03",
		"yesterday":                     "2024-05-14..2024-05-14",
		"two weeks ago":                 "2024-04-28..2024-05-04",
		"last Friday":                   "2024-05-10..2024-05-10",
		"last summer":                   "2023-06-01..2023-08-31",
		"in the summer of 2022":         "2022-06-01..2022-08-31",
		"in 2021":                       "2021-01-01..2021-12-31",
		"last weekend":                  "2024-05-11..2024-05-12",
		"上周我做了什么":                       "2024-05-06..2024-05-12",
		"去年夏天":                          "2023-06-01..2023-08-31",
		"昨天":                            "2024-05-14..2024-05-14",
		"五月三号":                          "2024-05-03..2024-05-03",
		"上周五":                           "2024-05-10..2024-05-10",
		"三年前":                           "2021-01-01..2021-12-31",
		"去年十二月":                         "2023-12-01..2023-12-31",
		"2023年5月3日":                     "2023-05-03..2023-05-03",
		"nothing here, I may go":        "",
		"99 years ago and 0 May":        "1925-01-01..1925-12-31",
		"":                              "",
		"the week before my exam, 2099": "2099-01-01..2099-12-31",
	} {
		got := ""
		if r := Find(text, now); len(r) > 0 {
			got = fmt.Sprintf("%s..%s", r[0].From.Format(time.DateOnly), r[0].To.Format(time.DateOnly))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("last week, 3 May 2023, 去年夏天, 十十月99号")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range Find(text, time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)) {
			if r.To.Before(r.From) {
				t.Errorf("%v", r)
			}
		}
		Has(text)
	})
}
