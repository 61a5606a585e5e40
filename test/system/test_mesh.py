# SPDX-License-Identifier: Apache-2.0
"""The mesh from outside: interest that travels, brokers that die, links that are cut."""
import itertools
import statistics
import time

import pytest

from brokers import PATIENCE_S, wait_converged, wait_until
from clients import Client
from link_proxy import LinkProxy
from test_delivery import await_probe

INTEREST_MS_MAX = 50
NUMBERS = itertools.count(1)


@pytest.fixture
def proxies():
    made = []

    def make(broker):
        made.append(LinkProxy(("127.0.0.1", broker.web_port)))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


def interest_delay_ms(publisher, subscriber, topic):
    """How long after its SUBACK was the first publish that got through sent?"""
    subscriber.subscribe(topic, 0)
    since, sent_at, deadline = time.monotonic(), [], time.monotonic() + PATIENCE_S
    while subscriber.messages.empty() and time.monotonic() < deadline:
        sent_at.append(time.monotonic())
        publisher.publish(topic, b"%d" % (len(sent_at) - 1), wait=False)
        time.sleep(0.002)
    first = int(subscriber.receive().payload)
    return (sent_at[first] - since) * 1000


def test_a_subscription_is_known_at_the_other_end_within_fifty_milliseconds(line, topic):
    edge, _, cloud = line
    delays = []
    for attempt in range(7):
        with Client(cloud) as subscriber, Client(edge) as publisher:
            delays.append(interest_delay_ms(publisher, subscriber, f"{topic}/{attempt}"))
    # The best are the broker's; the rest is what else this machine was doing.
    assert statistics.median(delays) < INTEREST_MS_MAX, [f"{d:.1f}" for d in delays]


def test_the_mesh_command_shows_nodes_links_and_interest(mesh, topic):
    edge, hub, cloud = mesh.line("edge", "hub", "cloud")
    view = edge.ask("mesh")
    assert view["self"] == "edge"
    assert {"nodes", "links", "self"} <= view.keys()
    nodes = {n["name"]: n for n in view["nodes"]}
    for key in ("name", "id", "reachable", "hops", "cost", "filters"):
        assert all(key in node for node in view["nodes"]), key
    assert (nodes["hub"]["hops"], nodes["cloud"]["hops"]) == (1, 2)
    assert len({n["id"] for n in view["nodes"]}) == 3
    assert [link["peer"] for link in view["links"]] == ["hub"]
    assert {link["peer"] for link in hub.mesh()["links"]} == {"edge", "cloud"}
    for key in ("peer", "state", "rtt_us", "cost", "reason"):
        assert key in view["links"][0], key
    before = edge.filters_of("cloud")
    with Client(cloud) as subscriber:
        subscriber.subscribe(topic + "/+/alone", 1)
        wait_until(lambda: edge.filters_of("cloud") == before + 1, "the filter to be counted")
    wait_until(lambda: edge.filters_of("cloud") == before, "the filter to be forgotten")


def receive_on(subscriber, topic, count, patience_s=5):
    """Up to count payloads on this topic; late probes on others are passed over."""
    got, deadline = [], time.monotonic() + patience_s
    while len(got) < count and time.monotonic() < deadline:
        try:
            message = subscriber.receive(0.1)
        except AssertionError:
            continue
        if message.topic == topic:
            got.append(message.payload)
    return got


def exchange(publisher, subscriber, topic, count=20, attempts=1):
    """Events of every QoS, each once and in order. More than one attempt forgives loss, and
    loss only: routes follow round-trip times, and without custody what is on its way while
    brokers disagree about a route is dropped."""
    while True:
        topic = f"{topic}/x{next(NUMBERS)}"
        sent = [b"%d/%d" % (qos, n) for qos in (0, 1, 2) for n in range(count)]
        for payload in sent:
            publisher.publish(topic, payload, int(payload[:1]))
        publisher.publish(topic, b"end", 2)
        got = receive_on(subscriber, topic, len(sent) + 1)
        if got == sent + [b"end"]:
            return
        attempts -= 1
        assert attempts > 0, f"lost: {set(sent) - set(got)}, got {got}"
        assert len(set(got)) == len(got), f"something came twice: {got}"


def test_the_middle_broker_is_killed_and_returns(mesh, topic):
    edge, hub, cloud = mesh.line("edge", "hub", "cloud")
    with Client(cloud) as subscriber, Client(edge) as publisher:
        subscriber.subscribe(topic + "/#", 2)
        await_probe(publisher, subscriber, topic)
        exchange(publisher, subscriber, topic)
        for _ in range(2):
            hub.kill()
            wait_until(lambda: not edge.reaches() and not cloud.reaches(), "the loss to be seen")
            publisher.publish(topic, b"nobody can carry this")
            hub.start()
            wait_converged([edge, hub, cloud], 60)
            await_probe(publisher, subscriber, topic)
            exchange(publisher, subscriber, topic)


def test_a_broker_that_stops_says_so(mesh):
    edge, hub, cloud = mesh.line("edge", "hub", "cloud")
    assert cloud.stop() == 0
    wait_until(lambda: edge.reaches() == {"hub"}, "edge to hear that cloud left", 5)


