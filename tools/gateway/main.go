// Command gateway measures what stands before language models: it is the model
// that costs nothing, and the clients.
//
//	gateway -serve 127.0.0.1:9000
//	gateway -ask http://127.0.0.1:8080/v1 -key KEY -connections 16 -each 10s
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	words       = 16 // of an answer
	maxAnswer   = 1 << 20
	maxRequest  = 1 << 20
	askTimeout  = time.Minute
	warmTime    = 2 * time.Second
	headTimeout = 10 * time.Second
)

func main() {
	serve := flag.String("serve", "", "address to be the model at")
	ask := flag.String("ask", "", "base URL of the gateway to measure")
	key := flag.String("key", "", "its key")
	model := flag.String("model", "null", "the model")
	connections := flag.Int("connections", 16, "requests at once")
	each := flag.Duration("each", 10*time.Second, "how long")
	stream := flag.Bool("stream", false, "streamed answers")
	flag.Parse()
	var err error
	switch {
	case *serve != "":
		s := &http.Server{Addr: *serve, Handler: http.HandlerFunc(answer), ReadHeaderTimeout: headTimeout}
		err = s.ListenAndServe()
	case *ask != "":
		err = measure(client{*ask, *key, *model, *stream}, *connections, *each)
	default:
		err = errors.New("gateway: give -serve or -ask")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// answer is the model: sixteen words, whole or as events.
func answer(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Stream bool `json:"stream"`
	}
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"null","object":"model"}]}`)
		return
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(&q); err != nil {
		http.Error(w, `{"error":{"message":"no JSON"}}`, http.StatusBadRequest)
		return
	}
	const usage = `"usage":{"prompt_tokens":12,"completion_tokens":16,"total_tokens":28}`
	if !q.Stream {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"id":"1","object":"chat.completion","created":1,"model":"null","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],%s}`, strings.Repeat("word ", words), usage)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	for i := range words {
		role := ""
		if i == 0 {
			role = `"role":"assistant",`
		}
		_, _ = fmt.Fprintf(w, "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"null\",\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\"word \"},\"finish_reason\":null}]}\n\n", role)
		_ = flush.Flush() // the client may have gone
	}
	_, _ = fmt.Fprintf(w, "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"null\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"null\",\"choices\":[],%s}\n\ndata: [DONE]\n\n", usage)
}

type client struct {
	base, key, model string
	stream           bool
}

// one asks once, and reads and checks the whole answer.
func (c client) one(ctx context.Context, h *http.Client) error {
	ctx, stop := context.WithTimeout(ctx, askTimeout)
	defer stop()
	body := `{"model":` + strconv.Quote(c.model) + `,"max_tokens":16,"stream":` + strconv.FormatBool(c.stream) + `,"messages":[{"role":"user","content":"Say sixteen words, please."}]}`
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	r.Header.Set("Content-Type", "application/json")
	res, err := h.Do(r)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(bufio.NewReader(res.Body), maxAnswer))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || strings.Count(string(data), "word") != words {
		return fmt.Errorf("gateway: %d: %.300s", res.StatusCode, data)
	}
	return nil
}

// measure keeps connections busy for a time and prints a line.
func measure(c client, connections int, each time.Duration) error {
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	var mu sync.Mutex
	var took []time.Duration
	var failed int
	var first error
	round := func(long time.Duration, count bool) float64 {
		var work sync.WaitGroup
		begun := time.Now()
		for range connections {
			work.Go(func() {
				for time.Since(begun) < long {
					at := time.Now()
					err := c.one(context.Background(), h)
					mu.Lock()
					switch {
					case !count:
					case err != nil:
						failed++
						first = cmp.Or(first, err)
					default:
						took = append(took, time.Since(at))
					}
					mu.Unlock()
					if err != nil {
						time.Sleep(10 * time.Millisecond)
					}
				}
			})
		}
		work.Wait()
		return time.Since(begun).Seconds()
	}
	round(warmTime, false)
	seconds := round(each, true)
	if len(took) == 0 {
		return fmt.Errorf("gateway: nothing was answered: %w", first)
	}
	slices.Sort(took)
	fmt.Printf("%8.0f requests/s  p50 %6.1f ms  p99 %6.1f ms  %d failed\n", float64(len(took))/seconds,
		took[len(took)/2].Seconds()*1000, took[len(took)*99/100].Seconds()*1000, failed)
	return nil
}
