// Sends one message by web-push for Node, with its own client; prints the status. NODE_EXTRA_CA_CERTS says whom to trust.
// Usage: send.mjs SUBSCRIPTION PAYLOAD [KEY], KEY being a file as `webpush keygen --format json` writes it
import { readFileSync } from "node:fs";
import webpush from "web-push";

const [subscription, payload, key] = process.argv.slice(2);
const options = { TTL: 3600 };
if (key) options.vapidDetails = { subject: "mailto:interop@example.com", ...JSON.parse(readFileSync(key, "utf8")) };
const to = JSON.parse(readFileSync(subscription, "utf8"));
const body = readFileSync(payload);

/** What its own client, which speaks TLS only, would send. */
async function sendInTheClear() {
  const { endpoint, ...request } = webpush.generateRequestDetails(to, body, options);
  const response = await fetch(endpoint, request);
  return { statusCode: response.status };
}

const sent = to.endpoint.startsWith("https:") ? webpush.sendNotification(to, body, options) : sendInTheClear();
const { statusCode } = await sent.catch((error) => {
  if (!error.statusCode) throw error;
  console.error(error.body);
  return error;
});
console.log(statusCode);
