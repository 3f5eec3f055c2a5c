// Opens the page of `webpush demo --browser` in headless Chromium, as far as a browser without its vendor's push service
// goes; and further with a subscription of `webpush listen` in its place. Usage: page.mjs WEBPUSH ORIGIN CA WORK
import assert from "node:assert/strict";
import { join } from "node:path";
import { Program } from "./program.mjs";
import { Browser, until } from "./webdriver.mjs";

const [webpush, origin, ca, work] = process.argv.slice(2);
const say = (text) => console.log(`   browser: ${text}`);

const demo = new Program(webpush, ["demo", "--browser", "--port", "0", "--ca", ca]);
const [, url] = await demo.says(/open (http:\/\/localhost:\d+) in your browser/);
const [, key] = await demo.says(/VAPID key, made for this run: (\S{87})$/);

const shown = (browser, id, pattern) =>
  until(`#${id} shows ${pattern}`, async () => pattern.exec(await browser.text(id)));

/** A problem is shown, with this title and all of these words, and told on the terminal; its lines. */
async function problem(browser, title, ...words) {
  await until(`the problem ${title}`, () => browser.run("return !document.getElementById('problem').hidden;"));
  const text = await browser.text("problem");
  for (const pattern of [title, ...words]) assert.match(text, pattern);
  await demo.says(new RegExp(`^the browser says: ${title.source}`));
  return text.split("\n").filter(Boolean);
}

/** The page as it comes: nothing is missing, nothing is blocked. */
async function loads(browser) {
  await browser.open(url);
  await shown(browser, "key", new RegExp(`^${key}$`));
  await shown(browser, "worker", /^active$/);
  const state = await browser.run("return navigator.serviceWorker.ready.then(({ active }) => [active.state, active.scriptURL]);");
  assert(["activating", "activated"].includes(state[0]), state[0]);
  assert.equal(state[1], `${url}/worker.js`);
  await shown(browser, "state", /^none$/);
  assert.equal(await browser.run("return document.getElementById('send').disabled;"), true);
  const complaints = (await browser.console()).map(({ message }) => message);
  assert.deepEqual(complaints, [], "the console is empty: nothing against the Content-Security-Policy");
  await browser.screenshot(join(work, "page.png"));
  say(`Chromium ${browser.version} loads the page, without a word on the console; key as on the terminal, service worker active`);
}

async function denied(browser) {
  await browser.permit("notifications", "denied");
  await browser.press("subscribe");
  await problem(browser, /Notifications are not allowed for this page/, /settings/);
  await shown(browser, "permission", /^not allowed$/);
  say("permission denied -> said on the page and on the terminal, and what to do");
}

async function withoutService(browser) {
  await browser.permit("notifications", "granted");
  await browser.press("subscribe");
  // Chromium asks for ever, or gives up: both are said.
  const [title] = await problem(browser, /(No push service answers this browser|This browser reaches no push service)/, /The network may block/);
  await shown(browser, "permission", /^allowed$/);
  await shown(browser, "state", /^none$/);
  await browser.screenshot(join(work, "page-no-service.png"));
  say(`subscribing without a vendor's push service -> "${title}" on the page and on the terminal`);
}

/** What other browsers say, and what is made of it (Push API, PushManager.subscribe). */
async function withOtherErrors(browser) {
  for (const [name, title] of [
    ["AbortError", /This browser reaches no push service/],
    ["NotAllowedError", /Notifications are not allowed for this page/],
    ["InvalidStateError", /An earlier subscription is in the way/],
    ["DataError", /Something else went wrong/],
  ]) {
    const source = `PushManager.prototype.subscribe = async () => { throw new DOMException("of the test", "${name}"); };`;
    const { identifier } = await browser.devtools("Page.addScriptToEvaluateOnNewDocument", { source });
    await browser.open(url);
    await browser.press("subscribe");
    const [shownTitle] = await problem(browser, title, new RegExp(`own words: ${name}: of the test`));
    await browser.devtools("Page.removeScriptToEvaluateOnNewDocument", { identifier });
    say(`subscribing that ends with ${name} -> "${shownTitle}", and the browser's own words`);
  }
}

