"""What the checks need of a push service, by Python's h2: connections, requests, and pushes as they come."""

import os
import re
import socket
import ssl
import sys
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    PushedStreamReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes, Settings

ORIGIN, CA = sys.argv[1:3]


def equal(what, expected, came):
    assert expected == came, f"{what}: expected {expected!r}, came {came!r}"


def fields_of(headers):
    """By name; several lines as one."""
    fields = {}
    for name, value in headers:
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


class Push:
    """A promise, and what was pushed for it."""

    def __init__(self, request):
        self.request, self.response, self.body = fields_of(request), {}, b""
        self.path = self.request[":path"]


class Connection:
    """One connection of a user agent; `refuse` names the paths of promises that it resets."""

    def __init__(self, settings):
        url = urlsplit(ORIGIN)
        self.authority = url.netloc
        context = ssl.create_default_context(cafile=CA)
        context.set_alpn_protocols(["h2"])
        tcp = socket.create_connection((url.hostname, url.port), timeout=30)
        self.tls = context.wrap_socket(tcp, server_hostname=url.hostname)
        equal("ALPN", "h2", self.tls.selected_alpn_protocol())
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.local_settings = Settings(client=True, initial_values=settings)
        self.h2.initiate_connection()
        self.at_once = settings.get(SettingCodes.MAX_CONCURRENT_STREAMS, 2**32)
        self.refuse = set()

    def request(self, method, path, body=b"", **fields):
        """One request: its response and body, and what was pushed and what refused before its end."""
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", path)]
        head += [(name.replace("_", "-"), value) for name, value in fields.items()]
        self.h2.send_headers(stream, head, end_stream=not body)
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        response, content, pushes, refused, ended = {}, b"", {}, [], set()
        while stream not in ended or not ended.issuperset(pushes):
            for event in self.events():
                match event:
                    case PushedStreamReceived():
                        equal("stream of a promise", stream, event.parent_stream_id)
                        push = Push(event.headers)
                        if push.path in self.refuse:
                            self.h2.reset_stream(event.pushed_stream_id, ErrorCodes.REFUSED_STREAM)
                            refused.append(push)
                        else:
                            pushes[event.pushed_stream_id] = push
                    case ResponseReceived() if event.stream_id == stream:
                        response = fields_of(event.headers)
                    case ResponseReceived() if event.stream_id in pushes:
                        pushes[event.stream_id].response = fields_of(event.headers)
                        under_way = [id for id, push in pushes.items() if push.response and id not in ended]
                        assert len(under_way) <= self.at_once, f"{len(under_way)} pushes at once, not {self.at_once}"
                    case DataReceived():
                        if event.stream_id == stream:
                            content += event.data
                        elif event.stream_id in pushes:
                            pushes[event.stream_id].body += event.data
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case StreamEnded():
                        ended.add(event.stream_id)
                    case StreamReset() if event.remote_reset:
                        raise AssertionError(f"the service reset stream {event.stream_id}: {event.error_code}")
                    case ConnectionTerminated():
                        raise AssertionError(f"GOAWAY {event.error_code} {event.additional_data}")
        return response, content, list(pushes.values()), refused

    def events(self):
        """What comes next; h2 raises if it breaks the protocol."""
        self.tls.sendall(self.h2.data_to_send())
        octets = self.tls.recv(65536)
        assert octets, "the service closed the connection"
        return self.h2.receive_data(octets)

    def close(self):
        self.h2.close_connection()
        self.tls.sendall(self.h2.data_to_send())
        self.tls.close()


def path(url):
    assert url.startswith(f"{ORIGIN}/"), url
    return urlsplit(url).path


def link(fields, relation=""):
    found = re.search(rf'<([^>]*)>; *rel="urn:ietf:params:push{relation}"', fields["link"])
    assert found, fields["link"]
    return found[1]


def stored(agent, sizes):
    """Subscribes and stores messages of these sizes: the subscription's path, the push URL, and bodies by path."""
    subscribed, *_ = agent.request("POST", "/subscribe")
    equal("status of a subscribe", "201", subscribed[":status"])
    bodies = {}
    for size in sizes:
        body = os.urandom(size)
        sent, *_ = agent.request("POST", path(link(subscribed)), body, ttl="3600")
        equal("status of a message", "201", sent[":status"])
        bodies[path(sent["location"])] = body
    return path(subscribed["location"]), link(subscribed), bodies


def acknowledge(agent, paths):
    for message in paths:
        equal("status of an acknowledgement", "204", agent.request("DELETE", message)[0][":status"])
