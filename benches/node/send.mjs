// web-push for Node, measured from within. The first line of standard input is the setup as JSON; each further line is a
// number of messages to send, which is answered by a line that says what they took, in microseconds.
import { Agent } from "node:https";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const webpush = createRequire(new URL("../../interop/node/package.json", import.meta.url))("web-push");
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const { subscription, certificate, vapid, octets, underWay } = JSON.parse((await lines.next()).value);
const agent = new Agent({ ca: certificate, keepAlive: true, maxSockets: underWay });
const payload = Buffer.alloc(octets, "x");
const send = () => webpush.sendNotification(JSON.parse(subscription), payload, { TTL: 3600, vapidDetails: vapid, agent });

for await (const line of lines) {
  let left = Number(line);
  const sending = async () => {
    while (left-- > 0) await send();
  };
  const [cpu, began] = [process.cpuUsage(), process.hrtime.bigint()];
  await Promise.all(Array.from({ length: underWay }, sending));
  const { user, system } = process.cpuUsage(cpu);
  console.log(JSON.stringify({ cpu: user + system, wall: Number((process.hrtime.bigint() - began) / 1000n) }));
}
