"""Messages in `aesgcm`, the content coding of the drafts, both ways: ours decrypted by http_ece, those of pywebpush by us.
Ours are signed as the draft of VAPID had it, those of pywebpush by RFC 8292; then the subscription is for the signer only.
REQUESTS_CA_BUNDLE says whom pywebpush trusts.
Usage: aesgcm.py ORIGIN CA PROGRAM WORK, WORK having the keys as senders.sh makes them"""

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from importlib.metadata import version

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from h2.settings import SettingCodes
from pywebpush import webpush
from service import Connection, acknowledge, equal, link, path

PROGRAM, WORK = sys.argv[3:]
PAYLOADS = ["Grüße, 世界".encode(), os.urandom(1), os.urandom(4077)]


def ours(*words):
    return subprocess.run([PROGRAM, *words], check=True, stdout=subprocess.PIPE).stdout


def file(name, octets=None):
    """The path of a file of this run, with this content if there is any."""
    if octets is not None:
        with open(f"{WORK}/python.aesgcm.{name}", "wb") as opened:
            opened.write(octets)
    return f"{WORK}/python.aesgcm.{name}"


def base64url(octets):
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def value(field, name):
    """The octets of the one parameter in a field: nothing of VAPID is left in it."""
    known, _, text = field.partition("=")
    equal("parameter", name, known)
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def exchange(vapid, payloads, sends, decrypts):
    """One message after the other, as the user agent gets it."""
    agent = Connection({SettingCodes.ENABLE_PUSH: 1})
    options = json.dumps({"vapid": vapid}).encode() if vapid else b""
    fields = {"content_type": "application/webpush-options+json"} if vapid else {}
    subscribed, *_ = agent.request("POST", "/subscribe", options, **fields)
    equal("status of a subscribe", "201", subscribed[":status"])
    for payload in payloads:
        sends(agent, link(subscribed), payload)
        *_, pushes, _ = agent.request("GET", path(subscribed["location"]), prefer="wait=0")
        equal("messages pushed", 1, len(pushes))
        response, body = pushes[0].response, pushes[0].body
        equal("encoding", "aesgcm", response["content-encoding"])
        assert len(body) <= 4096, len(body)
        equal("decrypted", payload, decrypts(response["encryption"], response["crypto-key"], body))
        acknowledge(agent, [pushes[0].path])
    agent.close()
    return ", ".join(str(len(payload)) for payload in payloads)


def ours_is_read(vapid):
    key, auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    signed = [f"{WORK}/key.pem"] if vapid else []

    def sends(agent, push, payload):
        to = {"endpoint": push, "keys": {"p256dh": base64url(point), "auth": base64url(auth)}}
        to = file("json", json.dumps(to).encode())
        fields = json.loads(ours("seal", to, file("payload", payload), file("body"), *signed))
        with open(file("body"), "rb") as body:
            sent, *_ = agent.request("POST", path(push), body.read(), ttl="3600", **fields)
        equal("status of a message", "201", sent[":status"])

    def decrypts(encryption, crypto_key, body):
        salt, dh = value(encryption, "salt"), value(crypto_key, "dh")
        return http_ece.decrypt(body, salt=salt, dh=dh, private_key=key, auth_secret=auth, version="aesgcm")

    how = "signed, to a subscription for this key only" if vapid else "unsigned"
    sizes = exchange(vapid, [b"", *PAYLOADS], sends, decrypts)
    print(f"   python: http_ece {version('http_ece')} decrypts our aesgcm, {how}: {sizes} octets")


def theirs_is_read(vapid):
    keys = json.loads(ours("keys", file("secret")))
    claims = {"sub": "mailto:interop@example.com"}
    signed = {"vapid_private_key": f"{WORK}/key.pem", "vapid_claims": claims} if vapid else {}

    def sends(_, push, payload):
        to = {"endpoint": push, "keys": keys}
        response = webpush(to, payload, ttl=3600, timeout=20, content_encoding="aesgcm", **signed)
        equal("status of a message", 201, response.status_code)

    def decrypts(encryption, crypto_key, body):
        return ours("open", file("secret"), file("body", body), encryption, crypto_key)

    how = "signed, to a subscription for this key only" if vapid else "unsigned"
    sizes = exchange(vapid, PAYLOADS, sends, decrypts)
    print(f"   python: aesgcm by pywebpush {version('pywebpush')}, {how} -> 201; decrypted by us: {sizes} octets")


with open(f"{WORK}/key.public") as public:
    KEY = public.read().strip()
for subscribed_for in (None, KEY):
    ours_is_read(subscribed_for)
for subscribed_for in (None, KEY):
    theirs_is_read(subscribed_for)
