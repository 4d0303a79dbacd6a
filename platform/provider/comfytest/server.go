// Package comfytest is a ComfyUI server for tests: it speaks the part of the real
// one's API that clients use, and makes nothing.
package comfytest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/websocket"
)

// Clip is what every prompt makes, and Picture what its preview shows.
const (
	Clip    = "\x00\x00\x00\x18ftypmp42 a clip of ComfyUI"
	Picture = "\x89PNG\r\n\x1a\n a preview"
)

// Steps is how many steps of sampling are told.
const Steps = 4

// Workflow is one in the API format, with what its clips are like.
const Workflow = `{"kuai":{"width":832,"height":480,"fps":16,"frames":81,"stride":4},
	"3":{"class_type":"KSampler","inputs":{"seed":"${seed}","steps":"${steps}","cfg":"${guidance}","model":["4",0]}},
	"6":{"class_type":"CLIPTextEncode","inputs":{"text":"best quality, ${prompt}"}},
	"7":{"class_type":"EmptyHunyuanLatentVideo","inputs":{"length":"${frames}","width":"${width}","height":"${height}"}},
	"10":{"class_type":"SaveVideo","inputs":{"fps":"${fps}"}}}`

// ImageWorkflow is one whose clips begin with a picture.
const ImageWorkflow = `{"kuai":{"width":832,"height":480,"fps":16,"frames":81},
	"5":{"class_type":"LoadImage","inputs":{"image":"${image}"}},
	"6":{"class_type":"CLIPTextEncode","inputs":{"text":"${prompt}"}},
	"7":{"class_type":"WanImageToVideo","inputs":{"start_image":["5",0],"length":"${frames}"}},
	"10":{"class_type":"SaveVideo","inputs":{"fps":"${fps}"}}}`

// Server is a ComfyUI. A prompt with the word "wait" runs until it is interrupted,
// one with "break" fails as it runs, one with "refuse" is not taken.
type Server struct {
	*httptest.Server
	Mute bool // has no web socket
	Down bool // answers nothing but errors

	mu      sync.Mutex
	images  map[string][]byte   // that were uploaded, by their names
	sockets map[string]chan any // by client: messages for it
	prompts []*prompt
	began   chan string // ids of prompts that wait
	stopped chan string // and of those that were interrupted
}

type prompt struct {
	id, client string
	nodes      map[string]any
	state      string        // running, success, error, interrupted
	asked      chan struct{} // closed when its history was asked for first
}

// New starts one that ends with the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{images: map[string][]byte{}, sockets: map[string]chan any{}, began: make(chan string, 16), stopped: make(chan string, 16)}
	m := http.NewServeMux()
	m.HandleFunc("GET /system_stats", s.json(func(*http.Request) any {
		return map[string]any{"system": map[string]string{"comfyui_version": "0.3.75"}}
	}))
	m.HandleFunc("POST /prompt", s.prompt)
	m.HandleFunc("POST /upload/image", s.upload)
	m.HandleFunc("GET /queue", s.json(s.queue))
	m.HandleFunc("POST /queue", s.json(s.remove))
	m.HandleFunc("POST /interrupt", s.json(s.interrupt))
	m.HandleFunc("GET /history/{id}", s.json(s.history))
	m.HandleFunc("GET /view", s.view)
	m.Handle("GET /ws", websocket.Server{Handler: s.socket})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.Down:
			http.Error(w, "out of memory", http.StatusInternalServerError)
		case s.Mute && r.URL.Path == "/ws":
			http.NotFound(w, r)
		default:
			m.ServeHTTP(w, r)
		}
	}))
	tb.Cleanup(s.Close)
	return s
}

// Began tells the id of each prompt that waits, as it begins.
func (s *Server) Began() <-chan string { return s.began }

// Interrupted tells the id of each prompt that is interrupted.
func (s *Server) Interrupted() <-chan string { return s.stopped }

// State is what became of each prompt, in their order.
func (s *Server) State() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.prompts {
		all = append(all, p.state)
	}
	return all
}

// Nodes are those of the last prompt that was taken.
func (s *Server) Nodes() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.prompts) == 0 {
		return nil
	}
	return s.prompts[len(s.prompts)-1].nodes
}

func (s *Server) json(f func(r *http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(f(r)) // the client has gone
	}
}

