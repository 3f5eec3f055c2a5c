// An event stream on standard input, read as the HTML standard says. It must have one message, to this push resource and
// with these octets, and then the end.
//
//     node events.mjs MESSAGE-URL PUSH-URL FILE
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const [message, push, file] = process.argv.slice(2);
const events = [];
let event = { data: [] };
for (const line of readFileSync(0, 'utf8').split(/\r\n|\r|\n/)) {
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (line === '') {
        if (event.data.length > 0) events.push({ name: event.name, data: JSON.parse(event.data.join('\n')) });
        event = { data: [] };
    } else if (name === 'event') {
        event.name = value;
    } else if (name === 'data') {
        event.data.push(value);
    }
}
assert.deepEqual(events.map(({ name }) => name), ['message', 'end']);
const [{ data: came }, { data: end }] = events;
assert.equal(came.message, message);
assert.equal(came.push, push);
assert.deepEqual(Buffer.from(came.body, 'base64url'), readFileSync(file));
assert.equal(came.headers['content-encoding'], 'aes128gcm');
assert.ok(Math.abs(Date.now() - Date.parse(came.headers['last-modified'])) < 60_000);
assert.ok(!('urgency' in came.headers) && !('topic' in came.headers));
assert.deepEqual(end, { status: 200 });