def ring(mesh, proxies, size):
    """Brokers in a ring, a proxy in each link. Link i lies between broker i and i + 1."""
    members, links = [], []
    for i in range(size):
        if i > 0:
            links.append(proxies(members[-1]))
        join = [link.url for link in links[-1:]]
        if i == size - 1:
            links.append(proxies(members[0]))
            join.append(links[-1].url)
        members.append(mesh.start(f"ring-{i}", join))
    wait_converged(members)
    wait_links_up(members)
    return members, links


def wait_links_up(members):
    for member in members:
        def both_up(member=member):
            view = member.mesh()
            states = [link["state"].lower() for link in view["links"]]
            return states.count("full") >= 2

        wait_until(both_up, f"both links of {member.name}", 60, 0.1)


def gap_ms(publishers, subscriber, topic):
    """Publish in turn until each publisher is heard; how long did that take?"""
    topic = f"{topic}/gap-{next(NUMBERS)}"
    since = time.monotonic()
    silent = set(range(len(publishers)))
    while silent:
        assert time.monotonic() - since < PATIENCE_S, f"not heard: {silent}"
        for i in silent:
            publishers[i].publish(topic, b"%d" % i, wait=False)
        time.sleep(0.01)
        while not subscriber.messages.empty():
            message = subscriber.receive()
            if message.topic == topic:
                silent.discard(int(message.payload))
    return (time.monotonic() - since) * 1000


def await_steady(publishers, subscriber, topic):
    """While brokers hear of a change one after the other, what is on its way may be lost.
    Wait until a round of events from everybody arrives whole."""
    def whole_round():
        name = f"{topic}/round-{next(NUMBERS)}"
        missing = {b"%d/%d" % (i, n) for i in range(len(publishers)) for n in range(5)}
        for payload in sorted(missing):
            publishers[int(payload.split(b"/")[0])].publish(name, payload, wait=False)
        deadline = time.monotonic() + 1
        while missing and time.monotonic() < deadline:
            try:
                message = subscriber.receive(0.2)
            except AssertionError:
                continue
            if message.topic == name:
                missing.discard(message.payload)
        return not missing

    wait_until(whole_round, "the mesh to be steady")


def test_a_ring_of_five_survives_each_link_cut_in_turn(mesh, proxies, topic):
    members, links = ring(mesh, proxies, 5)
    subscriber = Client(members[0]).connect().subscribe(topic + "/#", 2)
    publishers = [Client(member).connect() for member in members[1:]]
    gaps = []
    for publisher in publishers:
        await_probe(publisher, subscriber, topic)
    for link in links:
        link.cut()
        gaps.append(gap_ms(publishers, subscriber, topic))
        wait_converged(members)
        await_steady(publishers, subscriber, topic)
        for publisher in publishers:
            exchange(publisher, subscriber, topic, count=5, attempts=3)
        link.mend()
        wait_links_up(members)
        await_steady(publishers, subscriber, topic)
        for publisher in publishers:
            exchange(publisher, subscriber, topic, count=5, attempts=3)
    assert statistics.median(gaps) < 2000, gaps
    for client in (subscriber, *publishers):
        client.close()


def test_a_link_that_falls_silent_is_routed_around(mesh, proxies, topic):
    members, links = ring(mesh, proxies, 3)
    with Client(members[0]) as subscriber, Client(members[1]) as publisher:
        subscriber.subscribe(topic + "/#", 1)
        await_probe(publisher, subscriber, topic)
        links[0].silence()
        gap = gap_ms([publisher], subscriber, topic)
        # Three pings of 250 ms missed, and what a busy machine adds.
        assert gap < 5000, gap
        links[0].mend()
        wait_converged(members)
        await_steady([publisher], subscriber, topic)
        exchange(publisher, subscriber, topic)


def test_a_broker_may_start_before_the_one_it_joins(mesh, topic):
    hub = mesh.start("hub")
    hub.kill()
    early = mesh.start("early", [hub])
    hub.start()
    wait_converged([hub, early], 60)
    with Client(hub) as subscriber, Client(early) as publisher:
        subscriber.subscribe(topic + "/#", 1)
        await_probe(publisher, subscriber, topic)


def test_the_first_to_join_knows_at_once_what_is_wanted(mesh, topic):
    hub = mesh.start("hub")
    with Client(hub) as subscriber:
        for number in range(300):
            subscriber.subscribe(f"{topic}/{number}", 1)
        subscriber.subscribe(f"{topic}/+/x", 1)
        early = mesh.start("early", [hub])
        with Client(early) as publisher:
            for number in (0, 299, "y/x"):
                publisher.publish(f"{topic}/{number}", b"%d" % len(str(number)), 1)
                assert subscriber.receive().topic == f"{topic}/{number}"


def test_joining_oneself_or_nobody_does_no_harm(mesh):
    alone = mesh.start("alone", ["ws://127.0.0.1:1/mesh"])
    alone.kill()
    alone.join = [alone.mesh_url]
    alone.start()
    time.sleep(0.5)
    assert alone.alive() and alone.reaches() == set()
    with Client(alone) as client:
        client.subscribe("x", 1).publish("x", b"y", 1)
        assert client.receive().payload == b"y"
