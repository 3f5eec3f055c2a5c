// A line of `webpush listen --json` on standard input must be a message with the octets of the file.
// Usage: heard.mjs FILE
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";

const { message, message_base64url: encoded } = JSON.parse(await text(process.stdin));
const came = encoded === undefined ? Buffer.from(message) : Buffer.from(encoded, "base64url");
assert(came.equals(readFileSync(process.argv[2])), `${came.length} other octets came`);