async function withoutWorkers(browser) {
  const gone = { source: "delete Navigator.prototype.serviceWorker;" };
  const { identifier } = await browser.devtools("Page.addScriptToEvaluateOnNewDocument", gone);
  await browser.open(url);
  await problem(browser, /This browser has no service workers here/, /ordinary window/);
  await shown(browser, "worker", /^not running$/);
  await browser.devtools("Page.removeScriptToEvaluateOnNewDocument", { identifier });
  say("no service workers, as in some private windows -> said on the page and on the terminal");
}

/** The way of a message, with `webpush listen` in the place of the browser's push client. */
async function sends(browser) {
  const listen = new Program(webpush, ["listen", "--url", origin, "--ca", ca, "--json", "--vapid", key]);
  try {
    const subscription = JSON.parse((await listen.says(/^\{"subscription":(.*)\}$/))[1]);
    const source = `PushManager.prototype.subscribe = async (options) => {
      if (options.applicationServerKey.length !== 65 || !options.userVisibleOnly) throw new TypeError("options");
      const json = ${JSON.stringify(subscription)};
      return { ...json, toJSON: () => json, unsubscribe: async () => true };
    };`;
    await browser.devtools("Page.addScriptToEvaluateOnNewDocument", { source });
    await browser.open(url);
    await browser.press("subscribe");
    await shown(browser, "state", new RegExp(`^at ${origin}$`));
    await browser.run("document.getElementById('details').open = true;");
    assert.deepEqual(JSON.parse(await browser.text("subscription")), subscription);
    await demo.says(new RegExp(`^subscribed: the browser takes messages from ${origin}$`));
    say("with a subscription of `webpush listen` in the place of the vendor's: JSON shown as given, and taken by the demo");

    const text = "Grüße by push";
    await browser.type("text", text);
    await browser.press("send");
    await shown(browser, "verdict", /accepted the message/);
    await demo.says(/^message of \d+ octets: .* accepted the message/);
    const [, came] = await listen.says(/^\{"message":"(.*)"\}$/);
    assert.equal(came, text);
    say("the button sends: encrypted and signed for this run's key, accepted by `webpush serve`, decrypted by `webpush listen`");
    return came;
  } finally {
    listen.kill();
    await listen.exit;
  }
}

/** What a vendor's service would bring, handed to the service worker by DevTools. */
async function arrives(browser, data) {
  await browser.devtools("ServiceWorker.enable");
  const deliver = async () => {
    // The first registration of a new profile.
    await browser.devtools("ServiceWorker.deliverPushMessage", { origin: `${url}/`, registrationId: "0", data });
    return (await browser.text("messages")).includes(data);
  };
  await deliver();
  await shown(browser, "messages", new RegExp(data));
  await demo.says(new RegExp(`^arrived in the browser: "${data}"$`));
  const notified = "return navigator.serviceWorker.ready.then((worker) => worker.getNotifications()).then((all) => all.map(({ body }) => body));";
  await until("a notification", async () => (await browser.run(notified)).includes(data));
  await browser.screenshot(join(work, "page-arrived.png"));
  say("a push event -> the service worker tells page and terminal, and shows a notification");
}

async function unsubscribes(browser) {
  await browser.press("unsubscribe");
  await demo.says(/^unsubscribed$/);
  await shown(browser, "state", /^none$/);
  assert.equal(await browser.run("return document.getElementById('send').disabled;"), true);
  say("the subscription ended on the page -> the demo forgets it");
}

/** Ctrl-C, and what the page says then. */
async function ends(browser) {
  assert.equal(await demo.interrupt(), 0, "exit code after Ctrl-C");
  await browser.press("subscribe");
  await shown(browser, "problem", /The demo does not answer/);
  say("Ctrl-C -> exit code 0, and the page says that the demo does not answer");
}

let browser;
const clear = async () => {
  demo.kill();
  await browser?.stop();
};
// Whoever ends this run leaves no browser behind.
process.once("SIGTERM", () => clear().finally(() => process.exit(1)));
try {
  browser = await Browser.start(work);
  await loads(browser);
  await denied(browser);
  await withoutService(browser);
  await withOtherErrors(browser);
  await withoutWorkers(browser);
  await arrives(browser, await sends(browser));
  await unsubscribes(browser);
  await ends(browser);
} finally {
  await clear();
}
