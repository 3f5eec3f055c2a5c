// What the checks need of a push service, by Node's own http2: sessions, requests, and pushes as they come.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import { buffer } from "node:stream/consumers";

const [, , origin, ca] = process.argv;
export { ca, origin };

/** A session over TLS that trusts the given CA only; what breaks it ends the run. */
export async function connect(settings = {}) {
  const session = http2.connect(origin, { ca: readFileSync(ca), settings });
  session.on("goaway", (code) => assert.equal(code, http2.constants.NGHTTP2_NO_ERROR, "GOAWAY"));
  await once(session, "connect");
  return session;
}

/** One request and its whole response. */
export async function request(session, headers, body) {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const [[response], octets] = await Promise.all([once(stream, "response"), buffer(stream)]);
  return { ...response, body: octets };
}

/** Subscribes, for the holder of a VAPID key only if there is one; the URLs are paths. */
export async function subscribe(session, vapid) {
  const headers = { ":method": "POST", ":path": "/subscribe" };
  if (vapid) headers["content-type"] = "application/webpush-options+json";
  const created = await request(session, headers, vapid && JSON.stringify({ vapid }));
  assert.equal(created[":status"], 201);
  return { subscription: path(created.location), push: link(created, ""), set: path(link(created, ":set")) };
}

/** Sends a message; its path. */
export async function send(session, push, body, headers = {}) {
  const response = await request(session, { ":method": "POST", ":path": path(push), ttl: 3600, ...headers }, body);
  assert.equal(response[":status"], headers.prefer ? 202 : 201);
  return { path: path(response.location), receipts: headers.prefer && path(link(response, ":receipt")) };
}

/** Acknowledges a message, or ends a subscription or a set; the status. */
export async function discard(session, path) {
  const response = await request(session, { ":method": "DELETE", ":path": path });
  return response[":status"];
}

/** A GET that stays open: `next()` is the next push, whole, `all()` those promised; `response` how the GET ended. */
export function monitor(session, target, headers = {}) {
  const stream = session.request({ ":path": target, ...headers });
  const pushes = [];
  let wake = () => {};
  const onPush = (pushed, promise) => {
    pushes.push(whole(pushed, promise));
    wake();
  };
  session.on("stream", onPush);
  const response = (async () => {
    const [head] = await once(stream, "response");
    const body = await buffer(stream);
    session.off("stream", onPush);
    return { ...head, body };
  })();
  return {
    response,
    cancel: () => {
      session.off("stream", onPush);
      response.catch(() => {});
      stream.close(http2.constants.NGHTTP2_CANCEL);
    },
    all: async () => Promise.all(pushes.splice(0)),
    waiting: () => pushes.length,
    next: async () => {
      while (pushes.length === 0) await new Promise((resolve) => (wake = resolve));
      return pushes.shift();
    },
  };
}

async function whole(pushed, promise) {
  const [[head, flags], body] = await Promise.all([once(pushed, "push"), buffer(pushed)]);
  assert.equal(pushed.rstCode, http2.constants.NGHTTP2_NO_ERROR, "reset of a push");
  return { promise, head, body, headersOnly: (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0 };
}

/** The target of the link with this relation, or what comes behind urn:ietf:params:push. */
export function link(headers, relation) {
  const found = new RegExp(`<([^>]*)>; *rel="urn:ietf:params:push${relation}"`).exec(headers.link);
  assert(found, `no link to push${relation} in ${headers.link}`);
  return found[1];
}

export function path(url) {
  const { pathname, origin: of } = new URL(url, origin);
  assert.equal(of, origin);
  return pathname;
}
