// A proxy that writes down what clients send and what shape comes back, for
// the replay in Go. Secrets are left out; so are polls that say nothing new.
import http from "node:http";
import { writeFileSync } from "node:fs";

const keep = ["content-type", "accept", "anthropic-version", "anthropic-beta", "mm-api-source", "idempotency-key", "language", "user-agent"];
const isText = (type) => /json|text|event-stream|ndjson/.test(type ?? "");

/** named: what secrets are called in the recording; others are left out. */
export async function recorder(target, named) {
  const [host, port] = target.split(":");
  const books = {};
  let name = "";
  const server = http.createServer((req, res) => {
    const parts = [];
    req.on("data", (d) => parts.push(d));
    req.on("end", () => {
      const body = Buffer.concat(parts);
      const up = http.request({ host, port, method: req.method, path: req.url, headers: { ...req.headers, host: target } }, (back) => {
        res.writeHead(back.statusCode, back.headers);
        const answer = [];
        back.on("data", (d) => { answer.push(d); res.write(d); });
        back.on("end", () => { res.end(); write(req, body, back, Buffer.concat(answer)); });
        back.on("error", () => res.destroy());
      });
      up.on("error", () => res.destroy());
      res.on("close", () => { if (!res.writableEnded) up.destroy(); });
      up.end(body);
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  server.unref();

  function write(req, body, back, answer) {
    const book = (books[name] ??= []);
    const key = (req.headers.authorization ?? req.headers["x-api-key"] ?? "").replace(/^Bearer /, "");
    const headers = Object.fromEntries(keep.filter((k) => req.headers[k]).map((k) => [k, req.headers[k]]));
    const type = back.headers["content-type"];
    const entry = {
      method: req.method, path: req.url, headers, key: named[key] ?? "",
      auth: req.headers["x-api-key"] ? "x-api-key" : req.headers.authorization ? "bearer" : "",
      body: isText(headers["content-type"]) ? body.toString() : undefined,
      base64: !isText(headers["content-type"]) && body.length ? body.toString("base64") : undefined,
      status: back.statusCode, type, reply: isText(type) && answer.length < 64 << 10 ? answer.toString() : undefined,
    };
    const same = (e) => e.method === entry.method && e.path === entry.path && e.method === "GET" && /video|task/.test(e.path);
    const before = book.findLastIndex(same);
    if (before >= 0) book.splice(before, 1); // a poll: the last one tells how it ended
    book.push(entry);
  }
  return {
    address: `127.0.0.1:${server.address().port}`,
    client: (c) => (name = c),
    save(dir) { for (const [c, book] of Object.entries(books)) writeFileSync(`${dir}/${c}.json`, JSON.stringify(book, null, 1) + "\n"); },
  };
}
