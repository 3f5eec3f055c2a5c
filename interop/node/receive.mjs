// A user agent of Node's http2: takes pushes, acknowledges them, and sees the receipts. Usage: receive.mjs ORIGIN CA
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect, discard, link, monitor, origin, path, request, send, subscribe } from "./service.mjs";

const say = (text) => console.log(`   node: ${text}`);

/** Messages that are posted while the GET is open come at once, unchanged, and end with the DELETE. */
async function pushesLive() {
  const [agent, server] = [await connect(), await connect()];
  const { push, set } = await subscribe(agent);
  const open = monitor(agent, set);
  for (const size of [517, 0, 4096]) {
    const body = randomBytes(size);
    const fields = { "content-type": "application/octet-stream", "content-encoding": "aes128gcm" };
    const sent = await send(server, push, body, { ...fields, urgency: "high", topic: "live" });
    const { promise, head, body: came } = await open.next();
    assert.equal(promise[":method"], "GET");
    assert.equal(promise[":path"], sent.path);
    assert.equal(`${promise[":scheme"]}://${promise[":authority"]}`, origin);
    for (const part of [promise, head]) {
      assert.equal(link(part, ""), push);
      assert(!("urgency" in part) && !("topic" in part), "urgency and topic are not passed on");
    }
    assert.equal(head[":status"], 200);
    for (const [name, value] of Object.entries(fields)) assert.equal(head[name], value);
    assert(Math.abs(Date.parse(head["last-modified"]) - Date.now()) < 60_000, head["last-modified"]);
    assert(came.equals(body), `${came.length} other octets came than the ${size} sent`);
    assert.equal(await discard(agent, sent.path), 204);
    assert.equal(await discard(agent, sent.path), 404);
    say(`${size} octets pushed while the GET is open, :path is the Location's, link and octets the sender's; DELETE -> 204, again -> 404`);
  }
  open.cancel();
  const { ":status": status } = await monitor(agent, set, { prefer: "wait=0" }).response;
  assert.equal(status, 204);
  say("a GET that is reset leaves its connection whole: the next one, nothing waiting -> 204");
  agent.close();
  server.close();
}

/** Whoever asked for a receipt is told of the acknowledgement, by a push without a body (8030-6.3-3). */
async function pushesReceipts() {
  const [agent, server] = [await connect(), await connect()];
  const { push, set } = await subscribe(agent);
  const open = monitor(agent, set);
  const sent = await send(server, push, "receipt, please", { prefer: "respond-async" });
  assert.equal((await open.next()).promise[":path"], sent.path);
  const receipts = monitor(server, sent.receipts);
  assert.equal(await discard(agent, sent.path), 204);
  const { promise, head, headersOnly } = await receipts.next();
  assert.deepEqual([promise[":method"], promise[":path"], head[":status"], headersOnly], ["GET", sent.path, 204, true]);
  say("acknowledged -> 204 without a body pushed for the message's URL to the open GET of the receipts");

  // One more, on the same receipt subscription, that nobody monitors when the acknowledgement comes.
  receipts.cancel();
  const reuse = { prefer: "respond-async", link: `<${origin}${sent.receipts}>; rel="urn:ietf:params:push:receipt"` };
  const second = await send(server, push, "and again", reuse);
  assert.equal(second.receipts, sent.receipts);
  assert.equal((await open.next()).promise[":path"], second.path);
  assert.equal(await discard(agent, second.path), 204);
  const later = await monitor(server, sent.receipts).next();
  assert.deepEqual([later.promise[":path"], later.head[":status"]], [second.path, 204]);
  say("a second receipt on the same receipt subscription waits for its GET");
  agent.destroy();
  server.destroy();
}

