// Messages of `webpush send`, taken as they come and decrypted by http_ece: the keys of the subscription are made here.
// Usage: decrypt.mjs ORIGIN CA WEBPUSH KEY PUBLIC-KEY WORK
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createECDH, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import ece from "http_ece";
import { ca, connect, discard, monitor, subscribe } from "./service.mjs";

const [, , , , webpush, key, publicKey, work] = process.argv;
const { version } = createRequire(import.meta.url)("http_ece/package.json");
const files = { subscription: join(work, "node.json"), payload: join(work, "node.payload") };

for (const vapid of [undefined, publicKey]) {
  const agent = await connect();
  const { push, set } = await subscribe(agent, vapid);
  const open = monitor(agent, set);
  const pair = createECDH("prime256v1");
  const [p256dh, auth] = [pair.generateKeys(), randomBytes(16)];
  const keys = { p256dh: p256dh.toString("base64url"), auth: auth.toString("base64url") };
  writeFileSync(files.subscription, JSON.stringify({ endpoint: push, expirationTime: null, keys }));
  const signed = vapid ? ["--key", key, "--subject", "mailto:interop@example.com"] : [];
  const sizes = [];
  for (const payload of [Buffer.from("Grüße, 世界"), Buffer.alloc(0), randomBytes(1), randomBytes(3993)]) {
    writeFileSync(files.payload, payload);
    execFileSync(webpush, ["send", "--to", files.subscription, "--ca", ca, "--file", files.payload, ...signed]);
    const { promise, head, body } = await open.next();
    assert.equal(head["content-encoding"], "aes128gcm");
    assert(body.length <= 4096, `${body.length} octets`);
    const came = ece.decrypt(body, { version: "aes128gcm", privateKey: pair, authSecret: auth.toString("base64url") });
    assert(came.equals(readFileSync(files.payload)), `${payload.length} octets decrypted as ${came.length} others`);
    assert.equal(await discard(agent, promise[":path"]), 204);
    sizes.push(payload.length);
  }
  const how = vapid ? "signed, to a subscription for this key only" : "unsigned";
  console.log(`   node: http_ece ${version} decrypts what \`webpush send\` encrypted, ${how}: ${sizes.join(", ")} octets`);
  open.cancel();
  agent.close();
}
