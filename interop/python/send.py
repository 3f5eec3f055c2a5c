"""Sends one message by pywebpush, with its own client; prints the status. REQUESTS_CA_BUNDLE says whom to trust.
Usage: send.py SUBSCRIPTION PAYLOAD [KEY], KEY being a file as `webpush keygen` writes it"""

import json
import sys

from pywebpush import WebPushException, webpush

subscription, payload, *key = sys.argv[1:]
signed = {"vapid_private_key": key[0], "vapid_claims": {"sub": "mailto:interop@example.com"}} if key else {}
with open(subscription) as file:
    to = json.load(file)
with open(payload, "rb") as file:
    data = file.read()
try:
    response = webpush(to, data, ttl=3600, timeout=20, **signed)
except WebPushException as error:
    if error.response is None:
        raise
    print(error.response.text, file=sys.stderr)
    response = error.response
print(response.status_code)