/** What cannot be pushed is not promised, and nobody waits for ever (9113-8.4-1). */
async function refusesWithoutPush() {
  const session = await connect({ enablePush: false });
  const { subscription, push, set } = await subscribe(session);
  const sent = await send(session, push, "not for you");
  for (const target of [subscription, set]) {
    const open = monitor(session, target);
    const response = await open.response;
    assert.equal(response[":status"], 406);
    assert.equal(response["content-type"], "application/problem+json");
    const { section, detail } = JSON.parse(response.body);
    assert.match(section, /RFC 8030 §6/);
    assert.equal(open.waiting(), 0);
    say(`enablePush: false -> 406 (${section}: ${detail}), and no promise`);
  }
  assert.equal(await discard(session, sent.path), 204);
  session.close();
}

/** What waited comes in order, however little the peer takes at once. */
async function pushesThroughWindow(initialWindowSize) {
  const agent = await connect({ initialWindowSize });
  const { push, set } = await subscribe(agent);
  const { bodies, sent } = await store(agent, push);
  for (const headers of [{ prefer: "wait=0" }, {}]) {
    const open = monitor(agent, set, headers);
    for (const [i, body] of bodies.entries()) {
      const pushed = await open.next();
      assert.equal(pushed.promise[":path"], sent[i]);
      assert(pushed.body.equals(body), `octets of message ${i}`);
    }
    if (headers.prefer) assert.equal((await open.response)[":status"], 200);
    else open.cancel();
  }
  for (const message of sent) assert.equal(await discard(agent, message), 204);
  say(`initialWindowSize ${initialWindowSize}: 5 stored messages of 4096 octets came in order, with wait=0 and without`);
  agent.close();
}

/**
 * Node counts its own requests, too, against the limit that it sets (Http2Session::CanAddStream), and resets what comes
 * beyond. So with 2 it has room for one push while its GET is open, and with 1 for none.
 */
async function pushesAgainWhatNodeRefused() {
  const agent = await connect({ maxConcurrentStreams: 2 });
  const { push, set } = await subscribe(agent);
  const { bodies, sent } = await store(agent, push);
  const came = new Map();
  let monitors = 0;
  while (came.size < sent.length) {
    assert(++monitors <= sent.length, `${came.size} of ${sent.length} messages came to ${monitors - 1} monitors`);
    const open = monitor(agent, set, { prefer: "wait=0" });
    assert.equal((await open.response)[":status"], 200);
    for (const { promise, body } of await open.all()) {
      came.set(promise[":path"], body);
      assert.equal(await discard(agent, promise[":path"]), 204);
    }
  }
  for (const [i, body] of bodies.entries()) assert(came.get(sent[i]).equals(body), `octets of message ${i}`);
  assert.equal((await monitor(agent, set, { prefer: "wait=0" }).response)[":status"], 204);
  say(`maxConcurrentStreams 2: all 5 stored messages came, what Node reset with a later GET (${monitors} in all)`);
  agent.close();
}

/** Whoever monitors a subscription or a set learns that it ended (8030-7.3-2, 8030-7.3.1-2). */
async function endsWithSubscription() {
  const [agent, other] = [await connect(), await connect()];
  for (const kind of ["subscription", "set"]) {
    const target = (await subscribe(agent))[kind];
    const open = monitor(agent, target);
    assert.equal(await discard(other, target), 204);
    const response = await open.response;
    assert.deepEqual([response[":status"], response["content-type"]], [404, "application/problem+json"]);
    say(`DELETE of a ${kind} -> 204, and the open GET of it -> 404 (${JSON.parse(response.body).section})`);
  }
  agent.close();
  other.close();
}

async function store(session, push) {
  const bodies = Array.from({ length: 5 }, () => randomBytes(4096));
  const sent = [];
  for (const body of bodies) sent.push((await send(session, push, body)).path);
  return { bodies, sent };
}

await pushesLive();
await pushesReceipts();
await refusesWithoutPush();
await pushesThroughWindow(1000);
await pushesAgainWhatNodeRefused();
await endsWithSubscription();
