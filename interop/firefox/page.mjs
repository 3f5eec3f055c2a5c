// A page on localhost whose service worker tells its server what it decrypted.
import { createServer } from "node:http";
import { once } from "node:events";

export class Page {
  heard = [];

  static async serve() {
    const page = new Page();
    page.server = createServer((request, response) => page.answer(request, response));
    page.server.listen(0, "127.0.0.1");
    await once(page.server, "listening");
    page.url = `http://localhost:${page.server.address().port}`;
    return page;
  }

  async answer(request, response) {
    if (request.method === "POST") {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      this.heard.push(Buffer.concat(pieces).toString());
      return response.writeHead(204).end();
    }
    const script = request.url === "/worker.js";
    response.writeHead(200, { "content-type": script ? "text/javascript" : "text/html", "cache-control": "no-store" });
    response.end(script ? WORKER : "<!doctype html><title>push</title>");
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const WORKER = `
self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
const tell = (text) => fetch("/heard", { method: "POST", body: text });
self.addEventListener("push", (event) => event.waitUntil(tell(event.data === null ? "(no payload)" : event.data.text())));
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(tell("(subscription changed)")));
`;
