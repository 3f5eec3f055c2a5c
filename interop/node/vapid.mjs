// Prints VAPID credentials (RFC 8292) made by Node's crypto, one a line: the name of what is wrong, and the header.
// The first line has the public key. Usage: vapid.mjs ORIGIN
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

const [origin] = process.argv.slice(2);
const now = Math.floor(Date.now() / 1000);
const pair = () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x, y } = publicKey.export({ format: "jwk" });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
  return { privateKey, k: point.toString("base64url") };
};
const json = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const credentials = (key, claims, seal = (signature) => signature) => {
  const input = `${json({ typ: "JWT", alg: "ES256" })}.${json({ aud: origin, exp: now + 3600, ...claims })}`;
  const signature = sign("sha256", Buffer.from(input), { key: key.privateKey, dsaEncoding: "ieee-p1363" });
  return `vapid t=${input}.${seal(signature).toString("base64url")}, k=${key.k}`;
};

const ours = pair();
const altered = (signature) => Buffer.concat([signature.subarray(0, 63), Buffer.of(signature[63] ^ 1)]);
console.log(`key ${ours.k}`);
console.log(`good ${credentials(ours, { sub: "mailto:interop@example.com" })}`);
console.log(`expired ${credentials(ours, { exp: now - 3600 })}`);
console.log(`valid-for-two-days ${credentials(ours, { exp: now + 172_800 })}`);
console.log(`for-another-service ${credentials(ours, { aud: "https://push.example.net" })}`);
console.log(`signed-with-noise ${credentials(ours, {}, () => randomBytes(64))}`);
console.log(`signed-and-altered ${credentials(ours, {}, altered)}`);
console.log(`signed-too-short ${credentials(ours, {}, (signature) => signature.subarray(0, 40))}`);
console.log(`malformed vapid t=not.a.token, k=${ours.k}`);
console.log(`without-key vapid t=a.b.c`);
console.log(`of-another-key ${credentials(pair(), {})}`);
