// Subscribes this browser, has the demo send to it, and shows what arrives.

const byId = (id) => document.getElementById(id);

const WITHOUT_SERVICE =
  "The network may block that service, this machine may be offline, or the browser may be built or set up without it, as Chromium and Brave often are (in Brave: Settings, Privacy, Google services for push messaging). Try Firefox, Chrome, Edge or Safari, or another network.";

/** What can go wrong, and what to do about it. */
const PROBLEMS = {
  insecure: [
    "This address does not allow push",
    "Browsers allow it on https and on this machine only: open the page at http://localhost, with the port, as the terminal says.",
  ],
  noWorker: [
    "This browser has no service workers here",
    "Push messages arrive in a service worker. Private windows often have none: open this page in an ordinary window. Otherwise use a current Firefox, Chrome, Edge or Safari.",
  ],
  noPush: [
    "This browser has no push here",
    "Private windows often have none: open this page in an ordinary window. On iPhone and iPad only web apps on the Home Screen have it.",
  ],
  workerFailed: [
    "The service worker did not start",
    "Private windows, and settings that block cookies and site data, keep it from starting: allow them for this page, or use an ordinary window.",
  ],
  denied: [
    "Notifications are not allowed for this page",
    "Push needs this permission. Allow notifications in the browser's settings for this site (beside its address), then reload. In a private window they are never allowed: use an ordinary one.",
  ],
  dismissed: [
    "The question about notifications was not answered",
    "Push needs this permission. Press the button again and allow it; some browsers hide the question behind an icon beside the address.",
  ],
  noService: [
    "This browser reaches no push service",
    `It asked the push service of its vendor for a subscription, and got none. ${WITHOUT_SERVICE}`,
  ],
  slow: [
    "No push service answers this browser",
    `It has been asking the push service of its vendor for 20 seconds. ${WITHOUT_SERVICE}`,
  ],
  oldSubscription: [
    "An earlier subscription is in the way",
    "It was made with another key and could not be ended. Clear the data of this site in the browser's settings, then reload.",
  ],
  noDemo: [
    "The demo does not answer",
    "It has probably ended. Start webpush demo --browser again, then reload this page.",
  ],
  refused: ["The demo does not take this subscription", "What it says about it is below."],
  changed: ["The browser has ended the subscription", "Subscribe again to go on."],
  unexpected: ["Something else went wrong", "What the browser says about it is below."],
};

/** How long the browser may take. */
const WORKER_MS = 10_000;
const SUBSCRIBE_MS = 20_000;

class Problem extends Error {
  constructor(kind, cause) {
    super(PROBLEMS[kind][0], { cause });
    this.kind = kind;
  }
}

let registration;
let applicationServerKey;

function show(id, text, look = "") {
  byId(id).textContent = text;
  byId(id).className = look;
}

/** On the page, and on the demo's terminal. */
function showProblem(error) {
  const kind = error instanceof Problem ? error.kind : "unexpected";
  const cause = error instanceof Problem ? error.cause : error;
  const words = cause ? `${cause.name ?? "Error"}: ${cause.message ?? cause}` : "";
  const [title, text] = PROBLEMS[kind];
  byId("problem-title").textContent = title;
  byId("problem-text").textContent = text;
  byId("problem-words").textContent = words && `In its own words: ${words}`;
  byId("problem-words").hidden = !words;
  byId("problem").hidden = false;
  if (kind !== "noDemo") post("/event", { problem: `${title}. ${words}` }).catch(() => {});
}

function clearProblem() {
  byId("problem").hidden = true;
}

/** Gives the demo something; what it says, and whether it is content. */
async function post(path, content) {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(content) };
  const response = await fetch(path, init).catch((error) => { throw new Problem("noDemo", error); });
  const { said } = await response.json().catch((error) => { throw new Problem("noDemo", error); });
  return { ok: response.ok, status: response.status, said };
}

async function within(ms, kind, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Problem(kind)), ms); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const fromBase64url = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (octet) => octet.charCodeAt(0));

const same = (a, b) => a.length === b.length && a.every((octet, i) => octet === b[i]);

function showPermission() {
  const said = { granted: ["allowed", "good"], denied: ["not allowed", "bad"], default: ["not asked yet"] };
  show("permission", ...said[Notification.permission]);
}

function showSubscription(subscription) {
  byId("subscription").textContent = subscription ? JSON.stringify(subscription, null, 2) : "";
  byId("details").hidden = !subscription;
  byId("subscribe").hidden = Boolean(subscription);
  byId("unsubscribe").hidden = !subscription;
  byId("send").disabled = !subscription;
  if (subscription) show("state", `at ${new URL(subscription.endpoint).origin}`, "good");
  else show("state", "none");
  show("verdict", subscription ? "" : "Subscribe first.");
}

