// Firefox with our push service in place of its vendor's. The service is started, killed and started again by this script.
// Usage: push.mjs WEBPUSH RUNTIME tls|cleartext PYTHON KEY WORK, KEY being a file as `webpush keygen --format json` writes it
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Program } from "../browser/program.mjs";
import { until } from "../browser/webdriver.mjs";
import { Firefox } from "./marionette.mjs";
import { Page } from "./page.mjs";

const [webpush, runtime, carrier, python, keyFile, work] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const secure = carrier === "tls";
// Ours refuses endpoints without TLS.
const senders = ["web-push", "pywebpush", ...(secure ? ["webpush send"] : [])];
const say = (text) => console.log(`   firefox: ${text}`);
const { publicKey, privateKey } = JSON.parse(readFileSync(keyFile, "utf8"));
const folder = mkdtempSync(join(work, "push."));
const data = join(folder, "data");
const ca = join(data, "dev", "ca.pem");

/** A port that was free a moment ago: the service has to come back to it. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function serve() {
  const words = ["serve", "--dev", "--runtime", runtime, "--listen", `127.0.0.1:${port}`, "--data", data];
  if (carrier === "cleartext") words.push("--cleartext");
  const program = new Program(webpush, words);
  await program.says(/^listening on /);
  return program;
}

/** Runs a sender; the status that it printed, or its exit code where it prints none. */
async function run(program, words) {
  const trust = carrier === "tls" ? { NODE_EXTRA_CA_CERTS: ca, REQUESTS_CA_BUNDLE: ca } : {};
  const child = spawn(program, words, { env: { ...process.env, ...trust }, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (piece) => { text += piece; });
  const [code] = await once(child, "close");
  return { code, text: text.trim() };
}

/** Sends a payload by one sender; its status. */
async function sendBy(sender, subscription, payload, key) {
  const file = join(folder, "subscription.json");
  const body = join(folder, "payload");
  writeFileSync(file, JSON.stringify(subscription));
  writeFileSync(body, payload);
  if (sender === "webpush send") {
    const signed = key ? ["--key", keyFile, "--subject", "mailto:interop@example.com"] : [];
    const { code } = await run(webpush, ["send", "--to", file, "--ca", ca, ...signed, payload]);
    return code === 0 ? "201" : `exit code ${code}`;
  }
  const [program, script, signer] =
    sender === "web-push"
      ? ["node", join(here, "..", "node", "send.mjs"), keyFile]
      : [python, join(here, "..", "python", "send.py"), privateKey];
  return (await run(program, [script, file, body, ...(key ? [signer] : [])])).text;
}

/** Every sender there is sends a payload to a subscription; what was sent. */
async function send(subscription, payload, key) {
  const sent = [];
  for (const sender of senders) {
    sent.push(`${payload} by ${sender}`);
    assert.equal(await sendBy(sender, subscription, sent.at(-1), key), "201", sender);
  }
  return sent;
}

/** All of these were decrypted by the service worker, once each. */
async function hears(expected) {
  await until(`the service worker hears ${expected.length} messages`, () => expected.every((text) => page.heard.includes(text)));
  for (const text of expected) assert.equal(page.heard.filter((heard) => heard === text).length, 1, `${text}: once`);
}

const subscribe = (key) =>
  firefox.run(
    `const registration = await navigator.serviceWorker.register("/worker.js");
     await navigator.serviceWorker.ready;
     const options = { userVisibleOnly: true };
     if (args[0]) options.applicationServerKey = args[0];
     return (await registration.pushManager.subscribe(options)).toJSON();`,
    key,
  );

const unsubscribe = () =>
  firefox.run("return (await (await navigator.serviceWorker.ready).pushManager.getSubscription()).unsubscribe();");

const port = await freePort();
let service = await serve();
const page = await Page.serve();
const firefox = await Firefox.make(
  folder,
  {
    "dom.push.serverURL": `${secure ? "wss" : "ws"}://localhost:${port}/`,
    "dom.push.testing.allowInsecureServerURL": !secure,
  },
  secure ? [ca] : [],
);

try {
  await firefox.start();
  await firefox.open(page.url);
  const origin = `${secure ? "https" : "http"}://localhost:${port}/`;

  const open = await subscribe(null);
  assert(open.endpoint.startsWith(origin), "the endpoint is here");
  await hears(await send(open, "unsigned", false));
  say(`Firefox ${firefox.version} subscribes by ${secure ? "wss" : "ws"} (${runtime}) and decrypts what comes by ${senders.join(", ")}`);
  assert.equal(await unsubscribe(), true);
  for (const sender of senders) assert.notEqual(await sendBy(sender, open, "nobody", false), "201", sender);
  say("unsubscribed -> the push resource is gone");

  const restricted = await subscribe(publicKey);
  await hears(await send(restricted, "signed", true));
  for (const sender of senders) assert.notEqual(await sendBy(sender, restricted, "no", false), "201", sender);
  say("the same with a VAPID key, which nobody else can send by");

  await firefox.quit();
  const missed = await send(restricted, "while it was closed", true);
  await firefox.start();
  await hears(missed);
  say("closed, sent to, opened again with its profile -> it has what it missed");

  service.kill();
  await service.exit;
  service = await serve();
  await hears(await send(restricted, "after a crash", true));
  say("the service was killed and started again under it -> it comes back and hears");

  const many = Array.from({ length: 50 }, (_, number) => `number ${number}`);
  for (const [number, text] of many.entries()) {
    assert.equal(await sendBy(senders.at(-1), restricted, text, true), "201", text);
    if (number === 25) {
      service.kill();
      await service.exit;
      service = await serve();
    }
  }
  await hears(many);
  say("fifty messages and a kill among them -> each once");
  await firefox.quit();
} finally {
  firefox.kill();
  service.kill();
  page.close();
}
