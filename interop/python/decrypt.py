"""Messages of `webpush send`, taken as they come and decrypted by http_ece: the keys of the subscription are made here.
Usage: decrypt.py ORIGIN CA WEBPUSH KEY PUBLIC-KEY WORK"""

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from importlib.metadata import version

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from h2.settings import SettingCodes
from service import CA, Connection, acknowledge, equal, link, path

WEBPUSH, KEY, PUBLIC_KEY, WORK = sys.argv[3:]


def base64url(octets):
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def sends(to, payload, *signed):
    """One message of this payload, by `webpush send`."""
    with open(f"{WORK}/python.payload", "wb") as file:
        file.write(payload)
    command = [WEBPUSH, "send", "--to", to, "--ca", CA, "--file", file.name, *signed]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def decrypts(vapid):
    agent = Connection({SettingCodes.ENABLE_PUSH: 1})
    options = json.dumps({"vapid": vapid}).encode() if vapid else b""
    fields = {"content_type": "application/webpush-options+json"} if vapid else {}
    subscribed, *_ = agent.request("POST", "/subscribe", options, **fields)
    equal("status of a subscribe", "201", subscribed[":status"])
    key, auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    subscription = {"endpoint": link(subscribed), "keys": {"p256dh": base64url(point), "auth": base64url(auth)}}
    with open(f"{WORK}/python.json", "w") as file:
        json.dump(subscription, file)
    signed = ["--key", KEY, "--subject", "mailto:interop@example.com"] if vapid else []
    payloads = ["Grüße, 世界".encode(), b"", os.urandom(1), os.urandom(3993)]
    for payload in payloads:
        sends(file.name, payload, *signed)
        *_, pushes, _ = agent.request("GET", path(subscribed["location"]), prefer="wait=0")
        equal("messages pushed", 1, len(pushes))
        equal("encoding", "aes128gcm", pushes[0].response["content-encoding"])
        assert len(pushes[0].body) <= 4096, len(pushes[0].body)
        came = http_ece.decrypt(pushes[0].body, private_key=key, auth_secret=auth, version="aes128gcm")
        equal("decrypted", payload, came)
        acknowledge(agent, [pushes[0].path])
    how = "signed, to a subscription for this key only" if vapid else "unsigned"
    sizes = ", ".join(str(len(payload)) for payload in payloads)
    print(f"   python: http_ece {version('http_ece')} decrypts what `webpush send` encrypted, {how}: {sizes} octets")
    agent.close()


decrypts(None)
decrypts(PUBLIC_KEY)
