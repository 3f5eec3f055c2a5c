"""A user agent of Python's h2: takes pushes, and refuses some. Usage: receive.py ORIGIN CA"""

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

ORIGIN, CA = sys.argv[1:]


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


def receives():
    agent = Connection({SettingCodes.ENABLE_PUSH: 1})
    subscription, push_url, bodies = stored(agent, [517, 4096])
    response, _, pushes, _ = agent.request("GET", subscription, prefer="wait=0")
    equal("status of the monitor", "200", response[":status"])
    equal("paths promised", list(bodies), [push.path for push in pushes])
    for push in pushes:
        equal("method promised", "GET", push.request[":method"])
        equal("links", [push_url] * 2, [link(push.request), link(push.response)])
        equal("octets pushed", bodies[push.path], push.body)
    acknowledge(agent, bodies)
    equal("status when all is acknowledged", "204", agent.request("GET", subscription, prefer="wait=0")[0][":status"])
    print("   python: ENABLE_PUSH 1: 2 stored messages pushed, paths, links and octets are those of the sender; then 204")
    agent.close()


def refuses(settings):
    """RST_STREAM for a promise is no acknowledgement, and harms nothing else on the connection (9113-8.4-6)."""
    agent = Connection({**SMALL, **settings})
    subscription, _, bodies = stored(agent, [4096] * 3)
    first, second, third = bodies
    agent.refuse = {second}
    response, _, pushes, refused = agent.request("GET", subscription, prefer="wait=0")
    equal("status of the monitor", "200", response[":status"])
    equal("pushed", [first, third], [push.path for push in pushes])
    assert second in {push.path for push in refused}, "the second was not promised"
    acknowledge(agent, [first, third])
    agent.refuse = set()
    _, _, pushes, _ = agent.request("GET", subscription, prefer="wait=0")
    equal("pushed to the next monitor", [second], [push.path for push in pushes])
    equal("octets pushed", bodies[second], pushes[0].body)
    acknowledge(agent, [second])
    equal("status when all is acknowledged", "204", agent.request("GET", subscription, prefer="wait=0")[0][":status"])
    limit = f", MAX_CONCURRENT_STREAMS {settings[SettingCodes.MAX_CONCURRENT_STREAMS]}" if settings else ""
    print(f"   python: INITIAL_WINDOW_SIZE 100{limit}: the second of 3 refused by RST_STREAM, it came to the next monitor")
    agent.close()


def refuses_all():
    """Promises that wait for room on a connection are refused one by one; h2 servers have died of it."""
    agent = Connection({**SMALL, **ONE})
    subscription, _, bodies = stored(agent, [4096] * 5)
    agent.refuse = set(bodies)
    *_, refused = agent.request("GET", subscription, prefer="wait=0")
    equal("promises refused", set(bodies), {push.path for push in refused})
    agent.refuse = set()
    _, _, pushes, _ = agent.request("GET", subscription, prefer="wait=0")
    equal("pushed to the next monitor", list(bodies), [push.path for push in pushes])
    acknowledge(agent, bodies)
    print("   python: MAX_CONCURRENT_STREAMS 1: all 5 refused by RST_STREAM; all came to the next monitor, in order")
    agent.close()


# A body does not fit into this window, so it is never all written when its promise is refused.
SMALL = {SettingCodes.ENABLE_PUSH: 1, SettingCodes.INITIAL_WINDOW_SIZE: 100}
ONE = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}

receives()
refuses({})
refuses(ONE)
refuses_all()
