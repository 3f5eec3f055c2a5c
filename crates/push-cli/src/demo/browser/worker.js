// The service worker: the browser starts it when a message arrives, whether the page is open or not.
"use strict";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  // A message without a payload has no data.
  const text = event.data ? event.data.text() : "";
  event.waitUntil(Promise.allSettled([toPages({ arrived: text }), toDemo({ arrived: text }), notify(text)]));
});

// The browser has given up the subscription by itself.
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(toPages({ changed: true })));

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openPage());
});

async function pages() {
  return self.clients.matchAll({ type: "window", includeUncontrolled: true });
}

async function toPages(message) {
  for (const page of await pages()) page.postMessage(message);
}

/** For its terminal. The demo may have ended meanwhile. */
async function toDemo(event) {
  await fetch("/event", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(event) });
}

async function notify(body) {
  if (self.Notification?.permission !== "granted") return;
  await self.registration.showNotification("webpush demo", { body: body || "(no text)", tag: "webpush-demo", renotify: true });
}

async function openPage() {
  const [page] = await pages();
  await (page ? page.focus() : self.clients.openWindow("/"));
}