// upload keeps a picture in the folder of inputs.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	f, head, err := r.FormFile("image")
	if err != nil || r.FormValue("type") != "input" || r.FormValue("overwrite") != "true" {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	defer f.Close() //nolint:errcheck // was only read
	data, err := io.ReadAll(f)
	if err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.images["pictures/"+head.Filename] = data
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"name":%q,"subfolder":"pictures","type":"input"}`, head.Filename) // the client has gone
}

// Image is the uploaded picture that the last prompt loads; nil is none.
func (s *Server) Image() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.prompts) == 0 {
		return nil
	}
	return s.images[loaded(s.prompts[len(s.prompts)-1].nodes)]
}

// loaded is the name of the picture that a workflow loads.
func loaded(nodes map[string]any) string {
	for _, n := range nodes {
		node, _ := n.(map[string]any)
		inputs, _ := node["inputs"].(map[string]any)
		if name, ok := inputs["image"].(string); ok && node["class_type"] == "LoadImage" {
			return name
		}
	}
	return ""
}

// prompt queues a workflow, if every node of it has a class and the picture that it
// loads is there.
func (s *Server) prompt(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Prompt map[string]any `json:"prompt"`
		Client string         `json:"client_id"`
	}
	bad := json.NewDecoder(r.Body).Decode(&in) != nil
	for _, n := range in.Prompt {
		node, _ := n.(map[string]any)
		bad = bad || node["class_type"] == nil
	}
	if name := loaded(in.Prompt); name != "" {
		s.mu.Lock()
		bad = bad || s.images[name] == nil
		s.mu.Unlock()
	}
	text := fmt.Sprint(in.Prompt)
	if bad || strings.Contains(text, "refuse") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"error":{"type":"prompt_outputs_failed_validation","message":"Prompt outputs failed validation","details":"","extra_info":{}},"node_errors":{}}`)
		return
	}
	s.mu.Lock()
	p := &prompt{id: fmt.Sprintf("p%d", len(s.prompts)+1), client: in.Client, nodes: in.Prompt, state: "running", asked: make(chan struct{})}
	s.prompts = append(s.prompts, p)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"prompt_id":%q,"number":1,"node_errors":{}}`, p.id)
	go s.run(p, text)
}

// run tells of a prompt's steps, and ends it. It begins when somebody has asked for
// it: a real one takes longer than that.
func (s *Server) run(p *prompt, text string) {
	<-p.asked
	s.tell(p.client, map[string]any{"type": "execution_start", "data": map[string]any{"prompt_id": p.id}})
	for step := 1; step <= Steps; step++ {
		s.tell(p.client, map[string]any{"type": "progress", "data": map[string]any{"value": step, "max": Steps, "prompt_id": p.id, "node": "3"}})
		if step == 1 {
			s.tell(p.client, []byte(Picture))
		}
	}
	if strings.Contains(text, "wait") {
		s.began <- p.id
		return
	}
	s.mu.Lock()
	if p.state = "success"; strings.Contains(text, "break") {
		p.state = "error"
	}
	state := p.state
	s.mu.Unlock()
	s.tell(p.client, map[string]any{"type": "execution_" + state, "data": map[string]any{"prompt_id": p.id}})
}

// tell sends a message to a client, if it listens.
func (s *Server) tell(client string, v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.sockets[client]; c != nil {
		select {
		case c <- v:
		default: // it does not read
		}
	}
}

func (s *Server) socket(c *websocket.Conn) {
	id := c.Request().URL.Query().Get("clientId")
	told := make(chan any, 100)
	s.mu.Lock()
	s.sockets[id] = told
	s.mu.Unlock()
	told <- map[string]any{"type": "status", "data": map[string]any{"sid": id}}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = c.Read(make([]byte, 1)) // until the client leaves
	}()
	for {
		var v any
		select {
		case <-gone:
			s.mu.Lock()
			delete(s.sockets, id)
			s.mu.Unlock()
			return
		case v = <-told:
		}
		if picture, ok := v.([]byte); ok {
			head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 1), 2) // a preview, in PNG
			_ = websocket.Message.Send(c, append(head, picture...))                         // it has gone
			continue
		}
		data, _ := json.Marshal(v)
		_ = websocket.Message.Send(c, string(data)) // it has gone
	}
}

func (s *Server) queue(*http.Request) any {
	running := [][]any{}
	for i, p := range s.prompts {
		if p.state == "running" {
			running = append(running, []any{i, p.id, p.nodes, map[string]any{}, []string{"10"}})
		}
	}
	return map[string]any{"queue_running": running, "queue_pending": [][]any{}}
}

// remove takes what waits out of the queue; here all run at once.
func (*Server) remove(*http.Request) any { return nil }

// interrupt stops the prompt that is named, or whatever runs.
func (s *Server) interrupt(r *http.Request) any {
	var in struct {
		ID string `json:"prompt_id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in) // nothing is all of them
	for _, p := range s.prompts {
		if p.state == "running" && (in.ID == "" || p.id == in.ID) {
			p.state = "interrupted"
			s.stopped <- p.id
		}
	}
	return nil
}

func (s *Server) history(r *http.Request) any {
	for _, p := range s.prompts {
		if p.id != r.PathValue("id") {
			continue
		}
		select {
		case <-p.asked:
		default:
			close(p.asked)
		}
		if p.state == "running" {
			break
		}
		outputs, status := map[string]any{}, "error"
		if p.state == "success" {
			status = "success"
			outputs["9"] = map[string]any{"images": []map[string]string{{"filename": "preview.png", "subfolder": "", "type": "temp"}}}
			outputs["10"] = map[string]any{"images": []map[string]string{{"filename": "../kuai_00001_.mp4", "subfolder": "video", "type": "output"}}, "animated": []bool{true}}
		}
		return map[string]any{p.id: map[string]any{"outputs": outputs, "status": map[string]any{"status_str": status, "completed": status == "success"}}}
	}
	return map[string]any{}
}

func (*Server) view(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("subfolder") != "video" || q.Get("type") != "output" || q.Get("filename") == "" {
		http.NotFound(w, r)
		return
	}
	_, _ = fmt.Fprint(w, Clip) // the client has gone
}