async function start() {
  if (!window.isSecureContext) throw new Problem("insecure");
  if (!navigator.serviceWorker) throw new Problem("noWorker");
  if (!window.PushManager || !window.Notification) throw new Problem("noPush");
  showPermission();
  const response = await fetch("/key").catch((error) => { throw new Problem("noDemo", error); });
  const { key } = await response.json();
  show("key", key);
  applicationServerKey = fromBase64url(key);
  navigator.serviceWorker.addEventListener("message", ({ data }) => hear(data));
  registration = await startWorker();
  show("worker", "active", "good");
  await takeUp();
  byId("subscribe").disabled = false;
}

async function startWorker() {
  try {
    await navigator.serviceWorker.register("/worker.js", { updateViaCache: "none" });
  } catch (error) {
    throw new Problem("workerFailed", error);
  }
  return within(WORKER_MS, "workerFailed", navigator.serviceWorker.ready);
}

/** A subscription that this browser has already: good if made with the key of this run, else of no use to anybody. */
async function takeUp() {
  const subscription = await registration.pushManager.getSubscription();
  if (!subscription) return;
  const key = subscription.options?.applicationServerKey;
  if (key && same(new Uint8Array(key), applicationServerKey)) {
    await handOver(subscription);
  } else if (!(await subscription.unsubscribe())) {
    throw new Problem("oldSubscription");
  }
}

async function subscribe() {
  if (Notification.permission === "default") show("permission", "waiting for your answer to the browser's question");
  const permission = await Notification.requestPermission();
  showPermission();
  if (permission === "denied") throw new Problem("denied");
  if (permission !== "granted") throw new Problem("dismissed");
  show("state", "asking the browser's push service");
  const options = { userVisibleOnly: true, applicationServerKey };
  const asked = registration.pushManager.subscribe(options).catch(understand);
  try {
    await handOver(await within(SUBSCRIBE_MS, "slow", asked));
  } catch (error) {
    // It may still come: browsers ask for ever.
    if (error.kind === "slow") asked.then(handOver).then(clearProblem).catch(showProblem);
    throw error;
  }
}

/** Why a browser gives no subscription (Push API §7.2). */
function understand(error) {
  const kinds = { AbortError: "noService", InvalidStateError: "oldSubscription", NotAllowedError: "denied" };
  // Firefox that cannot reach its service says so by a NetworkError or an AbortError.
  const kind = kinds[error.name] ?? (error.name === "NetworkError" ? "noService" : "unexpected");
  throw new Problem(kind, error);
}

async function handOver(subscription) {
  const { ok, said } = await post("/subscription", subscription);
  if (!ok) throw new Problem("refused", new Error(said));
  showSubscription(subscription);
}

async function unsubscribe() {
  const subscription = await registration.pushManager.getSubscription();
  await subscription?.unsubscribe();
  showSubscription(null);
  await post("/unsubscribed", {});
}

async function send() {
  show("verdict", "sending");
  const { ok, status, said } = await post("/message", { text: byId("text").value });
  show("verdict", said, ok ? "good" : "bad");
  // The push service has ended the subscription: this browser is to do so, too.
  if (status === 410) await unsubscribe().then(() => show("verdict", said, "bad"));
}

/** What the service worker says. */
function hear({ arrived, changed }) {
  if (changed) {
    showSubscription(null);
    showProblem(new Problem("changed"));
    return;
  }
  const item = document.createElement("li");
  const time = document.createElement("time");
  const now = new Date();
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString();
  item.append(time, arrived || "(no text)");
  byId("messages").prepend(item);
  byId("none").hidden = true;
}

/** Does what a button is for, once at a time; what goes wrong is shown. */
async function attempt(button, work) {
  clearProblem();
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    if (byId("details").hidden) show("state", "none", "bad");
    showProblem(error);
  } finally {
    button.disabled = button.id === "send" && byId("details").hidden;
  }
}

byId("subscribe").addEventListener("click", ({ currentTarget }) => attempt(currentTarget, subscribe));
byId("unsubscribe").addEventListener("click", ({ currentTarget }) => attempt(currentTarget, unsubscribe));
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(byId("send"), send);
});

try {
  await start();
} catch (error) {
  if (byId("worker").textContent !== "active") show("worker", "not running", "bad");
  showProblem(error);
}
