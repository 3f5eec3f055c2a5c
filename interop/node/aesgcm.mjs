// Messages in `aesgcm`, the content coding of the drafts, both ways: ours decrypted by http_ece, those of web-push by us.
// Signed ones are so as the draft of VAPID had it; then the subscription is for the signer only. NODE_EXTRA_CA_CERTS says
// whom web-push trusts.
// Usage: aesgcm.mjs ORIGIN CA PROGRAM WORK, WORK having the keys as senders.sh makes them
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createECDH, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import ece from "http_ece";
import webpush from "web-push";
import { connect, discard, monitor, send, subscribe } from "./service.mjs";

const [, , , , program, work] = process.argv;
const version = (name) => createRequire(import.meta.url)(`${name}/package.json`).version;
const file = (name) => join(work, `node.aesgcm.${name}`);
const payloads = [Buffer.from("Grüße, 世界"), randomBytes(1), randomBytes(4077)];
const sizes = (of) => `${of.map(({ length }) => length).join(", ")} octets`;

/** One message after the other, as the user agent gets it: nothing of VAPID is left in Crypto-Key. */
async function exchange(vapid, payloads, sends, decrypts) {
  const agent = await connect();
  const { push, set } = await subscribe(agent, vapid);
  const open = monitor(agent, set);
  for (const payload of payloads) {
    await sends(agent, push, payload);
    const { promise, head, body } = await open.next();
    assert.equal(head["content-encoding"], "aesgcm");
    assert.match(head["crypto-key"], /^dh=[\w-]{87}$/);
    assert(body.length <= 4096, `${body.length} octets`);
    const came = decrypts(head, body);
    assert(came.equals(payload), `${payload.length} octets decrypted as ${came.length} others`);
    assert.equal(await discard(agent, promise[":path"]), 204);
  }
  open.cancel();
  agent.close();
}

async function oursIsRead(vapid) {
  const pair = createECDH("prime256v1");
  const [p256dh, auth] = [pair.generateKeys("base64url"), randomBytes(16).toString("base64url")];
  const signed = vapid ? [join(work, "key.pem")] : [];
  const sends = async (agent, push, payload) => {
    writeFileSync(file("json"), JSON.stringify({ endpoint: push, keys: { p256dh, auth } }));
    writeFileSync(file("payload"), payload);
    const fields = execFileSync(program, ["seal", file("json"), file("payload"), file("body"), ...signed]);
    await send(agent, push, readFileSync(file("body")), JSON.parse(fields));
  };
  const decrypts = (head, body) => {
    const [salt, dh] = [head.encryption.replace("salt=", ""), head["crypto-key"].replace("dh=", "")];
    return ece.decrypt(body, { version: "aesgcm", privateKey: pair, authSecret: auth, salt, dh });
  };
  const all = [Buffer.alloc(0), ...payloads];
  await exchange(vapid, all, sends, decrypts);
  const how = vapid ? "signed, to a subscription for this key only" : "unsigned";
  console.log(`   node: http_ece ${version("http_ece")} decrypts our aesgcm, ${how}: ${sizes(all)}`);
}

async function theirsIsRead(vapidDetails) {
  const keys = JSON.parse(execFileSync(program, ["keys", file("secret")]));
  const sends = async (agent, endpoint, payload) => {
    const options = { contentEncoding: "aesgcm", TTL: 3600, vapidDetails };
    const { statusCode } = await webpush.sendNotification({ endpoint, keys }, payload, options);
    assert.equal(statusCode, 201);
  };
  const decrypts = (head, body) => {
    writeFileSync(file("body"), body);
    return execFileSync(program, ["open", file("secret"), file("body"), head.encryption, head["crypto-key"]]);
  };
  await exchange(vapidDetails?.publicKey, payloads, sends, decrypts);
  const how = vapidDetails ? "signed as the draft has it, to a subscription for this key only" : "unsigned";
  console.log(`   node: aesgcm by web-push ${version("web-push")}, ${how} -> 201; decrypted by us: ${sizes(payloads)}`);
}

const key = JSON.parse(readFileSync(join(work, "key.json"), "utf8"));
for (const vapid of [undefined, readFileSync(join(work, "key.public"), "utf8").trim()]) await oursIsRead(vapid);
for (const vapid of [undefined, { subject: "mailto:interop@example.com", ...key }]) await theirsIsRead(vapid);
