// Reads a problem document (RFC 9457) on standard input; prints its section and reason if it is of the given status.
import assert from "node:assert/strict";
import { text } from "node:stream/consumers";

const problem = JSON.parse(await text(process.stdin));
assert.equal(problem.status, Number(process.argv[2]));
for (const member of ["detail", "section"]) assert.equal(typeof problem[member], "string", member);
console.log(`${problem.section} ${problem.reason}`);
