"""A user agent of Python's h2: takes pushes, and refuses some. Usage: receive.py ORIGIN CA"""

from h2.settings import SettingCodes
from service import Connection, acknowledge, equal, link, stored


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
