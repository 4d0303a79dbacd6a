package media

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// playPage plays every clip to its end, then seeks to some frames and sends
// what it sees; of pictures it decodes the same frames.
const playPage = `<!doctype html><meta charset=utf-8><body><script>
const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
async function send(name, i, picture, w, h) {
  canvas.width = w; canvas.height = h;
  pen.drawImage(picture, 0, 0);
  const blob = await new Promise(r => canvas.toBlob(r, 'image/png'));
  await fetch('/frame?name=' + name + '&i=' + i, {method: 'POST', body: blob});
}
function once(el, what) {
  return new Promise((ok, no) => { el.addEventListener(what, ok, {once: true}); el.addEventListener('error', () => no(el.error && el.error.message), {once: true}); });
}
async function video(name, fps, frames) {
  const v = document.createElement('video');
  v.muted = true; v.src = '/clip/' + name;
  document.body.append(v);
  const ended = once(v, 'ended');
  await v.play();
  await ended;
  const q = v.getVideoPlaybackQuality();
  const out = {time: v.currentTime, duration: v.duration, frames: q.totalVideoFrames, dropped: q.droppedVideoFrames, seekable: v.seekable.length && v.seekable.end(0)};
  for (const i of frames) {
    const seeked = once(v, 'seeked'), shown = new Promise(r => v.requestVideoFrameCallback((now, meta) => r(meta.mediaTime)));
    v.currentTime = (i + .5) / fps;
    await seeked;
    (out.shown ??= []).push(await shown);
    await send(name, i, v, v.videoWidth, v.videoHeight);
  }
  v.remove();
  return out;
}
async function picture(name, type, frames) {
  const d = new ImageDecoder({data: (await fetch('/clip/' + name)).body, type});
  await d.completed;
  const n = d.tracks.selectedTrack.frameCount;
  let micros = 0;
  for (let i = 0; i < n; i++) {
    const {image} = await d.decode({frameIndex: i});
    micros += image.duration;
    if (frames.includes(i)) await send(name, i, image, image.displayWidth, image.displayHeight);
    image.close();
  }
  return {duration: micros / 1e6, frames: n};
}
(async () => {
  for (const c of await (await fetch('/clips')).json()) {
    let result;
    try { result = c.type.startsWith('video') ? await video(c.name, c.fps, c.frames) : await picture(c.name, c.type, c.frames); }
    catch (e) { result = {error: String(e)}; }
    await fetch('/result?name=' + c.name, {method: 'POST', body: JSON.stringify(result)});
  }
  await fetch('/done', {method: 'POST'});
})();
</script>`

// played is what the page tells of a clip.
type played struct {
	Time, Duration, Seekable float64
	Frames, Dropped          int
	Error                    string
}

type browserClip struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	FPS    int    `json:"fps"`
	Frames []int  `json:"frames"`
}

// TestChromium plays and looks at clips of every format in a real browser.
func TestChromium(t *testing.T) {
	if os.Getenv("KUAI_LONG") == "" {
		t.Skip("plays clips for some seconds; set KUAI_LONG=1")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	c, err := sample(25).Upscale(6)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string]Format{"clip.webm": WebM, "clip.mp4": MP4, "clip.webp": WebP, "clip.gif": GIF, "clip.png": PNG}
	if _, err := exec.LookPath("ffmpeg"); err == nil {
		files["h264.mp4"] = H264
	}
	var clips []browserClip
	for name, f := range files {
		if err := SaveAs(filepath.Join(dir, name), f, c, Options{}); err != nil {
			t.Fatal(err)
		}
		clips = append(clips, browserClip{name, f.ContentType(), c.FPS, []int{0, 1, 13, 24}})
	}
	done := make(chan struct{})
	server := httptest.NewServer(playServer(t, dir, c, clips, done))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", server.URL)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-ctx.Done():
		t.Error("the browser did not finish")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}

// playServer serves the page and checks what it sends.
func playServer(t *testing.T, dir string, c *Clip, clips []browserClip, done chan struct{}) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, playPage)
	})
	mux.Handle("GET /clip/", http.StripPrefix("/clip/", http.FileServer(http.Dir(dir))))
	mux.HandleFunc("GET /clips", func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(clips); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /frame", func(_ http.ResponseWriter, r *http.Request) {
		name, i := r.FormValue("name"), 0
		if n, err := strconv.Atoi(r.FormValue("i")); err == nil {
			i = n
		}
		img, err := png.Decode(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		p, shift := psnr(c, i, img), colourShift(c, i, img)
		t.Logf("%s frame %d: PSNR %.1f dB, mean colour off by %+.2f", name, i, p, shift)
		if limit := 30.0; p < limit {
			t.Errorf("%s frame %d: PSNR %.1f dB, want %.0f", name, i, p, limit)
		}
	})
	mux.HandleFunc("POST /result", func(_ http.ResponseWriter, r *http.Request) {
		var got played
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &got)
		}
		name, want := r.FormValue("name"), float64(len(c.Frames))/float64(c.FPS)
		t.Logf("%s: %s", name, body)
		if err != nil || got.Error != "" || got.Frames < len(c.Frames) || got.Duration < want-0.05 || got.Duration > want+0.05 {
			t.Errorf("%s: %s, %v; want %d frames in %.3f s", name, body, err, len(c.Frames), want)
		}
	})
	mux.HandleFunc("POST /done", func(http.ResponseWriter, *http.Request) { close(done) })
	return mux
}

// colourShift is how far each channel is off on the average.
func colourShift(c *Clip, i int, img image.Image) (out [3]float64) {
	for y := range c.Height {
		for x := range c.Width {
			r, g, b, _ := img.At(img.Bounds().Min.X+x, img.Bounds().Min.Y+y).RGBA()
			for k, v := range [3]uint32{r, g, b} {
				out[k] += (float64(v>>8) - float64(c.Frames[i][(y*c.Width+x)*3+k])) / float64(c.Width*c.Height)
			}
		}
	}
	return out
}
