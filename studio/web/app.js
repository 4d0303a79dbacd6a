// The studio: makes clips through POST /v1/videos, follows them through their
// events, and shows what was made. No state of its own: the server has it all.
const $ = (id) => document.getElementById(id);

const examples = [
  "a fox jumps over the grass at night",
  "a big elephant runs to the right on the beach at sunset",
  "一只企鹅白天在雪地里转圈",
  "a rocket flies up in space",
  "一个足球傍晚在沙滩上上下弹跳",
  "a small cake falls from the sky in the city",
];

let current = null; // the id of the clip on the stage
let events = null; // of the clip at work

async function api(path, options) {
  const res = await fetch(path, options);
  const body = await res.json().catch(() => ({}));
  if (!res.ok) throw new Error(body.error?.message ?? `the server answered ${res.status}`);
  return body;
}

function showError(message) {
  $("error").textContent = message ?? "";
  $("error").hidden = !message;
}

function busy(on) {
  $("make").disabled = on;
  $("work").hidden = !on;
  if (on) $("empty").hidden = true;
}

const stages = { text: "reading the prompt", sample: "drawing", decode: "unfolding the frames" };

function follow(id) {
  busy(true);
  events?.close();
  events = new EventSource(`/api/v1/videos/${id}/events`);
  events.onmessage = (e) => {
    const v = JSON.parse(e.data);
    $("bar").value = v.progress;
    $("worktext").textContent =
      v.status === "queued" ? "waiting for its turn" : `${stages[v.kuai_stage] ?? "starting"} · ${v.progress} %`;
    if (["completed", "failed", "cancelled"].includes(v.status)) {
      events.close();
      busy(false);
      if (v.status === "completed") {
        play(v);
        gallery();
      } else {
        $("empty").hidden = !$("player").hidden;
        if (v.status === "failed") showError(v.error?.message ?? "the clip failed");
      }
    }
  };
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) {
      busy(false);
      showError("the connection to the server was lost");
    }
  };
  $("cancel").onclick = () => api(`/api/v1/videos/${id}/cancel`, { method: "POST" }).catch((e) => showError(e.message));
}

function play(v) {
  current = v.id;
  const player = $("player");
  player.src = `/v1/videos/${v.id}/content`;
  player.hidden = false;
  player.onloadeddata = () => { player.playbackRate = Number($("speed").value); };
  player.play().catch(() => {});
  $("empty").hidden = true;
  $("under").hidden = false;
  $("said").textContent = `“${v.prompt}” — seed ${v.kuai_seed}, ${v.seconds} s, made in ${v.kuai_seconds_of_work.toFixed(1)} s`;
  for (const a of document.querySelectorAll("[data-format]")) {
    a.href = `/v1/videos/${v.id}/content?format=${a.dataset.format}&download=1`;
  }
  const chips = (v.kuai_understood ?? []).map((s) => chip(s.kind, `${s.en} ${s.zh}`));
  for (const word of v.kuai_unknown_words ?? []) chips.push(chip("not known", word, "unknown"));
  $("understood").replaceChildren(...chips);
}

function chip(kind, text, cls = "") {
  const span = document.createElement("span");
  const i = document.createElement("i");
  const b = document.createElement("b");
  i.textContent = `${kind} `;
  b.textContent = text;
  span.className = cls;
  span.append(i, b);
  return span;
}

async function gallery() {
  const { data } = await api("/v1/videos");
  const cards = data.filter((v) => v.status === "completed").map((v) => {
    const card = $("card").content.firstElementChild.cloneNode(true);
    const video = card.querySelector("video");
    video.src = `/v1/videos/${v.id}/content?scale=3`;
    card.querySelector("p").textContent = v.prompt;
    card.onmouseenter = card.onfocus = () => video.play().catch(() => {});
    card.onmouseleave = card.onblur = () => video.pause();
    card.onclick = () => { play(v); window.scrollTo({ top: 0, behavior: "smooth" }); };
    card.onkeydown = (e) => { if (e.key === "Enter") card.onclick(); };
    card.querySelector(".bin").onclick = async (e) => {
      e.stopPropagation();
      await api(`/v1/videos/${v.id}`, { method: "DELETE" }).catch((err) => showError(err.message));
      gallery();
    };
    return card;
  });
  if (cards.length === 0) {
    const none = document.createElement("p");
    none.className = "none";
    none.textContent = "Nothing yet: write a sentence and make the first clip.";
    cards.push(none);
  }
  $("clips").replaceChildren(...cards);
  return data;
}

$("form").onsubmit = async (e) => {
  e.preventDefault();
  showError();
  const prompt = $("prompt").value.trim() || $("prompt").placeholder;
  const seed = $("seed").value.trim();
  try {
    const v = await api("/v1/videos", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ prompt, ...(seed && { seed }) }),
    });
    follow(v.id);
  } catch (err) {
    showError(err.message);
  }
};

$("prompt").onkeydown = (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("form").requestSubmit();
  }
};

$("speed").onchange = () => { $("player").playbackRate = Number($("speed").value); };

$("examples").replaceChildren(...examples.map((text) => {
  const b = document.createElement("button");
  b.type = "button";
  b.textContent = text;
  b.onclick = () => { $("prompt").value = text; $("form").requestSubmit(); };
  return b;
}));

gallery().then((data) => {
  const running = data.find((v) => v.status === "queued" || v.status === "in_progress");
  const last = data.find((v) => v.status === "completed");
  if (last) play(last);
  if (running) follow(running.id);
}).catch((e) => showError(e.message));
